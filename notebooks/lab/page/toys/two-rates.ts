/**
 * @file The toy of LoRA+ (Hayou, Ghosh & Yu, 2024, arXiv:2402.12354, Eq. 2): f(x) = b aᵀx with a of length n and a number b,
 * one example x ~ N(0, I) with y = 1, a ~ N(0, 1/n), b = 0; gradient descent on ½ (f − 1)² with a rate for each.
 *
 *     U = f − 1      a ← a − η_A U b x      b ← b − η_B U aᵀx
 *
 *     δ₁ = −η_A b² ‖x‖² U      δ₂ = −η_B (aᵀx)² U      δ₃ = η_A η_B U² b aᵀx ‖x‖²       f changes by δ₁ + δ₂ + δ₃
 *
 * a changes along x alone, so that aᵀx and b are all there is to follow: aᵀx ← aᵀx − η_A U b ‖x‖². A whole map of rates
 * takes milliseconds.
 */
import { random } from "lowrank/core";
import type { Training } from "./training.ts";

/** A draw of the toy: aᵀx at the start, and ‖x‖². */
export interface Draw {
  readonly ax: number;
  readonly xx: number;
}

export interface Run {
  readonly f: number;
  /** δ₁, δ₂ and δ₃ of the last step. */
  readonly terms: readonly [number, number, number];
}

const DRAWS = 9;

/** Draws of the toy at width n. */
export function drawsOf(n: number): Draw[] {
  const rng = random(7).split(`width ${n}`);
  const [x, a] = ["x", "a"].map((name) => rng.split(name).normal(DRAWS * n));
  return Array.from({ length: DRAWS }, (_, draw) => {
    let [ax, xx] = [0, 0];
    for (let i = draw * n; i < (draw + 1) * n; i++) {
      ax += (a[i] / Math.sqrt(n)) * x[i];
      xx += x[i] * x[i];
    }
    return { ax, xx };
  });
}

/** What the toy comes to after `steps`, at least one. Infinity or NaN where it diverges. */
export function train({ ax, xx }: Draw, rateA: number, rateB: number, steps: number): Run {
  let [u, b] = [ax, 0]; // u = aᵀx
  let terms: [number, number, number] = [0, 0, 0];
  for (let step = 0; step < steps; step++) {
    const U = u * b - 1;
    terms = [-rateA * b * b * xx * U, -rateB * u * u * U, rateA * rateB * U * U * b * u * xx];
    [u, b] = [u - rateA * U * b * xx, b - rateB * U * u];
    if (!(Math.abs(u * b) < 1e9)) break;
  }
  return { f: u * b, terms };
}

/** The middle of the losses ½ (f − 1)² of the draws; Infinity where the middle one diverges. */
export function medianLoss(draws: readonly Draw[], rateA: number, rateB: number, steps: number): number {
  const losses = draws.map((draw) => {
    const loss = (train(draw, rateA, rateB, steps).f - 1) ** 2 / 2;
    return loss < 1e6 ? loss : Number.POSITIVE_INFINITY;
  });
  return losses.sort((p, q) => p - q)[Math.floor(losses.length / 2)];
}

/** Powers of ten of the rates on both axes. */
export const AXIS = { from: -4, to: 2, count: 37 };
export const rateAt = (index: number): number =>
  10 ** (AXIS.from + ((AXIS.to - AXIS.from) * index) / (AXIS.count - 1));

export interface Landscape {
  /** Losses by row: η_B falls from the first row to the last, η_A rises along a row. */
  readonly losses: Float64Array;
  /** Rows that are done. */
  readonly rows: number;
}

/** The map of median losses, a row of it in a step. */
export function landscape(n: number, steps: number): Training<Landscape> {
  const draws = drawsOf(n);
  const losses = new Float64Array(AXIS.count ** 2).fill(Number.NaN);
  let rows = 0;
  return {
    steps: AXIS.count,
    step() {
      const rateB = rateAt(AXIS.count - 1 - rows);
      for (let i = 0; i < AXIS.count; i++)
        losses[rows * AXIS.count + i] = medianLoss(draws, rateAt(i), rateB, steps);
      rows++;
    },
    read: () => ({ losses: losses.slice(), rows }),
  };
}
