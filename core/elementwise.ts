/** @file Elementwise functions on arrays, with NumPy's broadcasting. */

import { kernel } from "./device.ts";
import type { BinaryName, UnaryName } from "./kernels.ts";
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
