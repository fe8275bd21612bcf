/**
 * @file Intruder dimensions. Shuttleworth et al., 2024, arXiv:2410.21228.
 *
 *     y_j is an intruder  ⇔  max_i |cos(y_j, x_i)| < ε        (Definition 3.1; the authors' code takes the absolute value)
 *
 *     x_i   left singular vectors of W₀        y_j   of W = W₀ + ΔW, the k of largest singular value (Algorithm 1)
 */
import { array, type NDArray, type Random, svd } from "lowrank/core";
import type { GPT2 } from "lowrank/nn";

/** A weight [out, in] as plain numbers, row by row. */
export interface Weight {
  readonly values: Float64Array;
  readonly out: number;
  readonly into: number;
}

/** Singular vectors as columns: U [out, p], S [p] descending, V [in, p]. */
export interface Spectrum {
  readonly U: Float64Array;
  readonly S: Float64Array;
  readonly V: Float64Array;
}

const LAYERS = /\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/;

/** The weights of the linear layers of a plain GPT-2, by name; they are stored transposed. */
export function weightsOf(model: GPT2): Map<string, Weight> {
  const weights = new Map<string, Weight>();
  for (const [name, { data, shape }] of model.stateDict()) {
    if (!LAYERS.test(name)) continue;
    const [into, out] = shape;
    const values = Float64Array.from(
      { length: out * into },
      (_, at) => data[(at % into) * out + Math.floor(at / into)],
    );
    weights.set(name, { values, out, into });
  }
  return weights;
}

/** A diagonal matrix, row by row. */
export function diagonal(entries: readonly number[]): number[] {
  return entries.flatMap((entry, row) => entries.map((_, column) => (row === column ? entry : 0)));
}

export function spectrumOf({ values, out, into }: Weight): Spectrum {
  return svd(values, out, into) as Spectrum;
}

/** |cos| of each of the first k left singular vectors of W (down) with each of W₀'s (across). */
export function similarities(before: Spectrum, after: Spectrum, out: number, k: number): number[][] {
  const [p, q] = [before.S.length, after.S.length];
  return Array.from({ length: Math.min(k, q) }, (_, j) =>
    Array.from({ length: p }, (_, i) => {
      let dot = 0;
      for (let row = 0; row < out; row++) dot += after.U[row * q + j] * before.U[row * p + i];
      return Math.abs(dot);
    }),
  );
}

export interface Detection {
  /** ε */
  readonly threshold: number;
  /** Singular vectors that are looked at. */
  readonly k: number;
}

/** The numbers of the intruders among the first k singular vectors, from 0, the largest first. */
export function intrudersOf(
  before: Spectrum,
  after: Spectrum,
  out: number,
  { threshold, k }: Detection,
): number[] {
  return similarities(before, after, out, k).flatMap((row, j) => (Math.max(...row) < threshold ? [j] : []));
}

/** The mean over draws of max_i |cos(y, x_i)| for a random y among `count` orthonormal vectors in `size` dimensions. */
export function chance(size: number, count: number, random: Random, draws = 200): number {
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    const y = random.split(draw).normal(size); // by symmetry the x_i may be unit vectors
    const norm = Math.hypot(...y);
    sum += Math.max(...Array.from(y.subarray(0, count), Math.abs)) / norm;
  }
  return sum / draws;
}

/** W + (λ − 1) u_j σ_j v_jᵀ for each j: some of its singular values are scaled by λ. */
export function scaled(
  weight: Weight,
  { U, S, V }: Spectrum,
  which: readonly number[],
  factor: number,
): Weight {
  const values = Float64Array.from(weight.values);
  const p = S.length;
  for (const j of which)
    for (let row = 0; row < weight.out; row++)
      for (let column = 0; column < weight.into; column++)
        values[row * weight.into + column] += (factor - 1) * S[j] * U[row * p + j] * V[column * p + j];
  return { ...weight, values };
}

/** Puts weights into a model. */
export function putWeights(model: GPT2, weights: ReadonlyMap<string, Weight>): GPT2 {
  const state = new Map<string, NDArray>(model.stateDict());
  for (const [name, { values, out, into }] of weights) {
    const stored = Float32Array.from(
      { length: out * into },
      (_, at) => values[(at % out) * into + Math.floor(at / out)],
    );
    state.set(name, array(stored, [into, out]));
  }
  model.loadStateDict(state);
  return model;
}
