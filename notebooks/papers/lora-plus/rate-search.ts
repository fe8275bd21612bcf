/**
 * @file The best pair of rates of the hidden toy by width: all pairs of a grid, the same for every width, on every draw
 * of the toy. What is best is decided by the mean over the draws, where a draw that diverges counts as a loss of 1, many
 * times that of any useful pair. Intervals are bootstrapped over the draws.
 */
import { type Random, random } from "lowrank/core";
import { mean, sum } from "../../support/experiments/statistics.ts";
import { progress } from "../../support/index.ts";
import { type Cell, hiddenToy, type Rates, trainHidden } from "./hidden-toy.ts";
import { exponent } from "./linear-toy.ts";

/** Powers of ten between which both rates are tried. */
const [LOWEST, HIGHEST] = [-4, 1];
const PAIRS = 3; // rates in a decade
const SINGLE = 9; // those of the diagonal, where both are equal
const BATCH = 8; // pairs trained side by side
const RESAMPLES = 200;
/** Pairs whose loss is at most so many times the best one's form the valley. */
export const VALLEY = 1.25;

/** What was found at one width. */
export interface Width {
  readonly n: number;
  /** All pairs of the grid. */
  readonly pairs: readonly Cell[];
  /** Equal rates, on a finer grid. */
  readonly single: readonly Cell[];
  /** Pairs around the best one of the grid, whose rates of A are as fine as the equal rates. */
  readonly fine: readonly Cell[];
}

export function searchWidth(n: number, steps: number, draws: number): Width {
  const bar = progress(2, `two rates, width ${n}`);
  const pairs = grid(PAIRS).flatMap((etaA) => grid(PAIRS).map((etaB) => ({ etaA, etaB })));
  const single = grid(SINGLE).map((eta) => ({ etaA: eta, etaB: eta }));
  const cells = train(n, [...pairs, ...single], steps, draws);
  bar.tick();
  const coarse = cells.slice(0, pairs.length);
  const { etaA, etaB } = best(coarse);
  const near = [-2, -1, 0, 1, 2].flatMap((i) =>
    [-1, 0, 1].map((j) => ({ etaA: etaA * 10 ** (i / SINGLE), etaB: etaB * 10 ** (j / PAIRS) })),
  );
  const fine = train(n, near, steps, draws);
  bar.tick();
  bar.done();
  return { n, pairs: coarse, single: cells.slice(pairs.length), fine };
}

/** The pairs with the losses of every draw. Pairs that diverge together are trained together, so that they can stop together. */
function train(n: number, pairs: readonly Rates[], steps: number, draws: number): Cell[] {
  const size = (i: number): number => n * pairs[i].etaA + pairs[i].etaB;
  const order = pairs.map((_, i) => i).sort((p, q) => size(p) - size(q));
  const losses = pairs.map((): number[] => []);
  for (let draw = 0; draw < draws; draw++) {
    const toy = hiddenToy(n, draw);
    for (let at = 0; at < order.length; at += BATCH) {
      const part = order.slice(at, at + BATCH);
      const found = trainHidden(
        toy,
        part.map((i) => pairs[i]),
        steps,
      );
      for (const [k, i] of part.entries()) losses[i].push(found[k]);
    }
  }
  return pairs.map((pair, i) => ({ ...pair, losses: losses[i] }));
}

function grid(perDecade: number): number[] {
  const count = (HIGHEST - LOWEST) * perDecade + 1;
  return Array.from({ length: count }, (_, k) => 10 ** (LOWEST + k / perDecade));
}

/** The mean loss over the draws, or over the chosen ones; a diverged draw counts as 1. */
export function lossOf({ losses }: Cell, draws: readonly number[] = losses.map((_, i) => i)): number {
  return mean(draws.map((i) => Math.min(1, losses[i])));
}

/** The cell of lowest mean loss. */
export const best = (cells: readonly Cell[], draws?: readonly number[]): Cell =>
  cells.reduce((a, b) => (lossOf(b, draws) < lossOf(a, draws) ? b : a));

/** The pairs of the valley. */
export function valley(cells: readonly Cell[], draws?: readonly number[]): Cell[] {
  const limit = VALLEY * lossOf(best(cells, draws), draws);
  return cells.filter((cell) => lossOf(cell, draws) <= limit);
}

/** The middle of the valley: the geometric means of its rates. */
export function center(cells: readonly Cell[], draws?: readonly number[]): Rates {
  const within = valley(cells, draws);
  return {
    etaA: geometric(within.map(({ etaA }) => etaA)),
    etaB: geometric(within.map(({ etaB }) => etaB)),
  };
}

export const ratioOf = ({ etaA, etaB }: Rates): number => etaB / etaA;

/** Geometric mean. */
export const geometric = (values: readonly number[]): number =>
  Math.exp(sum(values.map(Math.log)) / values.length);

/** A value of all draws, with the interval that holds 95 % of the values of resampled draws. */
export interface Bootstrapped {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Bootstraps over the draws: `of` gets, for each width, the draws to use. */
export function bootstrap(widths: readonly Width[], of: (draws: number[][]) => number): Bootstrapped {
  const rng: Random = random(1);
  const counts = widths.map(({ pairs }) => pairs[0].losses.length);
  const value = of(counts.map((count) => Array.from({ length: count }, (_, i) => i)));
  const values = Array.from({ length: RESAMPLES }, () =>
    of(counts.map((count) => Array.from({ length: count }, () => rng.integer(count)))),
  ).sort((p, q) => p - q);
  return { value, low: values[Math.floor(0.025 * RESAMPLES)], high: values[Math.floor(0.975 * RESAMPLES)] };
}

/** The exponent of n in the middle of the valley: of the ratio, or of one of the rates. */
export const growth = (widths: readonly Width[], of: (pair: Rates) => number): Bootstrapped =>
  bootstrap(widths, (draws) =>
    exponent(
      widths.map(({ n }) => n),
      widths.map(({ pairs }, i) => of(center(pairs, draws[i]))),
    ),
  );

/** The largest rate of each draw at which training does not diverge while the other rate is the smallest one. */
export function stableRates({ pairs }: Width): {
  readonly etaA: readonly number[];
  readonly etaB: readonly number[];
} {
  const least = Math.min(...pairs.map(({ etaA }) => etaA));
  const draws = pairs[0].losses.map((_, i) => i);
  const largest = (own: keyof Rates, other: keyof Rates): number[] =>
    draws.map((i) =>
      Math.max(
        ...pairs
          .filter((cell) => cell[other] === least && Number.isFinite(cell.losses[i]))
          .map((cell) => cell[own]),
      ),
    );
  return { etaA: largest("etaA", "etaB"), etaB: largest("etaB", "etaA") };
}

/** Each draw's loss at the cell that is best for all others. */
export function judged(cells: readonly Cell[]): number[] {
  const draws = cells[0].losses.map((_, i) => i);
  return draws.map((own) => {
    const others = draws.filter((i) => i !== own);
    return Math.min(1, best(cells, others.length > 0 ? others : draws).losses[own]);
  });
}
