/** @file The evaluations of a training run: which was the best, the weights it had, and when to stop. */

import {
  ArgumentError,
  type Category,
  CheckpointError,
  checkOptions,
  copy,
  sameShape,
  synchronous,
} from "../../core/index.ts";
import type { Module, StateDict } from "../module/module.ts";
import type { Stateful } from "./checkpoint.ts";

/** When and how `fit` evaluates. */
export interface EvaluateOptions {
  /** Number of steps from one evaluation to the next. The last step is followed by an evaluation in any case. */
  readonly every: number;
  /** Returns the value, such as a loss, or "stop" to end the run here. */
  readonly run: () => number | "stop";
  /** Which values are better. @default "lowest" */
  readonly best?: "lowest" | "highest";
  /**
   * Restores the best evaluation at the end: the parameters that require a gradient, and `state` where `fit` is given
   * one, get the values that they had then. The optimizer's state stays that of the last step.
   * @default false
   */
  readonly keepBest?: boolean;
  /** The run ends after this many evaluations in a row that are no better than the best one. @default Infinity */
  readonly patience?: number;
}

/** The result of one evaluation. */
export interface Evaluation {
  /** Number of steps taken before it. */
  readonly step: number;
  readonly value: number;
}

/** What `keepBest` restores: copies of the trained parameters and of `state`, by name. */
export interface Snapshot {
  readonly weights: StateDict;
  readonly state: StateDict;
}

/** The evaluations in a checkpoint. A value that JSON cannot write, such as NaN, is a string. */
export interface SavedEvaluations {
  readonly evaluations: readonly (readonly [step: number, value: number | string])[];
  readonly stopped: boolean;
}

const known = ["every", "run", "best", "keepBest", "patience"];

/** Names that trainers of other libraries give the options. */
const elsewhere = { fn: "run", mode: 'best: "lowest" or "highest"', early_stopping_patience: "patience" };

/** The evaluations of one run of `fit`. */
export class Evaluations {
  readonly all: Evaluation[] = [];
  /** True when the run is to end, or ended, before its last step. */
  stopped = false;
  readonly #options: EvaluateOptions | undefined;
  readonly #model: Module;
  readonly #state: Stateful | undefined;
  #best: Evaluation | null = null;
  #snapshot: Snapshot | null = null;

  /** @throws ArgumentError on an option that is unknown or out of range */
  constructor(model: Module, options?: EvaluateOptions, state?: Stateful) {
    this.#model = model;
    this.#state = state;
    this.#options = options;
    if (options === undefined) return;
    const who = "fit: evaluate";
    checkOptions(who, options, known, elsewhere);
    const { every, run, best = "lowest", keepBest = false, patience = 1 } = options;
    checkCount(who, "every", every);
    checkCount(who, "patience", patience);
    if (typeof run !== "function") throw new ArgumentError(who, "run, a function", { run });
    if (!["lowest", "highest"].includes(best))
      throw new ArgumentError(who, 'best "lowest" or "highest"', { best });
    if (typeof keepBest !== "boolean") throw new ArgumentError(who, "keepBest true or false", { keepBest });
  }

  /** The best evaluation, the first of equals. */
  get best(): Evaluation | null {
    return this.#best;
  }

  /** Adds the evaluation after `step` steps. @param result what `run` returned */
  add(step: number, result: number | "stop"): void {
    const value = synchronous("fit: evaluate.run", result);
    if (value === "stop") {
      this.stopped = true;
      return;
    }
    if (typeof value !== "number")
      throw new ArgumentError("fit", 'a number or "stop" of evaluate.run', { [`after step ${step}`]: value });
    this.#note({ step, value });
    if (this.#best?.step === step && this.#options?.keepBest) this.#snapshot = this.#present();
    if (this.all.length - 1 - this.#indexOfBest() >= (this.#options?.patience ?? Infinity))
      this.stopped = true;
  }

  /** Restores the parameters and the state of the best evaluation, where `keepBest` asks for it. */
  restore(): void {
    if (!this.#snapshot) return;
    const parameters = new Map(this.#model.namedParameters());
    for (const [name, value] of this.#snapshot.weights) parameters.get(name)?.assign(value);
    this.#state?.loadStateDict(this.#snapshot.state);
  }

  /** What goes into a checkpoint. */
  save(): { readonly numbers: SavedEvaluations; readonly snapshot: Snapshot | null } {
    const evaluations = this.all.map(
      ({ step, value }) => [step, Number.isFinite(value) ? value : String(value)] as const,
    );
    return { numbers: { evaluations, stopped: this.stopped }, snapshot: this.#snapshot };
  }

  /** @throws CheckpointError unless `load` can continue from these */
  check(path: string, { evaluations }: SavedEvaluations, { weights, state }: Snapshot): void {
    const keeps = this.#options?.keepBest === true;
    const hasBest = evaluations.some(([, value]) => !Number.isNaN(Number(value)));
    if (keeps ? hasBest && weights.size === 0 : weights.size > 0) {
      const [wanted, got] = keeps ? ["with", "without"] : ["without", "with"];
      throw new CheckpointError(`${path}: expected a run ${wanted} keepBest; got one ${got} it`);
    }
    const hasState = (this.#state?.stateDict().size ?? 0) > 0;
    if (keeps && hasBest && hasState && state.size === 0)
      throw new CheckpointError(
        `${path}: expected a file with the values that state had at the best evaluation; got one without them`,
      );
    const parameters = new Map(this.#model.namedParameters());
    for (const [name, { shape }] of weights) {
      const parameter = parameters.get(name);
      if (!parameter || !sameShape(parameter.shape, shape))
        throw new CheckpointError(`${path}: best.${name}: expected a parameter of the model, in its shape`);
    }
  }

  /** Continues from what `check` has let pass. */
  load({ evaluations, stopped }: SavedEvaluations, snapshot: Snapshot): void {
    for (const [step, value] of evaluations) this.#note({ step, value: Number(value) });
    this.stopped = stopped;
    this.#snapshot = snapshot.weights.size > 0 ? snapshot : null;
  }

  #note(evaluation: Evaluation): void {
    this.all.push(evaluation);
    const { value } = evaluation;
    const sign = this.#options?.best === "highest" ? -1 : 1;
    const isBetter = this.#best ? sign * value < sign * this.#best.value : !Number.isNaN(value);
    if (isBetter) this.#best = evaluation;
  }

  /** The position of the best evaluation in `all`; −1 when there is none. */
  #indexOfBest(): number {
    return this.#best ? this.all.indexOf(this.#best) : -1;
  }

  #present(): Snapshot {
    const trained = [...this.#model.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad);
    const weights = new Map(trained.map(([name, { value }]) => [name, value]));
    return {
      weights: copied(weights, "weights"),
      state: copied(this.#state?.stateDict() ?? new Map(), "optimizer"),
    };
  }
}

/** A copy of every array. */
export const copied = (values: StateDict, category: Category): StateDict =>
  new Map(Array.from(values, ([name, value]) => [name, copy(value, category)]));

/** The evaluations of a file. @throws CheckpointError unless they are as `save` gives them */
export function savedEvaluations(path: string, value: unknown): SavedEvaluations {
  const { evaluations, stopped } = (value ?? {}) as Partial<SavedEvaluations>;
  const isNumber = (n: unknown): boolean =>
    Number.isFinite(n) || ["NaN", "Infinity", "-Infinity"].includes(n as string);
  const isPair = (pair: unknown): boolean =>
    Array.isArray(pair) &&
    pair.length === 2 &&
    Number.isSafeInteger(pair[0]) &&
    pair[0] > 0 &&
    isNumber(pair[1]);
  if (Array.isArray(evaluations) && evaluations.every(isPair) && typeof stopped === "boolean")
    return { evaluations, stopped };
  throw new CheckpointError(
    `${path}: progress: evaluations: expected pairs of step and value, and whether the run was stopped`,
  );
}

/** @throws ArgumentError unless `value` is a positive integer */
export function checkCount(who: string, name: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) <= 0)
    throw new ArgumentError(who, `${name} a positive integer`, { [name]: value });
}
