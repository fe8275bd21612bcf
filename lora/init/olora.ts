/**
 * @file OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models. Büyükakyüz, 2024, arXiv:2406.01775.
 *
 *     W = Q R, with orthonormal columns of Q
 *
 *     B = Q_r, the first r columns   [out, r]      A = R_r, the first r rows   [r, in]      W − s B A   [out, in], frozen
 */

import { type NDArray, qr } from "../../core/index.ts";
import type { WeightView } from "../model/weight-view.ts";
import type { Initial, InitOptions } from "./index.ts";
import { checkResidual, matrix, withResidual } from "./residual.ts";

/** OLoRA's initial values. @throws AdapterError unless r ≤ min(out, in) and α > 0 */
export function olora(W0: WeightView, options: InitOptions): Initial {
  checkResidual(W0, options);
  const { rank } = options;
  const W: NDArray = W0.weight().value;
  const { Q, R } = qr(W.data, W0.out, W0.in); // Q [out, p], R [p, in]
  const p = Math.min(W0.out, W0.in);
  const A = matrix(rank, W0.in, (i, j) => R[i * W0.in + j]);
  const B = matrix(W0.out, rank, (i, j) => Q[i * p + j]);
  return withResidual(W, { A, B }, options);
}
