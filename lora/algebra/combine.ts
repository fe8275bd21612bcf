/**
 * @file Rules that make one change of a weight from several: all stated on ΔW [out, in], never on A and B apart.
 *
 *     linear            Σ w_i ΔW_i
 *     magnitude-prune   Σ w_i prune(ΔW_i)      prune: the part `density` of the entries that are largest stays
 *     dare              Σ w_i drop(ΔW_i)       drop: each entry stays with probability `density`, divided by it
 *     ties              mean where the signs agree, of w_i prune(ΔW_i)
 *     dare-ties         mean where the signs agree, of w_i drop(ΔW_i)
 *
 * TIES: Yadav et al., 2023, arXiv:2306.01708, Algorithm 1: trim, elect the sign of the larger total, average those that
 * have it. DARE: Yu et al., 2023, arXiv:2311.03099, §3.1. Departures: each matrix is trimmed by itself, where
 * TIES trims the whole model at once; weights are part of what is merged, so a negative one turns the vote too (in PEFT
 * the vote is taken without them); λ of TIES' step 4 is in the weights.
 */

import { AdapterError, array, type NDArray, type Random, sameShape } from "../../core/index.ts";

/** A change of a weight and its factor. */
export interface Weighted {
  readonly delta: NDArray;
  readonly weight: number;
  /** The part of its entries that stays, in (0, 1]. */
  readonly density: number;
}

export type Rule = "linear" | "magnitude-prune" | "dare" | "ties" | "dare-ties";

/** The combined ΔW [out, in]. @throws AdapterError when the shapes differ */
export function combine(rule: Rule, terms: readonly Weighted[], rng: Random): NDArray {
  const { shape } = terms[0].delta;
  const other = terms.find(({ delta }) => !sameShape(delta.shape, shape))?.delta;
  if (other)
    throw new AdapterError(
      `compose: expected ΔW of one shape; got [${shape.join(", ")}] and [${other.shape.join(", ")}]`,
    );
  const sparse = terms.map(({ delta, weight, density }, i): Float64Array => {
    const values = Float64Array.from(delta.data);
    if (rule === "magnitude-prune" || rule === "ties") keepLargest(values, density);
    else if (rule !== "linear") dropAtRandom(values, density, rng.split(i));
    return values.map((value) => weight * value);
  });
  return array(rule === "ties" || rule === "dare-ties" ? agreeingMean(sparse) : sumOf(sparse), shape);
}

/** Zeroes all but the density · n entries, rounded, that are largest in magnitude; of equals, the first stay. */
function keepLargest(values: Float64Array, density: number): void {
  const kept = Math.round(density * values.length);
  const order = Array.from(values.keys()).sort((i, j) => Math.abs(values[j]) - Math.abs(values[i]) || i - j);
  for (const i of order.slice(kept)) values[i] = 0;
}

/** Zeroes each entry with probability 1 − density and divides the others by density: the mean stays what it was. */
function dropAtRandom(values: Float64Array, density: number, rng: Random): void {
  for (let i = 0; i < values.length; i++) values[i] = rng.float() < density ? values[i] / density : 0;
}

/** Entry by entry: the mean of those values that are not zero and have the sign of the sum. */
function agreeingMean(terms: readonly Float64Array[]): Float64Array {
  return sumOf(terms).map((total, i) => {
    const agreeing = terms.map((term) => term[i]).filter((value) => value * total > 0);
    return agreeing.length === 0 ? 0 : agreeing.reduce((sum, value) => sum + value, 0) / agreeing.length;
  });
}

const sumOf = (terms: readonly Float64Array[]): Float64Array =>
  terms[0].map((_, i) => terms.reduce((sum, term) => sum + term[i], 0));
