/** @file Elementwise functions on arrays, with NumPy's broadcasting. */

import { kernel } from "../device/device.ts";
import type { BinaryName, UnaryName } from "../device/functions.ts";
import { batchOffset } from "../device/reference.ts";
import { ShapeError } from "../errors.ts";
import { broadcastTo } from "./movement.ts";
import { contiguous, empty, type NDArray } from "./ndarray.ts";
import { broadcastShapes, sameShape, sizeOf } from "./shape.ts";

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

/** a where mask ≠ 0, b elsewhere; the three shapes broadcast. Elements not chosen do not matter, NaN included. */
export function select(mask: NDArray, a: NDArray, b: NDArray): NDArray {
  const shape = broadcastShapes("where", mask.shape, a.shape, b.shape);
  const result = empty(shape);
  if (result.size === 0) return result;
  const [m, x, z] = [mask, a, b].map((operand) => broadcastTo(operand, shape)); // read through their strides, uncopied
  const [M, A, B] = [m.storage.data, x.storage.data, z.storage.data];
  const Y = result.storage.data;
  const n = shape.at(-1) ?? 1;
  const [dm, dx, dz] = [m, x, z].map(({ strides }) => strides.at(-1) ?? 0);
  const lead = shape.slice(0, -1);
  for (let row = 0; row * n < Y.length; row++) {
    let [im, ix, iz] = [m, x, z].map((v) => v.offset + batchOffset(row, lead, v.strides));
    for (let i = row * n; i < (row + 1) * n; i++, im += dm, ix += dx, iz += dz) {
      Y[i] = M[im] !== 0 ? A[ix] : B[iz];
    }
  }
  return result;
}

/** x ∘ mask, and 0 where the mask is 0, even if x is infinite or NaN there. Equal shapes. */
export function masked(x: NDArray, mask: NDArray): NDArray {
  if (!sameShape(x.shape, mask.shape))
    throw new ShapeError("masked", "a mask of x's shape", { x: x.shape, mask: mask.shape });
  return binary("masked", x, mask);
}
