/**
 * @file First values of A and B that take a part of the weight over: the layer keeps the remainder R = W − s B A.
 *
 *     pissa    s B A = U_r S_r V_rᵀ, the r largest singular triplets of W      Meng et al. 2024, arXiv:2404.02948, Eq. 2–4
 *     olora    s B A = s Q_r R_r, the first r columns and rows of W = Q R      Büyükakyüz 2024, arXiv:2406.01775
 *     loftq    min ‖W − (q(R) + s B A)‖_F, q quantization                      Li et al. 2023, arXiv:2310.08659, Alg. 1
 *
 * PiSSA and LoftQ share √S between A and B. In LoftQ's own code B A has no factor s; here s B A is what leaves W, as in
 * PEFT's PiSSA, so that the layer starts where it should whatever α is.
 */

import {
  AdapterError,
  array,
  binary,
  checkOptions,
  matmul,
  mT,
  type NDArray,
  optionNames,
  qr,
  type Random,
  sameShape,
  svd,
} from "../../core/index.ts";
import { isLinearLike, Module } from "../../nn/index.ts";
import { elsewhere } from "../model/elsewhere.ts";
import { type Site, siteOf } from "../model/weight-view.ts";
import type { FirstValues, InitOptions } from "./index.ts";

export interface LoftQ {
  /**
   * W [out, in] before quantization, or the model before it, whose layer of the same name holds W: the quantized layer
   * cannot tell what was lost.
   */
  readonly original: NDArray | Module;
  /** T of Algorithm 1; 5 unless given, as in the paper's experiments. */
  readonly iterations?: number;
}

const loftqOptions = optionNames<LoftQ>({ original: true, iterations: true });

/** LoftQ's options for the layer of that name. @throws AdapterError when the original there is no linear layer */
export function loftqAt(name: string, options: LoftQ): LoftQ {
  checkOptions("loftq", options, loftqOptions, elsewhere);
  const { original, ...rest } = options;
  if (!(original instanceof Module)) return { original, ...rest };
  const layer = original.getModule(name);
  if (isLinearLike(layer)) return { original: layer.denseWeight().value, ...rest };
  throw new AdapterError(`loftq: expected a linear layer at ${name}; got ${layer.constructor.name}`);
}

export function pissa(site: Site, options: InitOptions): FirstValues {
  checkDivision(site, options);
  const W = site.weight().value;
  return divided(W, halves(W, options), options);
}

export function olora(site: Site, options: InitOptions): FirstValues {
  checkDivision(site, options);
  const { rank } = options;
  const W = site.weight().value;
  const { Q, R } = qr(W.data, site.out, site.in); //                     Q [out, p], R [p, in]
  const p = Math.min(site.out, site.in);
  const A = matrix(rank, site.in, (i, j) => R[i * site.in + j]);
  const B = matrix(site.out, rank, (i, j) => Q[i * p + j]);
  return divided(W, { A, B }, options);
}

export function loftq(site: Site, options: InitOptions): FirstValues {
  checkDivision(site, options);
  const { original: W, iterations = 5 } = options.loftq ?? {};
  if (!W || W instanceof Module || !sameShape(W.shape, [site.out, site.in]) || !(iterations >= 1)) {
    throw new AdapterError(
      `init loftq: expected loftq.original, the weight [${site.out}, ${site.in}] before quantization, and ` +
        `loftq.iterations ≥ 1; got ${W && !(W instanceof Module) ? `[${W.shape.join(", ")}]` : "none"}, ${iterations}`,
    );
  }
  let remainder = W;
  for (let t = 1; ; t++) {
    const quantized = siteOf(site.withWeight(remainder)).weight().value; // q(W − s B A)
    const error = binary("sub", W, quantized);
    if (t === 1 && error.data.every((value: number) => value === 0))
      throw new AdapterError("init loftq: expected a quantized layer; this one keeps its weight exactly");
    const pair = halves(error, options);
    if (t >= iterations) return { ...pair, remainder };
    remainder = divided(W, pair, options).remainder as NDArray;
  }
}

/** A and B with s B A the best approximation of M of that rank: √(S/s) on each side. */
function halves(M: NDArray, { rank, scaling, rng }: InitOptions): { A: NDArray; B: NDArray } {
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

/** A, B and R = W − s B A. */
function divided(W: NDArray, { A, B }: { A: NDArray; B: NDArray }, { scaling }: InitOptions): FirstValues {
  return { A, B, remainder: binary("sub", W, binary("mul", matmul(B, A), array(scaling, []))) };
}

/** The matrix with entries at(i, j). */
export const matrix = (rows: number, cols: number, at: (i: number, j: number) => number): NDArray =>
  array(
    Float64Array.from({ length: rows * cols }, (_, k) => at(Math.floor(k / cols), k % cols)),
    [rows, cols],
  );

function checkDivision({ out, in: into }: Site, { init, rank, scaling }: InitOptions): void {
  if (rank > Math.min(out, into) || !(scaling > 0)) {
    throw new AdapterError(
      `init ${init}: expected a rank up to ${Math.min(out, into)} and an alpha > 0; got rank ${rank} and the factor ` +
        `${scaling}`,
    );
  }
}
