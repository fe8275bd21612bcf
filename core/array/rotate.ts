/** @file Rotating pairs of coordinates, as rotary position embeddings do. */

import { ShapeError } from "../errors.ts";
import { contiguous, empty, type NDArray } from "./ndarray.ts";
import { sameShape, sizeOf } from "./shape.ts";

/**
 * Coordinates i and i + d/2 of x[..., t, :] turned by the angle whose cosine and sine are cos[t, i], sin[t, i]; by its
 * opposite when `backwards`, which is the inverse and the adjoint.
 *
 * @param x [batch, ..., time, d]
 * @param cos [time, d/2], or [batch, time, d/2]
 * @param sin of the shape of cos
 */
export function rotate(x: NDArray, cos: NDArray, sin: NDArray, backwards = false): NDArray {
  const [time, d] = x.shape.slice(-2);
  const h = d / 2;
  const batches = cos.rank === 3 ? cos.shape[0] : 1;
  const fits = cos.rank === 3 ? [x.shape[0], time, h] : [time, h];
  if (
    x.rank < 2 ||
    (cos.rank === 3 && x.rank < 3) ||
    !sameShape(cos.shape, fits) ||
    !sameShape(sin.shape, fits)
  ) {
    throw new ShapeError(
      "rotate",
      "x [batch, ..., time, d], and cos and sin [time, d/2] or [batch, time, d/2]",
      {
        x: x.shape,
        cos: cos.shape,
        sin: sin.shape,
      },
    );
  }
  const result = empty(x.shape);
  if (x.size === 0) return result;
  const X = contiguous(x).data;
  const C = cos.data;
  const S = sin.data;
  const Y = result.storage.data;
  const sign = backwards ? -1 : 1;
  const perBatch = sizeOf(x.shape.slice(0, -2)) / batches;
  for (let row = 0; row * d < X.length; row++) {
    const t = Math.floor(row / time / perBatch) * time + (row % time);
    for (let i = 0; i < h; i++) {
      const [c, s] = [C[t * h + i], sign * S[t * h + i]];
      const [a, b] = [X[row * d + i], X[row * d + h + i]];
      Y[row * d + i] = a * c - b * s;
      Y[row * d + h + i] = b * c + a * s;
    }
  }
  return result;
}
