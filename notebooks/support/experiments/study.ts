/**
 * @file `study`: several methods, the arms, compared fairly. Each arm gets the same number of learning rates to try; its
 * rate is the one with the lowest mean loss over the search seeds on held-out text that is used for nothing else. Then
 * every arm runs with the same seeds, so that differences are taken seed by seed.
 */
import type { LanguageModel } from "lowrank/nn";
import type { Batch, Domain } from "../data/domain.ts";
import { progress } from "../terminal/progress.ts";
import { type Prepared, type Run, runMethod } from "./harness.ts";
import { mean } from "./statistics.ts";

/** A method that takes part. */
export interface Arm<M extends LanguageModel, A, T> {
  readonly name: string;
  /** The learning rates to choose from; equally many in all arms. */
  readonly rates: readonly number[];
  /** Prepares the method on a new copy of the base. @param seed of whatever the method draws */
  prepare(model: M, how: { readonly rate: number; readonly seed: number }): Prepared<A>;
  /** Takes out of the adapted model what is to be kept of a reported run. @default nothing */
  read?(adapted: A): T;
}

export interface Shift<M extends LanguageModel> {
  /** The base's name. */
  readonly base: string;
  copy(): M;
  /** What the base is adapted to. Its validation batches are reported. */
  readonly domain: Domain;
  /** Held-out batches for choosing the rates; none of them is in `domain.validation`. */
  readonly choosing: readonly Batch[];
}

export interface StudyOptions {
  readonly steps: number;
  /** Rows of a batch. */
  readonly rows: number;
  /** Number of reported seeds. */
  readonly seeds: number;
  /** Number of seeds by which a rate is chosen; they are none of the reported ones. @default 3 */
  readonly search?: number;
  /**
   * Steps of each run of the search. Half of `steps` makes the search the check of `halfway` at no further cost.
   * @default steps
   */
  readonly searchSteps?: number;
}

/** The runs of one arm from one base. */
export interface ArmResult<T> {
  readonly arm: string;
  readonly base: string;
  /** The chosen rate. */
  readonly rate: number;
  /** Mean loss of the search by rate, for the curve of rates. */
  readonly tried: readonly { readonly rate: number; readonly loss: number }[];
  /** Whether the chosen rate is the lowest or the highest tried, so that a better one may lie outside. */
  readonly atEdge: boolean;
  /** The reported runs, one for each seed. */
  readonly runs: readonly Run<T>[];
  /** Their held-out losses. */
  readonly losses: readonly number[];
}

/** Reported seeds begin here, and search seeds at zero, so that none is both. */
const REPORTED = 100;

/**
 * Runs all arms on all shifts.
 *
 * @throws RangeError if the arms have different numbers of rates
 */
export function study<M extends LanguageModel, A, T = undefined>(
  arms: readonly Arm<M, A, T>[],
  shifts: readonly Shift<M>[],
  { steps, rows, seeds, search = 3, searchSteps = steps }: StudyOptions,
): ArmResult<T>[] {
  const grids = new Set(arms.map(({ rates }) => rates.length));
  if (grids.size > 1)
    throw new RangeError(`study: expected equally many rates for every arm; got ${[...grids].join(", ")}`);
  const tries = (grids.values().next().value ?? 1) > 1 ? search * [...grids][0] : 0;
  const bar = progress(arms.length * shifts.length * (tries + seeds), "runs");
  const once = (
    arm: Arm<M, A, T>,
    shift: Shift<M>,
    how: { domain: Domain; rate: number; seed: number; steps: number },
  ): Run<T> => {
    const run = runMethod<M, A, T>(
      () => shift.copy(),
      (model) => arm.prepare(model, how),
      { domain: how.domain, steps: how.steps, rows, seed: how.seed },
      (adapted) => arm.read?.(adapted) as T,
    );
    bar.tick();
    return run;
  };
  const results = shifts.flatMap((shift) =>
    arms.map((arm): ArmResult<T> => {
      const chosenOn = { ...shift.domain, validation: shift.choosing };
      const tried =
        arm.rates.length === 1
          ? [{ rate: arm.rates[0], loss: Number.NaN }]
          : arm.rates.map((rate) => ({
              rate,
              loss: mean(
                Array.from(
                  { length: search },
                  (_, seed) => once(arm, shift, { domain: chosenOn, rate, seed, steps: searchSteps }).loss,
                ),
              ),
            }));
      const worth = ({ loss }: { loss: number }): number => (Number.isFinite(loss) ? loss : Infinity);
      const best = tried.reduce((a, b) => (worth(b) < worth(a) ? b : a));
      const runs = Array.from({ length: seeds }, (_, s) =>
        once(arm, shift, { domain: shift.domain, rate: best.rate, seed: REPORTED + s, steps }),
      );
      const sorted = [...arm.rates].sort((a, b) => a - b);
      return {
        arm: arm.name,
        base: shift.base,
        rate: best.rate,
        tried,
        atEdge: sorted.length > 1 && (best.rate === sorted[0] || best.rate === sorted.at(-1)),
        runs,
        losses: runs.map(({ loss }) => loss),
      };
    }),
  );
  bar.done();
  return results;
}

/** The held-out batches of `domain` in two parts: `choosing` gets the last `batches`, and the domain keeps the others. */
export function apart(domain: Domain, batches: number): { domain: Domain; choosing: readonly Batch[] } {
  if (batches < 1 || batches >= domain.validation.length)
    throw new RangeError(
      `apart: expected 1 to ${domain.validation.length - 1} batches for choosing; got ${batches}`,
    );
  const cut = domain.validation.length - batches;
  return {
    domain: { ...domain, validation: domain.validation.slice(0, cut) },
    choosing: domain.validation.slice(cut),
  };
}

/**
 * The search's own runs at the chosen rates, as results of `searchSteps` steps: with `searchSteps` half of `steps`,
 * `reordered(halfway(results), results, …)` says which arms change places when the steps double. Arms without a search
 * are left out.
 */
export function halfway(results: readonly ArmResult<unknown>[]): ArmResult<unknown>[] {
  return results
    .filter(({ tried }) => tried.length > 1)
    .map((one) => ({
      ...one,
      runs: [],
      losses: one.tried.filter(({ rate }) => rate === one.rate).map(({ loss }) => loss),
    }));
}

/** Where twice the steps give another order of the arms, as pairs of names; pairs that are closer than δ do not count. */
export function reordered(
  once: readonly ArmResult<unknown>[],
  doubled: readonly ArmResult<unknown>[],
  { par }: { readonly par: number },
): string[] {
  const loss = (results: readonly ArmResult<unknown>[], arm: string): number =>
    mean(results.filter((one) => one.arm === arm).flatMap(({ losses }) => losses));
  const names = [...new Set(once.map(({ arm }) => arm))];
  return names.flatMap((a, i) =>
    names.slice(i + 1).flatMap((b) => {
      const [before, after] = [once, doubled].map((results) => loss(results, a) - loss(results, b));
      const turned = before * after < 0 && Math.abs(before) > par && Math.abs(after) > par;
      return turned ? [`${a} and ${b}`] : [];
    }),
  );
}
