/** @file The matrix product over the last two axes, the batch axes broadcast; transposed views cost no copy. */

import { kernel } from "../device/device.ts";
import type { Codes } from "../device/kernels.ts";
import { ShapeError } from "../errors.ts";
import { broadcastTo } from "./movement.ts";
import { type NDArray, zeros } from "./ndarray.ts";
import { broadcastShapes, sameShape, sizeOf } from "./shape.ts";

/**
 * Y = A B: A [...p, n, k], B [...q, k, m], Y [...p∨q, n, m]. An inner length of 0 gives zeros.
 * @throws ShapeError when inner lengths differ or batch axes do not broadcast
 */
export function matmul(a: NDArray, b: NDArray): NDArray {
  if (a.rank < 2 || b.rank < 2 || a.shape.at(-1) !== b.shape.at(-2)) {
    throw new ShapeError("matmul", "A [..., n, k] and B [..., k, m]", { A: a.shape, B: b.shape });
  }
  const [n, k] = a.shape.slice(-2);
  const m = b.shape[b.rank - 1];
  const p = a.shape.slice(0, -2);
  const q = b.shape.slice(0, -2);
  const batch = broadcastShapes("matmul", p, q);
  if (sizeOf(batch) * n * m === 0 || k === 0) return zeros([...batch, n, m]);
  const A = sameShape(p, batch) ? a : broadcastTo(a, [...batch, n, k]);
  const B = sameShape(q, batch) ? b : broadcastTo(b, [...batch, k, m]);
  return kernel("matmul")(A, B);
}

/**
 * Y = A Wᵀ if `transposed`, else Y = A W. A [n, k]; W [out, in] in 4-bit codes, which a gpu device keeps
 * and dequantizes in the product. Elsewhere W is dequantized first: call it in a `scope` to have the numbers released.
 * @throws ShapeError when k is not the length that W has
 */
export function dequantizeMatmul(a: NDArray, W: Codes, transposed: boolean): NDArray {
  const [m, k] = transposed ? W.shape : W.shape.toReversed();
  if (a.rank !== 2 || a.shape[1] !== k)
    throw new ShapeError("dequantizeMatmul", `A [n, ${k}]`, { A: a.shape });
  if (a.size === 0 || m === 0) return zeros([a.shape[0], m]);
  return kernel("dequantizeMatmul")(a, W, transposed);
}
