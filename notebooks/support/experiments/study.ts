/**
 * @file `study`: several methods, the arms, compared fairly. Each arm gets the same number of learning rates to try, on a
 * grid as fine as the others'; its rate is the one with the lowest mean loss over the search seeds on held-out text that
 * is used for nothing else. Then every arm runs with the same other seeds, which decide batches and initial values, so
 * that differences are taken seed by seed. A run that diverges has the loss Infinity.
 */
import type { LanguageModel } from "lowrank/nn";
import type { Batch, Domain } from "../data/domain.ts";
import { progress } from "../terminal/progress.ts";
import { type Prepared, type Run, runMethod } from "./harness.ts";
import { mean } from "./statistics.ts";
import { every, type Judgement } from "./verdicts.ts";

/** A method that takes part. */
export interface Arm<M extends LanguageModel, A, T> {
  readonly name: string;
  /** The learning rates to choose from; equally many in all arms, with the same ratio of the highest to the lowest. */
  readonly rates: readonly number[];
  /** Prepares the method on a new copy of the base. @param how `seed` of whatever the method draws, `steps` of the run */
  prepare(
    model: M,
    how: { readonly rate: number; readonly seed: number; readonly steps: number },
  ): Prepared<A>;
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
   * Steps of each run of the search. Half of `steps` makes the search the check of `halfway` at no further cost, and
   * chooses the rates that are best after so many.
   * @default steps
   */
  readonly searchSteps?: number;
  /**
   * Most rates that a grid gets in addition: while the best rate is its lowest or its highest, it goes on by its own
   * factor on that side.
   * @default 0
   */
  readonly widen?: number;
}

/** The runs of one arm from one base. */
export interface ArmResult<T> {
  readonly arm: string;
  readonly base: string;
  /** Name of what the base was adapted to. */
  readonly domain: string;
  /** The chosen rate. */
  readonly rate: number;
  /** Mean loss of the search by rate, for the curve of rates; empty if there was one rate only. */
  readonly tried: readonly Tried[];
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
 * @throws RangeError unless all arms have equally many rates on equally fine grids, and on every shift the batches for
 *   choosing are none of the reported ones
 */
export function study<M extends LanguageModel, A, T = undefined>(
  arms: readonly Arm<M, A, T>[],
  shifts: readonly Shift<M>[],
  { steps, rows, seeds, search = 3, searchSteps = steps, widen = 0 }: StudyOptions,
): ArmResult<T>[] {
  const count = checkGrids(arms);
  for (const shift of shifts) checkApart(shift);
  if (search > REPORTED)
    throw new RangeError(`study: expected at most ${REPORTED} search seeds; got ${search}`);
  const tries = count > 1 ? search * count : 0;
  const bar = progress(arms.length * shifts.length * (tries + seeds), "runs");
  const once = <R>(
    arm: Arm<M, A, T>,
    shift: Shift<M>,
    how: { readonly domain: Domain; readonly steps: number; readonly rate: number; readonly seed: number },
    read: (adapted: A) => R,
  ): Run<R> => {
    const { domain, steps, rate, seed } = how;
    const run = runMethod<M, A, R>(
      () => shift.copy(),
      (model) => arm.prepare(model, { rate, seed, steps }),
      { domain, steps, rows, seed },
      read,
    );
    bar.tick();
    return run;
  };
  const tryRates = (arm: Arm<M, A, T>, shift: Shift<M>): ArmResult<T>["tried"] => {
    if (count === 1) return [];
    const domain = { ...shift.domain, validation: shift.choosing };
    const tryOut = (rate: number): Tried => ({
      rate,
      loss: mean(
        Array.from(
          { length: search },
          (_, seed) => once(arm, shift, { domain, steps: searchSteps, rate, seed }, () => null).loss,
        ),
      ),
    });
    const tried = arm.rates.map(tryOut);
    for (let more = 0; more < widen; more++) {
      const beyond = nextRate(tried);
      if (beyond === null) break;
      bar.more(search);
      tried.push(tryOut(beyond));
    }
    return tried.sort((one, other) => one.rate - other.rate);
  };
  const results = shifts.flatMap((shift) =>
    arms.map((arm): ArmResult<T> => {
      const tried = tryRates(arm, shift);
      const rate = bestOf(tried) ?? arm.rates[0];
      const runs = Array.from({ length: seeds }, (_, s) => {
        const how = { domain: shift.domain, steps, rate, seed: REPORTED + s };
        return once(arm, shift, how, (adapted) => arm.read?.(adapted) as T);
      });
      return {
        arm: arm.name,
        base: shift.base,
        domain: shift.domain.name,
        rate,
        tried,
        atEdge: tried.length > 1 && (bestOf(tried) === undefined || nextRate(tried) !== null),
        runs,
        losses: runs.map(({ loss }) => loss),
      };
    }),
  );
  bar.done();
  return results;
}

/** A rate with the mean loss of its search. */
interface Tried {
  readonly rate: number;
  readonly loss: number;
}

/** The rate beyond the best one, if that is the lowest or the highest of several, at the grid's own factor; else null. */
export function nextRate(tried: readonly Tried[]): number | null {
  const rates = tried.map(({ rate }) => rate).sort((one, other) => one - other);
  const best = bestOf(tried);
  if (rates.length < 2 || best === undefined) return null;
  if (best === rates[0]) return rates[0] * (rates[0] / rates[1]);
  const [last, before] = [rates[rates.length - 1], rates[rates.length - 2]];
  return best === last ? last * (last / before) : null;
}

/** The rate with the lowest loss, which is finite; of equal ones, the first. Undefined if there is none. */
function bestOf(tried: readonly Tried[]): number | undefined {
  const finite = tried.filter(({ loss }) => Number.isFinite(loss));
  return finite.find(({ loss }) => finite.every((other) => loss <= other.loss))?.rate;
}

/** The number of rates of each arm. @throws RangeError if an arm has more of them, or finer steps between them, than another */
function checkGrids(arms: readonly Pick<Arm<never, never, never>, "name" | "rates">[]): number {
  const names = arms.map(({ name }) => name);
  if (arms.length === 0 || new Set(names).size < names.length)
    throw new RangeError(`study: expected arms with names of their own; got ${names.join(", ") || "none"}`);
  const counts = new Set(arms.map(({ rates }) => rates.length));
  const [count] = counts;
  if (counts.size > 1 || count === 0)
    throw new RangeError(`study: expected equally many rates for every arm; got ${[...counts].join(", ")}`);
  const spans = arms.map(({ name, rates }) => {
    if (new Set(rates).size < count || !rates.every((rate) => rate > 0 && rate < Infinity))
      throw new RangeError(`study: expected different positive rates; got ${name}: ${rates.join(", ")}`);
    return Math.max(...rates) / Math.min(...rates);
  });
  if (Math.max(...spans) > TOLERANCE * Math.min(...spans))
    throw new RangeError(
      `study: expected grids that are equally fine; the highest rate over the lowest is ${names.map((name, i) => `${name}: ${Number(spans[i].toPrecision(2))}`).join(", ")}`,
    );
  return count;
}

/** Grids of 1, 2, 5, 10 and of 1, 3, 10 count as even, so spans may differ by so much. */
const TOLERANCE = 1.3;

/** @throws RangeError if a row is both reported and used for choosing */
function checkApart<M extends LanguageModel>({ base, domain, choosing }: Shift<M>): void {
  const rowsOf = (batches: readonly Batch[]): string[] =>
    batches.flatMap(({ ids: { data, shape } }) =>
      Array.from({ length: shape[0] }, (_, row) =>
        data.subarray(row * shape[1], (row + 1) * shape[1]).join(),
      ),
    );
  const reported = new Set(rowsOf(domain.validation));
  const both = rowsOf(choosing).filter((row) => reported.has(row)).length;
  if (both > 0)
    throw new RangeError(
      `study: expected other rows for choosing than for reporting on ${base}, ${domain.name}; ${both} are both`,
    );
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
 * `reordered(halfway(results), results, …)` says which arms change places when the steps double. Their losses are of the
 * rows for choosing, and of the rates that were best on these. Arms without a search are left out.
 */
export function halfway(results: readonly ArmResult<unknown>[]): ArmResult<unknown>[] {
  return results
    .filter(({ tried }) => tried.length > 0)
    .map((one) => ({
      ...one,
      runs: [],
      losses: one.tried.filter(({ rate }) => rate === one.rate).map(({ loss }) => loss),
    }));
}

/**
 * Where twice the steps give another order of the arms, as pairs of names. Means over all bases and seeds are compared;
 * pairs that are closer than δ at once or after twice the steps do not count, nor do arms that are not in both.
 */
export function reordered(
  once: readonly ArmResult<unknown>[],
  doubled: readonly ArmResult<unknown>[],
  { par }: { readonly par: number },
): string[] {
  const names = [...new Set(once.map(({ arm }) => arm))].filter((name) =>
    doubled.some(({ arm }) => arm === name),
  );
  const loss = (results: readonly ArmResult<unknown>[], name: string): number =>
    mean(results.filter(({ arm }) => arm === name).flatMap(({ losses }) => losses));
  /** −1 if a is lower by more than δ, 1 if b is, else 0. */
  const order = (results: readonly ArmResult<unknown>[], a: string, b: string): number => {
    const difference = loss(results, a) - loss(results, b);
    return Math.abs(difference) > par ? Math.sign(difference) : 0;
  };
  return names.flatMap((a, i) =>
    names
      .slice(i + 1)
      .filter((b) => order(once, a, b) * order(doubled, a, b) < 0)
      .map((b) => `${a} and ${b}`),
  );
}

/**
 * Compares two arms on each shift, seed by seed, and joins the judgements: bases are not seeds.
 *
 * @example onEachShift(results, "LoRA", "full fine-tuning", (lora, full) => noWorse(lora, full, { par: 0.01 }))
 * @throws RangeError if an arm is missing on a shift
 */
export function onEachShift(
  results: readonly ArmResult<unknown>[],
  first: string,
  second: string,
  judge: (first: readonly number[], second: readonly number[]) => Judgement,
): Judgement {
  const places = [...new Set(results.map(({ base, domain }) => `${base}, ${domain}`))];
  const losses = (name: string, place: string): readonly number[] => {
    const found = results.find(({ arm, base, domain }) => arm === name && `${base}, ${domain}` === place);
    if (!found) throw new RangeError(`onEachShift: no arm "${name}" on ${place}`);
    return found.losses;
  };
  return every(places.map((place) => judge(losses(first, place), losses(second, place))));
}
