/**
 * @file The best pair of rates of the hidden toy by width. A coarse grid, the same for every width, finds the place; a
 * grid around it has nine rates in a decade. The draws of the toy form groups of four; each group's mean loss gives it a
 * best pair of its own.
 */
import { mean, sum } from "../../support/experiments/statistics.ts";
import { progress } from "../../support/index.ts";
import { type Cell, hiddenToy, type Rates, trainHidden } from "./hidden-toy.ts";

/** Powers of ten between which both rates are tried. */
const [LOWEST, HIGHEST] = [-4, 1];
const COARSE = 3; // rates in a decade
const FINE = 9;
const BATCH = 8; // pairs trained side by side
/** Draws of a group. */
export const GROUP = 4;

/** What was found at one width. */
export interface Width {
  readonly n: number;
  /** The coarse grid, with the losses of all draws. */
  readonly coarse: readonly Cell[];
  /** Each group's best pair. */
  readonly own: readonly Cell[];
  /**
   * Test loss of each group with the pair, and with the single rate, that are best for the other groups; with its own
   * best ones where it is the only group.
   */
  readonly pairLosses: readonly number[];
  readonly equalLosses: readonly number[];
}

export function searchWidth(n: number, steps: number, draws: number): Width {
  const bar = progress(2, `two rates, width ${n}`);
  const coarse = trainGrid(n, square(COARSE), steps, draws);
  bar.tick();
  const [pair, equal] = [best(coarse), best(coarse.filter(isEqual))];
  const reach = FINE / COARSE - 1; // up to the neighbours on the coarse grid
  const factors = Array.from({ length: 2 * reach + 1 }, (_, i) => 10 ** ((i - reach) / FINE));
  const around = factors.flatMap((p) => factors.map((q) => ({ etaA: pair.etaA * p, etaB: pair.etaB * q })));
  const diagonal = factors.map((p) => ({ etaA: equal.etaA * p, etaB: equal.etaA * p }));
  const fine = trainGrid(n, [...around, ...diagonal], steps, draws);
  bar.tick();
  bar.done();
  const all = grouped([...coarse, ...fine]);
  const single = all.filter(isEqual);
  const groups = all[0].losses.map((_, g) => g);
  const judge = (cells: readonly Cell[]): number[] =>
    groups.map((g) => {
      const others = cells.map((cell) => ({
        ...cell,
        losses: groups.length > 1 ? cell.losses.filter((_, i) => i !== g) : cell.losses,
      }));
      return cells[others.indexOf(best(others))].losses[g];
    });
  const own = groups.map((g) => best(all.map((cell) => ({ ...cell, losses: [cell.losses[g]] }))));
  return { n, coarse, own, pairLosses: judge(all), equalLosses: judge(single) };
}

export const ratioOf = ({ etaA, etaB }: Rates): number => etaB / etaA;
export const isEqual = ({ etaA, etaB }: Rates): boolean => etaA === etaB;

/** The cell of lowest mean loss. */
export function best(cells: readonly Cell[]): Cell {
  return cells.reduce((a, b) => (mean(b.losses) < mean(a.losses) ? b : a));
}

/** Geometric mean. */
export const geometric = (values: readonly number[]): number =>
  Math.exp(sum(values.map(Math.log)) / values.length);

/** The cells with the mean loss of each group of draws in place of every draw's. */
export function grouped(cells: readonly Cell[]): Cell[] {
  return cells.map((cell) => ({
    ...cell,
    losses: Array.from({ length: Math.max(1, Math.floor(cell.losses.length / GROUP)) }, (_, g) =>
      mean(cell.losses.slice(g * GROUP, (g + 1) * GROUP)),
    ),
  }));
}

function square(perDecade: number): Rates[] {
  const count = (HIGHEST - LOWEST) * perDecade + 1;
  const rates = Array.from({ length: count }, (_, k) => 10 ** (LOWEST + k / perDecade));
  return rates.flatMap((etaA) => rates.map((etaB) => ({ etaA, etaB })));
}

/** The losses of every pair. Pairs that diverge together are trained together, so that they can stop together. */
function trainGrid(n: number, pairs: readonly Rates[], steps: number, draws: number): Cell[] {
  const sorted = [...pairs].sort((p, q) => n * p.etaA + p.etaB - (n * q.etaA + q.etaB));
  const parts = Array.from({ length: Math.ceil(sorted.length / BATCH) }, (_, i) =>
    sorted.slice(i * BATCH, (i + 1) * BATCH),
  );
  const byDraw = Array.from({ length: draws }, (_, draw) => {
    const toy = hiddenToy(n, draw);
    return parts.flatMap((part) => trainHidden(toy, part, steps));
  });
  return sorted.map((pair, i) => ({ ...pair, losses: byDraw.map((losses) => losses[i]) }));
}
