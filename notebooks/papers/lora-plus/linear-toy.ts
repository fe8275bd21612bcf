/**
 * @file The linear toy of Hayou, Ghosh & Yu, 2024, arXiv:2402.12354, Eq. 2: f(x) = (W* + b aᵀ) x with a vector a of
 * length n and a number b. Many independent draws of it train side by side, each with its own two rates.
 */
import { type Tensor, tensor } from "lowrank/autograd";
import { type Random, scope } from "lowrank/core";
import { leastSquares } from "../../support/experiments/statistics.ts";

/** What the draws have come to after the last step; one number for each draw. */
export interface LinearRun {
  readonly f: readonly number[];
  /** δ₁, δ₂ and δ₃ of the last step. */
  readonly terms: readonly (readonly number[])[];
  /** What the last step really changed f by. */
  readonly change: readonly number[];
}

/**
 * Trains one toy for each entry of `etaA` and `etaB` by gradient descent: W* = 0, x ~ N(0, I), y = 1,
 * a ~ N(0, 1/n), b = 0.
 */
export function linearToy(
  n: number,
  etaA: readonly number[],
  etaB: readonly number[],
  { steps, rng }: { readonly steps: number; readonly rng: Random },
): LinearRun {
  const draws = etaA.length;
  return scope(() => {
    const x = tensor(rng.split("x").normal(draws * n), [draws, n]);
    let a = tensor(rng.split("a").normal(draws * n, 0, 1 / Math.sqrt(n)), [draws, n]);
    let b = tensor(new Float32Array(draws));
    const [rateA, rateB] = [tensor([...etaA], [draws, 1]), tensor([...etaB])];
    const xx = numbers(x.square().sum(1));
    const output = (): { ax: Tensor; f: Tensor } => {
      const ax = a.mul(x).sum(1);
      return { ax, f: ax.mul(b) };
    };
    let terms: number[][] = [];
    let before: number[] = [];
    for (let step = 0; step < steps; step++) {
      [a, b] = scope(() => {
        a.requiresGrad = b.requiresGrad = true;
        const { ax, f } = output();
        const U = f.sub(1);
        U.square().mul(0.5).sum().backward();
        const [us, bs, axs] = [U, b, ax].map(numbers);
        before = numbers(f);
        terms = [
          xx.map((xx, i) => -etaA[i] * bs[i] ** 2 * us[i] * xx),
          xx.map((_, i) => -etaB[i] * axs[i] ** 2 * us[i]),
          xx.map((xx, i) => etaA[i] * etaB[i] * us[i] ** 2 * bs[i] * axs[i] * xx),
        ];
        return [a.sub((a.grad as Tensor).mul(rateA)).detach(), b.sub((b.grad as Tensor).mul(rateB)).detach()];
      });
    }
    const f = numbers(output().f);
    return { f, terms, change: f.map((value, i) => value - before[i]) };
  });
}

/** The numbers of a tensor, in the precision that it was computed in. */
const numbers = ({ value }: Tensor): number[] => Array.from(value.data);

/** The middle of the values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((p, q) => p - q);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** The exponent c of the power law v ∝ n^c that fits best on logarithmic axes. */
export function exponent(ns: readonly number[], values: readonly number[]): number {
  return leastSquares(ns.map(Math.log), values.map(Math.log)).slope;
}
