/**
 * @file Runs that are judged on two texts: what they learn of the new one, and what they forget of the base's own. Each
 * duration is a run of its own, with its own decay of the rate, as in Biderman et al., 2024, arXiv:2405.09673.
 */
import { inject } from "lowrank/lora";
import type { GPT2 } from "lowrank/nn";
import type { Domain } from "../../support/data/domain.ts";
import { committedBase } from "../../support/experiments/bases.ts";
import { validationLoss } from "../../support/experiments/evaluation.ts";
import { adamW, runMethod } from "../../support/experiments/harness.ts";
import type { KnownShift } from "../../support/experiments/shifts.ts";
import { mean, sum } from "../../support/experiments/statistics.ts";
import { type ArmResult, study } from "../../support/experiments/study.ts";
import type { Judgement } from "../../support/experiments/verdicts.ts";
import { fullFineTuning } from "../../support/methods/baselines.ts";
import { NotebookError } from "../../support/terminal/errors.ts";
import { progress } from "../../support/terminal/progress.ts";
import {
  type Detection,
  intrudersOf,
  type Spectrum,
  spectrumOf,
  type Weight,
  weightsOf,
} from "./intruders.ts";

export const FULL = "full fine-tuning";

/** Full fine-tuning, or LoRA of a rank with α = 2r on all linear layers. */
export interface Arm {
  readonly name: string;
  /** 0 for full fine-tuning. */
  readonly rank: number;
  /** The rate, or the rates to choose from. */
  readonly rates: readonly number[];
  /** What the search has tried; nothing before it, or without one. */
  readonly tried?: ArmResult<unknown>["tried"];
}

export const fullArm = (rates: readonly number[]): Arm => ({ name: FULL, rank: 0, rates });
export const loraArm = (rank: number, rates: readonly number[]): Arm => ({
  name: `LoRA, r = ${rank}`,
  rank,
  rates,
});

/** A base with its own text and the new one, and the spectra of its weights. */
export interface Ground {
  readonly shift: KnownShift;
  /** Held-out text of the kind that the base was trained on. */
  readonly own: Domain;
  /** The base's losses on its own text and on the new one, in nats. */
  readonly ownLoss: number;
  readonly newLoss: number;
  readonly weights: ReadonlyMap<string, Weight>;
  readonly spectra: ReadonlyMap<string, Spectrum>;
}

/** `domain` with only the first held-out rows, a multiple of 32. */
export const firstRows = (domain: Domain, rows: number): Domain => ({
  ...domain,
  validation: domain.validation.slice(0, rows / 32),
});

/** Held-out text of the kind that a base was trained on. @throws NotebookError for a base of which it is not known */
export function ownText(base: string, rows: number): Domain {
  if (base !== "declarations")
    throw new NotebookError(
      `forgetting: expected a base whose own text is known; of ${base} it is not. Give a text alone (--text FILE)`,
    );
  return firstRows(committedBase(base).domain, rows);
}

export function groundOf(shift: KnownShift, own: Domain): Ground {
  const model = shift.copy();
  const weights = weightsOf(model);
  const spectra = new Map([...weights].map(([name, weight]) => [name, spectrumOf(weight)]));
  return { shift, own, ownLoss: validationLoss(model, own), newLoss: shift.before, weights, spectra };
}

/** One run. */
export interface Point {
  readonly arm: string;
  readonly rank: number;
  readonly base: string;
  readonly seed: number;
  readonly steps: number;
  readonly rate: number;
  /** Loss on the new text. */
  readonly learned: number;
  /** Loss on the base's own text, after minus before. */
  readonly forgotten: number;
  /** Number of intruder dimensions in all linear layers. */
  readonly intruders: number;
  /** ‖ΔW‖ of all linear layers together, relative to ‖W₀‖. */
  readonly change: number;
}

/** What a run is measured by. */
export type Measure = "learned" | "forgotten" | "intruders" | "change";

/** A run together with its model, plain and merged. */
export interface Kept {
  readonly point: Point;
  readonly model: GPT2;
}

export interface Protocol {
  readonly rows: number;
  readonly detection: Detection;
}

export interface RunChoice {
  readonly steps: number;
  readonly rate: number;
  readonly seed: number;
}

/** Trains one arm once and judges it on both texts. */
export function runOnce(
  { shift, own, ownLoss, weights, spectra }: Ground,
  arm: Arm,
  { steps, rate, seed }: RunChoice,
  { rows, detection }: Protocol,
): Kept {
  const { read, loss } = runMethod(
    () => shift.copy(),
    (model: GPT2) => {
      const module = arm.rank === 0 ? fullFineTuning(model) : adapters(model, arm.rank, seed);
      const plain = (): GPT2 => ("toPlain" in module ? module.toPlain() : putThrough(shift, model));
      return { module, adapted: plain, optimizer: adamW(module, rate) };
    },
    { domain: shift.domain, steps, rows, seed },
    (plain) => plain(),
  );
  const after = weightsOf(read);
  const intruders = [...after].map(([name, weight]) => {
    const before = spectra.get(name) as Spectrum;
    return intrudersOf(before, spectrumOf(weight), weight.out, detection).length;
  });
  const squares = [...after].map(([name, { values }]) => {
    const before = (weights.get(name) as Weight).values;
    return [
      sum(Array.from(values, (value, i) => (value - before[i]) ** 2)),
      sum(Array.from(before, (v) => v ** 2)),
    ];
  });
  const [changed, size] = [0, 1].map((part) => sum(squares.map((pair) => pair[part])));
  const point = {
    ...{ arm: arm.name, rank: arm.rank, base: shift.base, seed, steps, rate },
    learned: loss,
    forgotten: validationLoss(read, own) - ownLoss,
    intruders: sum(intruders),
    change: Math.sqrt(changed / size),
  };
  return { point, model: read };
}

const adapters = (model: GPT2, rank: number, seed: number) =>
  inject(model, { rank, alpha: 2 * rank, target: "all-linear", seed });

/** A copy of a trained model that outlives its run. */
function putThrough(shift: KnownShift, model: GPT2): GPT2 {
  const copy = shift.copy();
  copy.loadStateDict(model.stateDict());
  return copy;
}

/** Chooses each arm's rate by search seeds on held-out rows that are used for nothing else. */
export function chooseRates(
  arms: readonly Arm[],
  { shift }: Ground,
  { steps, rows, search }: { readonly steps: number; readonly rows: number; readonly search: number },
): Arm[] {
  if (arms.every(({ rates }) => rates.length === 1)) return [...arms];
  const results = study(
    arms.map(({ name, rank, rates }) => ({
      name,
      rates,
      prepare(model: GPT2, { rate, seed }: { readonly rate: number; readonly seed: number }) {
        const module = rank === 0 ? fullFineTuning(model) : adapters(model, rank, seed);
        return { module, adapted: model, optimizer: adamW(module, rate) };
      },
    })),
    [shift],
    { steps, rows, seeds: 0, search, widen: 3 },
  );
  return arms.map((arm, i) => ({ ...arm, rates: [results[i].rate], tried: results[i].tried }));
}

/** The arms with their rates divided by `factor`. */
export const slower = (arms: readonly Arm[], factor: number): Arm[] =>
  arms.map((arm) => ({ ...arm, rates: arm.rates.map((rate) => rate / factor) }));

/** Every arm for every duration and seed; the models of the longest runs are given to `keep` before they go. */
export function learnAndForget(
  ground: Ground,
  arms: readonly Arm[],
  durations: readonly number[],
  seeds: number,
  protocol: Protocol,
  keep: (kept: Kept, arm: Arm) => void = () => {},
): Point[] {
  const bar = progress(arms.length * durations.length * seeds, `runs from ${ground.shift.base}`);
  const points = arms.flatMap((arm) =>
    Array.from({ length: seeds }, (_, i) => 100 + i).flatMap((seed) =>
      durations.map((steps) => {
        const kept = runOnce(ground, arm, { steps, rate: arm.rates[0], seed }, protocol);
        if (steps === durations[durations.length - 1]) keep(kept, arm);
        bar.tick();
        return kept.point;
      }),
    ),
  );
  bar.done();
  return points;
}

/** What an arm has forgotten when it has learned the new text to a loss of `level`, for each seed; lines between runs. */
export function forgottenAt(
  points: readonly Point[],
  { newLoss }: Ground,
  arm: string,
  level: number,
): number[] {
  const own = points.filter((point) => point.arm === arm);
  return [...new Set(own.map(({ seed }) => seed))].map((seed) => {
    const path = [
      { learned: newLoss, forgotten: 0 },
      ...own.filter((point) => point.seed === seed).sort((a, b) => b.learned - a.learned),
    ];
    const at = path.findIndex(({ learned }) => learned <= level);
    if (at <= 0) return Number.NaN;
    const [from, to] = [path[at - 1], path[at]];
    const part = (from.learned - level) / (from.learned - to.learned);
    return from.forgotten + part * (to.forgotten - from.forgotten);
  });
}

/** The lowest loss on the new text that every arm reaches with every seed. */
export function commonLevel(points: readonly Point[]): number {
  const runs = new Set(points.map(({ arm, seed }) => `${arm} ${seed}`));
  return Math.max(
    ...[...runs].map((run) =>
      Math.min(...points.filter(({ arm, seed }) => `${arm} ${seed}` === run).map(({ learned }) => learned)),
    ),
  );
}

/** Spearman's rank correlation; equal values share their mean rank. */
export function rankCorrelation(x: readonly number[], y: readonly number[]): number {
  const [a, b] = [x, y].map(ranksOf);
  const [meanA, meanB] = [mean(a), mean(b)];
  const product = sum(a.map((value, i) => (value - meanA) * (b[i] - meanB)));
  const squares = [a, b].map((list, i) => sum(list.map((value) => (value - [meanA, meanB][i]) ** 2)));
  return product / Math.sqrt(squares[0] * squares[1]);
}

function ranksOf(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}

/**
 * Whether a rank correlation of n runs is above zero, by Fisher's interval with the variance of Fieller et al., 1957. With
 * fewer than ten runs nothing can be told.
 */
export function correlated(rho: number, n: number): Judgement {
  if (n < 10 || !Number.isFinite(rho))
    return { verdict: "cannot tell", why: `ρ = ${rho.toFixed(2)} of ${n} runs` };
  const center = Math.atanh(Math.min(0.999, Math.max(-0.999, rho)));
  const half = 1.96 * Math.sqrt(1.06 / (n - 3));
  const [low, high] = [Math.tanh(center - half), Math.tanh(center + half)];
  const why = `ρ = ${rho.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  return { verdict: low > 0 ? "supported" : high < 0 ? "contradicted" : "cannot tell", why };
}
