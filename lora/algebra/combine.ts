/**
 * @file combine: one ΔW from several. All rules are stated on ΔW [out, in], never on A and B apart.
 *
 *     linear            Σ w_i ΔW_i
 *     magnitude-prune   Σ w_i prune(ΔW_i)      prune: keeps the part `density` of the entries, the largest
 *     dare              Σ w_i drop(ΔW_i)       drop: keeps each entry with probability `density`, divided by it
 *     ties              mean where the signs agree, of w_i prune(ΔW_i)
 *     dare-ties         mean where the signs agree, of w_i drop(ΔW_i)
 *
 * TIES: Yadav et al., 2023, arXiv:2306.01708, Algorithm 1: trim, elect the sign of the larger total, average those that
 * have it. DARE: Yu et al., 2023, arXiv:2311.03099, §3.1. Departures: each matrix is trimmed by itself, where
 * TIES trims the whole model at once; the weights apply before the vote, so that a negative weight turns it too (PEFT
 * takes the vote without them); λ of TIES' step 4 is in the weights.
 */

import { AdapterError, array, type NDArray, type Random, sameShape } from "../../core/index.ts";

/** One ΔW and how it takes part. */
export interface Weighted {
  /** ΔW [out, in]. */
  readonly delta: NDArray;
  /** w, its factor. */
  readonly weight: number;
  /** The part of its entries that is kept, in (0, 1]. Rules other than linear use it. */
  readonly density: number;
}

/** The rules of this file. */
export type Rule = "linear" | "magnitude-prune" | "dare" | "ties" | "dare-ties";

/**
 * Combines several ΔW.
 *
 * @param rule see the list above
 * @param terms at least one ΔW, with weights and densities
 * @param rng draws the entries that the DARE rules drop; other rules do not use it
 * @returns the combined ΔW [out, in]
 * @throws AdapterError when the shapes differ
 */
export function combine(rule: Rule, terms: readonly Weighted[], rng: Random): NDArray {
  const { shape } = terms[0].delta;
  const other = terms.find(({ delta }) => !sameShape(delta.shape, shape))?.delta;
  if (other)
    throw new AdapterError(
      `compose: expected ΔW of one shape; got [${shape.join(", ")}] and [${other.shape.join(", ")}]`,
    );
  const weighted = terms.map(({ delta, weight, density }, i): Float64Array => {
    const values = Float64Array.from(delta.data);
    if (rule === "magnitude-prune" || rule === "ties") keepLargest(values, density);
    else if (rule !== "linear") dropAtRandom(values, density, rng.split(i));
    return values.map((value) => weight * value);
  });
  return array(rule === "ties" || rule === "dare-ties" ? agreeingMean(weighted) : sumOf(weighted), shape);
}

/** Zeroes all but the largest density · n entries, rounded, by magnitude; of equals the first are kept. */
function keepLargest(values: Float64Array, density: number): void {
  const kept = Math.round(density * values.length);
  const order = Array.from(values.keys()).sort((i, j) => Math.abs(values[j]) - Math.abs(values[i]) || i - j);
  for (const i of order.slice(kept)) values[i] = 0;
}

/** Zeroes each entry with probability 1 − density and divides the others by density, which keeps the mean. */
function dropAtRandom(values: Float64Array, density: number, rng: Random): void {
  for (let i = 0; i < values.length; i++) values[i] = rng.float() < density ? values[i] / density : 0;
}

/** Entry by entry, the mean of the values that have the sign of their sum. */
function agreeingMean(terms: readonly Float64Array[]): Float64Array {
  return sumOf(terms).map((total, i) => {
    const agreeing = terms.map((term) => term[i]).filter((value) => value * total > 0);
    return agreeing.length === 0 ? 0 : agreeing.reduce((sum, value) => sum + value, 0) / agreeing.length;
  });
}

/** The sum entry by entry. */
const sumOf = (terms: readonly Float64Array[]): Float64Array =>
  terms[0].map((_, i) => terms.reduce((sum, term) => sum + term[i], 0));
