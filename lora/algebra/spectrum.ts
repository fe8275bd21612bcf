/**
 * @file The ΔW of an adapter in double precision: as a matrix, as a product of factors, and by its singular values.
 *
 *     ΔW = B A = U diag(S) Vᵀ       ΔW [out, in]   B [out, r]   A [r, in]   U [out, p]   S [p]   V [in, p]
 *
 * Functions here are to run inside withPrecision("float64"); ΔW of float32 factors is then exact to about 2⁻⁵².
 */

import { noGrad } from "../../autograd/index.ts";
import {
  AdapterError,
  array,
  checkOptions,
  contiguous,
  frobeniusNorm,
  matmul,
  mT,
  type NDArray,
  qr,
  svd,
  zeros,
} from "../../core/index.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";

/** ΔW as a product B A. */
export interface Factors {
  readonly B: NDArray; // [out, r]
  readonly A: NDArray; // [r, in]
}

/** The singular value decomposition of ΔW. */
export interface Spectrum {
  readonly U: NDArray; // [out, p]
  readonly S: Float64Array; // [p], descending
  readonly V: NDArray; // [in, p]
  /** Singular values up to this come from the rounding of ΔW's own terms, not counting that of the decomposition. */
  readonly noise: number;
}

/**
 * How much of a spectrum to keep: at most one of the two.
 * @default all singular values that are not zero
 */
export interface Truncation {
  /** Keeps the r largest singular values. */
  readonly rank?: number;
  /** Keeps as few of the largest as hold this part of Σ S², in (0, 1]. */
  readonly energy?: number;
}

/** @throws AdapterError when ΔW is not all that the adapter changes */
function checkUnbiased(layer: AdaptedLayer, name: string): void {
  if (noGrad(() => layer.adapters.get(name)?.deltaBias()))
    throw new AdapterError(
      "lora_bias: the adapter adds a bias to its layers beside ΔW; expected one without, to combine, convert or compare it; " +
        "merge() and toPlain() hold it in full",
    );
}

/** An adapter's ΔW on a layer as factors; null when its ΔW is no product of two factors. */
export function factorsAt(layer: AdaptedLayer, name: string): Factors | null {
  checkUnbiased(layer, name);
  if (layer.residuals.has(name)) return null; // ΔW is then R − W0 + B A
  const pair = noGrad(() => layer.adapters.get(name)?.factors());
  return pair ? { B: pair.B.value, A: pair.A.value } : null;
}

/** An adapter's ΔW on a layer [out, in]; zeros when the adapter is not on the layer. */
export function deltaAt(layer: AdaptedLayer, name: string): NDArray {
  checkUnbiased(layer, name);
  const shape = [layer.W0.out, layer.W0.in];
  return layer.adapters.has(name) ? noGrad(() => layer.delta(name).value) : zeros(shape);
}

/** The spectrum of an adapter's ΔW. */
export function spectrumAt(layer: AdaptedLayer, name: string): Spectrum {
  const factors = factorsAt(layer, name);
  return factors ? spectrumOfProduct(factors) : spectrumOf(deltaAt(layer, name), noiseAt(layer, name));
}

/** ‖·‖_F of the rounding in a residual weight R [out, in], which is kept in float32: 2⁻²⁴ ‖W0‖_F; 0 without one. */
export function noiseAt(layer: AdaptedLayer, name: string): number {
  return layer.residuals.has(name) ? 2 ** -24 * frobeniusNorm(layer.W0.weight().value.data) : 0;
}

/** The spectrum of a matrix, by the decomposition of all of it: min(out, in)³ operations and more. */
export function spectrumOf(M: NDArray, noise = 0): Spectrum {
  const [rows, columns] = M.shape;
  const { U, S, V } = svd(M.data, rows, columns);
  return { U: array(U, [rows, S.length]), S, V: array(V, [columns, S.length]), noise };
}

/**
 * The spectrum of B A without forming it: with B = Q₁ R₁ and Aᵀ = Q₂ R₂, B A = Q₁ (R₁ R₂ᵀ) Q₂ᵀ, and only the inner [r, r] is
 * decomposed.
 */
export function spectrumOfProduct({ B, A }: Factors): Spectrum {
  const left = reducedQR(B);
  const right = reducedQR(contiguous(mT(A)));
  const inner = spectrumOf(matmul(left.R, mT(right.R)));
  return { U: matmul(left.Q, inner.U), S: inner.S, V: matmul(right.Q, inner.V), noise: 0 };
}

/** M = Q R with Q [rows, p] and R [p, columns], p the smaller of the two sizes. */
function reducedQR(M: NDArray): { Q: NDArray; R: NDArray } {
  const [rows, columns] = M.shape;
  const p = Math.min(rows, columns);
  const { Q, R } = qr(M.data, rows, columns);
  return { Q: array(Q, [rows, p]), R: array(R, [p, columns]) };
}

/** The number of singular values that are not zero, which is those above the rounding error. */
export function numericalRank({ U, S, V, noise }: Spectrum): number {
  const zero = Math.max(noise, S[0] * Math.max(U.shape[0], V.shape[0]) * 2 ** -48);
  return S.filter((value) => value > zero).length;
}

/** The number of singular values that a truncation keeps: at least 1, at most those that are not zero. */
export function keptRank(spectrum: Spectrum, { rank, energy }: Truncation): number {
  const full = Math.max(1, numericalRank(spectrum));
  if (rank !== undefined) return Math.min(rank, full);
  if (energy === undefined) return full;
  const wanted = energy * energyOf(spectrum.S);
  let held = 0;
  const enough = spectrum.S.findIndex((value) => (held += value * value) >= wanted);
  return enough < 0 ? full : Math.min(enough + 1, full);
}

/** U √S and √S Vᵀ of the `rank` largest: the best product of that rank (Eckart & Young, 1936), its factors of equal norm. */
export function truncated({ U, S, V }: Spectrum, rank: number): Factors {
  const columns = (M: NDArray): NDArray => {
    const [rows, p] = M.shape;
    const scaled = new Float64Array(rows * rank);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < rank; j++) scaled[i * rank + j] = M.data[i * p + j] * Math.sqrt(S[j]);
    }
    return array(scaled, [rows, rank]);
  };
  return { B: columns(U), A: contiguous(mT(columns(V))) };
}

/** √(Σ_{i > rank} S_i² / Σ S_i²): the relative error of a truncation, ‖ΔW − ΔW_r‖_F / ‖ΔW‖_F. */
export function truncationError({ S }: Spectrum, rank: number): number {
  const whole = energyOf(S);
  return whole === 0 ? 0 : Math.sqrt(energyOf(S.subarray(rank)) / whole);
}

const energyOf = (S: Float64Array): number => S.reduce((sum, value) => sum + value * value, 0);

/** @throws AdapterError naming `who`, unless rank is a positive integer, energy in (0, 1], and one of them absent */
export function checkTruncation(who: string, truncation: Truncation): void {
  checkOptions(who, truncation, ["rank", "energy"]);
  const { rank, energy } = truncation;
  if (rank !== undefined && energy !== undefined)
    throw new AdapterError(`${who}: expected rank or energy; got both`);
  if (rank !== undefined && (!Number.isSafeInteger(rank) || rank <= 0))
    throw new AdapterError(`${who}: rank: expected a positive integer; got ${rank}`);
  if (energy !== undefined && !(energy > 0 && energy <= 1))
    throw new AdapterError(`${who}: energy: expected a part of the whole, in (0, 1]; got ${energy}`);
}
