/**
 * @file What PiSSA, OLoRA and LoftQ share: A and B take a part s B A of the weight over, and the layer keeps the residual
 * weight R = W − s B A, so that R + s B A computes W x from the start.
 */

import {
  AdapterError,
  array,
  binary,
  matmul,
  mT,
  type NDArray,
  qr,
  type Random,
  svd,
} from "../../core/index.ts";
import type { WeightView } from "../model/weight-view.ts";
import type { Initial, InitOptions } from "./index.ts";

type Pair = Pick<Initial, "A" | "B">;

/** A, B and R = W − s B A   [out, in] */
export function withResidual(W: NDArray, { A, B }: Pair, { scaling }: InitOptions): Initial {
  return { A, B, residual: binary("sub", W, binary("mul", matmul(B, A), array(scaling, []))) };
}

/** A and B with s B A the best approximation of M [out, in] of rank r: U_r S_r V_rᵀ, with √(S/s) on each side. */
export function bestApproximation(M: NDArray, { rank, scaling, rng }: InitOptions): Pair {
  const [out, into] = M.shape;
  const { U, S, V } = leadingTriplets(M, rank, rng);
  const p = S.length;
  const root = S.map((value) => Math.sqrt(value / scaling));
  return {
    A: matrix(rank, into, (i, j) => root[i] * V[j * p + i]),
    B: matrix(out, rank, (i, j) => root[j] * U[i * p + j]),
  };
}

const EXACT_UP_TO = 128; // the Jacobi SVD of a 128² matrix takes 0.2 s, of 512² 7 s

/**
 * At least r singular triplets of M, the largest: exactly for small M, else by subspace iteration (Halko, Martinsson &
 * Tropp 2011, arXiv:0909.4061, Alg. 4.4; PiSSA's "fast SVD"), 16 times, with as many directions again to spare.
 */
function leadingTriplets(M: NDArray, rank: number, rng: Random): ReturnType<typeof svd> {
  const [out, into] = M.shape;
  if (Math.min(out, into) <= EXACT_UP_TO) return svd(M.data, out, into);
  const k = Math.min(2 * rank, out, into);
  const orthonormal = (X: NDArray): NDArray => array(qr(X.data, X.shape[0], k).Q, [X.shape[0], k]);
  let Q = orthonormal(matmul(M, array(rng.normal(into * k), [into, k]))); // [out, k]
  for (let i = 0; i < 16; i++) Q = orthonormal(matmul(M, orthonormal(matmul(mT(M), Q))));
  const { U, S, V } = svd(matmul(mT(Q), M).data, k, into); //                Qᵀ M [k, in]
  return { U: Float64Array.from(matmul(Q, array(U, [k, k])).data), S, V };
}

/** The matrix with entries at(i, j). */
export const matrix = (rows: number, cols: number, at: (i: number, j: number) => number): NDArray =>
  array(
    Float64Array.from({ length: rows * cols }, (_, k) => at(Math.floor(k / cols), k % cols)),
    [rows, cols],
  );

/** @throws AdapterError unless r ≤ min(out, in) and s > 0: a part of W of that rank can be taken over */
export function checkResidual({ out, in: into }: WeightView, { init, rank, scaling }: InitOptions): void {
  if (rank > Math.min(out, into) || !(scaling > 0)) {
    throw new AdapterError(
      `init ${init}: expected a rank up to ${Math.min(out, into)} and an alpha > 0; got rank ${rank} and the factor ` +
        `${scaling}`,
    );
  }
}
