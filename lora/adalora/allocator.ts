/**
 * @file AdaLoRA's budget allocator: it prunes triplets to a falling budget. Zhang et al., 2023, arXiv:2303.10512, Algorithm 1.
 *
 *     λ_i ← λ_i where S_i is among the b(t) largest of the whole model, else 0              (Eq. 5–6)
 *
 * λ is masked every Δ_T steps; in between, a masked λ_i has a gradient and can grow again. At step T − t_f the kept
 * triplets are fixed, and at every later step the others are masked. Scores S_i: importance.ts; b(t): budget.ts.
 *
 * Per step: `observe()` between backward and the optimizer's step, when w and ∂L/∂w are those of Eq. 8, and
 * `allocate(t)` after the optimizer's step, t = 1, 2, …, T. With fit: `beforeStep: () => allocator.observe()`,
 * `afterStep: (step) => allocator.allocate(step + 1)`, and `state: allocator` for its checkpoints.
 *
 * Departures of the authors' code and of PEFT's:
 * - without `observe()`, `allocate` takes the w that the optimizer made, with the gradient from before it;
 * - `ties: "drop"` prunes every triplet that is tied with the threshold; by default exactly b(t) stay, the first of equals;
 * - `settle: "interval"`, in the authors' code only: step T − t_f masks like the other steps, if Δ_T divides it.
 */

import {
  AdapterError,
  ArgumentError,
  array,
  CheckpointError,
  checkOptions,
  copy,
  type NDArray,
  optionNames,
  sameShape,
} from "../../core/index.ts";
import type { StateDict, Stateful } from "../../nn/index.ts";
import { scheduleNames } from "../model/elsewhere.ts";
import type { AdaLoRA } from "./adalora.ts";
import { type BudgetSchedule, budgetAt, checkSchedule } from "./budget.ts";
import { type Measure, startScores, type TripletScores, tripletScores, updateScores } from "./importance.ts";

export interface AllocatorOptions extends BudgetSchedule {
  /** b(T): the number of triplets of the whole model at the end. */
  readonly target: number;
  /**
   * β₁ and β₂ of the smoothed sensitivity and uncertainty.
   * @default [0.85, 0.85]
   */
  readonly betas?: readonly [number, number];
  /**
   * The score s(w) of a parameter.
   * @default "smoothed"
   */
  readonly measure?: Measure;
  /**
   * Which of several triplets with the threshold's score stay: the first of them, so that b(t) stay, or none.
   * @default "keep"
   */
  readonly ties?: "keep" | "drop";
  /**
   * Whether step T − t_f always masks, or only if Δ_T divides it.
   * @default "always"
   */
  readonly settle?: "always" | "interval";
}

const allocatorOptions = optionNames<AllocatorOptions>({
  totalSteps: true,
  warmup: true,
  final: true,
  interval: true,
  target: true,
  betas: true,
  measure: true,
  ties: true,
  settle: true,
});

/** The options that take one of a few words. */
const choices: Readonly<Record<"measure" | "ties" | "settle", readonly string[]>> = {
  measure: ["smoothed", "sensitivity", "magnitude"],
  ties: ["keep", "drop"],
  settle: ["always", "interval"],
};

/** The fields of PEFT's AdaLoraConfig, and the names of the authors' code. */
const adaloraConfig = {
  target_r: "target, the triplets of the whole model: target_r times the number of layers",
  target_rank: "target, the triplets of the whole model: target_rank times the number of layers",
  init_r: "rank of inject()",
  ...scheduleNames,
  orth_reg_weight: "the term orthogonality() in the loss, with its weight",
};

/** A choice of triplets: which stay, adapter by adapter, and the highest score of those that do not. */
export interface Allocation {
  readonly kept: readonly (readonly boolean[])[];
  /** Null when all stay. */
  readonly threshold: number | null;
}

/**
 * Prunes the triplets of AdaLoRA adapters while they train.
 *
 * @example
 *     const allocator = new BudgetAllocator(adapters, { target: 24, totalSteps: 1000, warmup: 100, final: 300 });
 *     fit(model, { …, beforeStep: () => allocator.observe(), afterStep: (t) => allocator.allocate(t + 1), state: allocator });
 */
export class BudgetAllocator implements Stateful {
  readonly adapters: readonly AdaLoRA[];
  /** b(0): the sum of the ranks. */
  readonly initial: number;
  /** I, Ī and Ū of every parameter. */
  readonly scores: readonly TripletScores[];
  readonly #options: Required<AllocatorOptions>;
  #settled: Allocation | null = null;
  #observed = false;

  /** @throws ArgumentError when the schedule does not fit the steps or the budget, AdapterError without adapters */
  constructor(adapters: Iterable<AdaLoRA>, options: AllocatorOptions) {
    checkOptions("BudgetAllocator", options, allocatorOptions, adaloraConfig);
    this.adapters = [...adapters];
    if (this.adapters.length === 0)
      throw new AdapterError("adalora: expected at least one adapter of the method adalora; got none");
    this.initial = this.adapters.reduce((sum, { rank }) => sum + rank, 0);
    checkSchedule(options, this.initial, options.target);
    const { totalSteps, warmup, final, target } = options;
    const { interval = 1, betas = [0.85, 0.85] } = options;
    const { measure = "smoothed", ties = "keep", settle = "always" } = options;
    this.#options = { totalSteps, warmup, final, target, interval, betas, measure, ties, settle };
    if (!(betas.length === 2 && betas.every((beta) => beta >= 0 && beta < 1)))
      throw new ArgumentError("adalora", "two betas in [0, 1)", { betas });
    for (const [name, words] of Object.entries(choices)) {
      const value = this.#options[name as keyof typeof choices];
      if (!words.includes(value))
        throw new ArgumentError("adalora", `${name} to be one of ${words.join(", ")}`, { [name]: value });
    }
    this.scores = this.adapters.map(startScores);
  }

  /** b(t): the number of triplets that step t allows. */
  budget(t: number): number {
    return budgetAt(t, this.#options, this.initial, this.#options.target);
  }

  /** Updates the scores from the parameters and their gradients, until the kept triplets are fixed. */
  observe(): void {
    if (this.#settled) return;
    const { betas } = this.#options;
    for (const [k, adapter] of this.adapters.entries()) updateScores(adapter, this.scores[k], betas);
    this.#observed = true;
  }

  /** Masks λ after the optimizer's step t. @returns the allocation, or null at a step that does not mask */
  allocate(t: number): Allocation | null {
    const { totalSteps, final, warmup, interval, settle } = this.#options;
    const last = totalSteps - final;
    if (t < last && !this.#observed) this.observe();
    this.#observed = false;
    const masks = t > last || (t === last && settle === "always") || t % interval === 0;
    if (t <= warmup || !masks) return null;
    const allocation = this.#settled ?? this.#choose(this.budget(t));
    if (t >= last) this.#settled = allocation;
    this.adapters.forEach(({ lambda }, k) => {
      const values = lambda.value.storage.write();
      for (let i = 0; i < values.length; i++) if (!allocation.kept[k][i]) values[i] = 0;
    });
    return allocation;
  }

  /** The b triplets of highest score. */
  #choose(b: number): Allocation {
    const { measure, ties } = this.#options;
    const scores = this.adapters.map((adapter, k) => tripletScores(adapter, this.scores[k], measure));
    const ranking = scores.flatMap((of, k) => of.map((score, i) => ({ k, i, score })));
    ranking.sort((x, y) => y.score - x.score); // stable: equals stay in order
    const threshold = b < ranking.length ? ranking[b].score : null;
    const kept = scores.map((of) => of.map(() => false));
    for (const { k, i, score } of ranking.slice(0, b))
      kept[k][i] = ties === "keep" || threshold === null || score > threshold;
    return { kept, threshold };
  }

  /** The scores, and the kept triplets once they are fixed: what `fit` saves when the allocator is its `state`. */
  stateDict(): StateDict {
    const { kept, threshold } = this.#settled ?? {};
    const settled = kept?.map((of, k) => [`${k}.kept`, array(of.map(Number), [of.length])] as const) ?? [];
    const limit =
      threshold === undefined ? [] : [["threshold", array([threshold ?? Number.NaN], [])] as const];
    const scores = this.#arrays().map(([name, values]) => [name, copy(values, "optimizer")] as const);
    return new Map([...scores, ...settled, ...limit]);
  }

  /** @throws CheckpointError when the state is of other adapters or no state of scores; nothing is changed then */
  loadStateDict(values: StateDict): void {
    const own = this.#arrays();
    const kept = this.adapters.map((_, k) => values.get(`${k}.kept`));
    const threshold = values.get("threshold");
    const fits =
      own.every(([name, { shape }]) => sameShape(values.get(name)?.shape ?? [], shape)) &&
      this.adapters.every(({ rank }, k) => (threshold ? kept[k]?.size === rank : !kept[k])) &&
      values.size === own.length + (threshold ? kept.length + 1 : 0) &&
      own.every(([name]) => (values.get(name) as NDArray).data.every(Number.isFinite)) &&
      kept.every((of) => of?.data.every((one) => one === 0 || one === 1) ?? true);
    if (!fits) {
      throw new CheckpointError(
        `adalora: expected the allocator state of ${this.adapters.length} adapters with ranks ` +
          `${this.adapters.map(({ rank }) => rank).join(", ")}; got one of other adapters, or damaged`,
      );
    }
    for (const [name, score] of own) score.storage.write().set((values.get(name) as NDArray).data);
    const limit = threshold?.data[0] ?? Number.NaN;
    this.#settled = threshold
      ? {
          kept: kept.map((of) => Array.from((of as NDArray).data, (one) => one === 1)),
          threshold: Number.isNaN(limit) ? null : limit,
        }
      : null;
    this.#observed = false;
  }

  #arrays(): [string, NDArray][] {
    return this.scores.flatMap((of, k) =>
      Object.entries(of).flatMap(([parameter, score]) =>
        Object.entries(score).map(([name, value]): [string, NDArray] => [`${k}.${parameter}.${name}`, value]),
      ),
    );
  }
}
