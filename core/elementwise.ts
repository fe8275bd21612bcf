/** @file Elementwise functions on arrays, with NumPy's broadcasting. */

import { kernel } from "./device.ts";
import type { BinaryName, UnaryName } from "./kernels.ts";
import { broadcastTo } from "./movement.ts";
import { contiguous, empty, type NDArray } from "./ndarray.ts";
import { broadcastShapes, sizeOf } from "./shape.ts";

/** f(x), element by element, same shape. */
export function unary(name: UnaryName, x: NDArray): NDArray {
  if (x.size === 0) return empty(x.shape);
  return kernel("unary")(name, contiguous(x));
}

/** f(a, b), element by element; shapes broadcast. */
export function binary(name: BinaryName, a: NDArray, b: NDArray): NDArray {
  const shape = broadcastShapes(name, a.shape, b.shape);
  if (sizeOf(shape) === 0) return empty(shape);
  return kernel("binary")(name, contiguous(a), contiguous(b), shape);
}

/** a where mask ≠ 0, b elsewhere; the three shapes broadcast. What is not chosen does not matter, be it NaN. */
export function select(mask: NDArray, a: NDArray, b: NDArray): NDArray {
  const shape = broadcastShapes("where", mask.shape, a.shape, b.shape);
  const result = empty(shape);
  const M = broadcastTo(mask, shape).data;
  const A = broadcastTo(a, shape).data;
  const B = broadcastTo(b, shape).data;
  const Y = result.storage.data;
  for (let i = 0; i < Y.length; i++) Y[i] = M[i] !== 0 ? A[i] : B[i];
  return result;
}
