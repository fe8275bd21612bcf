/**
 * @file The planted task of the page, and the arms that are compared on it: three scores, each with and without the
 * regulariser, and three methods that do not allocate triplets.
 */
import type { AdaptedModel, BudgetSchedule, LoRA, Measure } from "lowrank/lora";
import { AdaLoRA } from "lowrank/lora";
import { mean, sum } from "../../support/experiments/statistics.ts";
import { progress } from "../../support/index.ts";
import { bestResidual, type Planted, runPlanted, type SideBySide } from "./planted-allocation.ts";
import { adaLora, lora, type Moment, prunedLora, type Subject } from "./runs.ts";

const SIDE = 32;

/** Six matrices, as in a transformer's block, whose changes have ranks 0 to 6. */
export const PLANTED: readonly Planted[] = (
  [
    ["queries", SIDE, SIDE, 0],
    ["keys", SIDE, SIDE, 1],
    ["values", SIDE, SIDE, 2],
    ["attention output", SIDE, SIDE, 4],
    ["MLP, first", 4 * SIDE, SIDE, 5],
    ["MLP, second", SIDE, 4 * SIDE, 6],
  ] as const
).map(([name, out, into, rank]) => ({
  name,
  out,
  in: into,
  singularValues: Array.from({ length: rank }, (_, i) => 1 - 0.08 * i),
}));

/** b(T): as many triplets as were planted. */
export const BUDGET = sum(PLANTED.map(({ singularValues }) => singularValues.length));
/** The rank that each matrix starts with: it cannot get more. */
export const START_RANK = 6;
/** LoRA's rank at the same budget. */
export const EVEN_RANK = BUDGET / PLANTED.length;

/** The least error of any update with the same rank in every matrix. */
export const EVEN_ERROR = bestResidual(
  PLANTED,
  PLANTED.map(() => EVEN_RANK),
);

export const plantedRows = PLANTED.map(({ name, out, in: into, singularValues }) => ({
  matrix: name,
  size: `${out} × ${into}`,
  "planted rank": singularValues.length,
  "LoRA's rank": EVEN_RANK,
}));

/** The schedule of all runs of the page, in parts of its length: a warm-up of 15 %, and 40 % with the ranks settled. */
export const scheduleOf = (steps: number): BudgetSchedule => ({
  totalSteps: steps,
  warmup: Math.round(0.15 * steps),
  final: Math.round(0.4 * steps),
});

export interface PlantedArm {
  readonly name: string;
  readonly kind: "AdaLoRA" | "LoRA" | "SVD-LoRA" | "pruned LoRA";
  readonly measure: Measure;
  /** γ */
  readonly gamma: number;
}

export const SCORES: readonly { readonly name: string; readonly measure: Measure }[] = [
  { name: "the paper's S", measure: "smoothed" },
  { name: "sensitivity I alone", measure: "sensitivity" },
  { name: "|λ|", measure: "magnitude" },
];

/** AdaLoRA with each score at this γ. */
export const scored = (gamma: number): PlantedArm[] =>
  SCORES.map(({ name, measure }) => ({ name, kind: "AdaLoRA", measure, gamma }));

const arm = (name: string, kind: PlantedArm["kind"], gamma: number): PlantedArm => ({
  name,
  kind,
  gamma,
  measure: "smoothed",
});
/** The methods beside AdaLoRA: even ranks, and LoRA whose doublets are pruned. */
export const others = (gamma: number): PlantedArm[] => [
  arm("LoRA, even ranks", "LoRA", 0),
  arm("SVD-LoRA, even ranks", "SVD-LoRA", gamma),
  arm("LoRA, doublets pruned", "pruned LoRA", 0),
];

/** The rates that every arm tries. */
/** The learning rates to choose from. */
export const RATES = [0.006, 0.0125, 0.03, 0.075];
/** The rate where none is searched. */
const USUAL = 0.03;

export interface PlantedResult extends PlantedArm {
  readonly noise: number;
  readonly rate: number;
  /** Remaining error of each seed, as a part of what was planted. */
  readonly residuals: readonly number[];
  /** Final ranks of each seed. */
  readonly ranks: readonly (readonly number[])[];
  /** Of each seed: how many of the planted triplets lack a triplet in their matrix. */
  readonly misplaced: readonly number[];
  /** What the first seed's allocator did at every step. */
  readonly moments: readonly Moment[];
}

export interface PlantedSettings {
  readonly steps: number;
  /** Standard deviation of the noise in the targets. */
  readonly noise: number;
  readonly seeds: number;
  /** Further seeds, by which the rates are chosen; 0: `rates`. */
  readonly search: number;
  /** The rate of each arm if none is searched. @default 0.03 */
  readonly rates?: readonly number[];
}

/** Runs every arm: its rate is the best of four by the search seeds, then the reported seeds follow. */
export function comparePlanted(arms: readonly PlantedArm[], settings: PlantedSettings): PlantedResult[] {
  const { seeds, search, noise, rates = [] } = settings;
  const bar = progress(arms.length * (seeds + search * RATES.length), `planted ranks, noise ${noise}`);
  const once = (arm: PlantedArm, rate: number, seed: number, record: boolean) => {
    const run = runArm(arm, { ...settings, rate, seed, record });
    bar.tick();
    return run;
  };
  const results = arms.map((arm, at): PlantedResult => {
    const tried = RATES.map((rate) => ({
      rate,
      error: mean(Array.from({ length: search }, (_, s) => once(arm, rate, s, false).residual)),
    }));
    const rate = search > 0 ? tried.reduce((a, b) => (b.error < a.error ? b : a)).rate : (rates[at] ?? USUAL);
    const runs = Array.from({ length: seeds }, (_, s) => once(arm, rate, 100 + s, s === 0));
    const ranks = runs.map(({ read }) => read.ranks);
    return {
      ...arm,
      noise,
      rate,
      residuals: runs.map(({ residual }) => residual),
      ranks,
      misplaced: ranks.map(misplaced),
      moments: runs[0].read.moments,
    };
  });
  bar.done();
  return results;
}

/** How many planted triplets lack one in their matrix, where each matrix has the given rank. */
export function misplaced(ranks: readonly number[]): number {
  return sum(PLANTED.map(({ singularValues }, k) => Math.max(0, singularValues.length - ranks[k])));
}

/** The same arms at their rates, with other numbers of steps and two seeds. */
export const again = (
  results: readonly PlantedResult[],
  { steps, noise }: Pick<PlantedSettings, "steps" | "noise">,
): PlantedResult[] =>
  comparePlanted(results, { steps, noise, seeds: 2, search: 0, rates: results.map(({ rate }) => rate) });

/** The pairs of methods whose order another study turns round; pairs closer than `par` do not count. */
export function turnedOrders(
  once: readonly PlantedResult[],
  again: readonly PlantedResult[],
  par: number,
): string[] {
  return once.flatMap((a, i) =>
    once.slice(i + 1).flatMap((b, j) => {
      const before = mean(a.residuals) - mean(b.residuals);
      const after = mean(again[i].residuals) - mean(again[i + 1 + j].residuals);
      const turned = before * after < 0 && Math.abs(before) > par && Math.abs(after) > par;
      return turned ? [`${a.name} and ${b.name}`] : [];
    }),
  );
}

interface OneRun extends PlantedSettings {
  readonly rate: number;
  readonly seed: number;
  readonly record: boolean;
}

function runArm({ kind, measure, gamma }: PlantedArm, { steps, noise, rate: lr, seed, record }: OneRun) {
  const common = { target: "all-linear", lr, seed } as const;
  const pruning = { ...scheduleOf(steps), budget: BUDGET, measure, record };
  const orthogonal = { weight: gamma, form: "code" } as const;
  const make = (model: SideBySide) =>
    ({
      AdaLoRA: () => adaLora(model, { ...common, rank: START_RANK, orthogonal }, pruning),
      LoRA: () => lora(model, { ...common, rank: EVEN_RANK }),
      "SVD-LoRA": () => adaLora(model, { ...common, rank: EVEN_RANK, orthogonal }),
      "pruned LoRA": () => prunedLora(model, { ...common, rank: START_RANK }, pruning),
    })[kind]();
  return runPlanted<
    Subject<AdaLoRA | LoRA> & { model: AdaptedModel },
    { ranks: number[]; moments: readonly Moment[] }
  >(PLANTED, make, { steps, rows: 32, seed, noise }, ({ parts, moments }) => ({
    ranks: parts.map((part) => (part instanceof AdaLoRA ? part.activeRank() : part.rank)),
    moments,
  }));
}
