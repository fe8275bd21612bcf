/** @file The evaluations of a training run: which was the best, the weights it had, and when to stop. */

import {
  ArgumentError,
  CheckpointError,
  checkOptions,
  copy,
  sameShape,
  synchronous,
} from "../../core/index.ts";
import type { Module, StateDict } from "../module/module.ts";

export interface EvaluateOptions {
  /** Steps from one evaluation to the next. There is one after the last step, too. */
  readonly every: number;
  /** Gives the value, such as a loss, or "stop" to end the run here. */
  readonly run: () => number | "stop";
  /** Which values are better. @default "lowest" */
  readonly best?: "lowest" | "highest";
  /** At the end, the parameters that require a gradient get the values back that they had at the best. @default false */
  readonly keepBest?: boolean;
  /** The run ends when so many evaluations in a row were no better than the best before. Never unless given. */
  readonly patience?: number;
}

export interface Evaluation {
  /** Steps taken before it. */
  readonly step: number;
  readonly value: number;
}

/** What a checkpoint holds of them. Values are texts where JSON has no such number. */
export interface SavedEvaluations {
  readonly evaluations: readonly (readonly [step: number, value: number | string])[];
  readonly stopped: boolean;
}

const known = ["every", "run", "best", "keepBest", "patience"];
const elsewhere = { fn: "run", mode: 'best: "lowest" or "highest"', early_stopping_patience: "patience" };

export class Evaluations {
  readonly all: Evaluation[] = [];
  /** True when the run is to end, or ended, before its last step. */
  stopped = false;
  readonly #options: EvaluateOptions | undefined;
  readonly #model: Module;
  #best: Evaluation | null = null;
  #weights: StateDict | null = null;

  /** @throws ArgumentError on an unknown option, or a senseless one */
  constructor(model: Module, options: EvaluateOptions | undefined) {
    this.#model = model;
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

  get best(): Evaluation | null {
    return this.#best;
  }

  /** Adds an evaluation after `step` steps. @param value of `run` */
  add(step: number, result: number | "stop"): void {
    const value = synchronous("fit: evaluate.run", result);
    if (value === "stop") {
      this.stopped = true;
      return;
    }
    if (typeof value !== "number")
      throw new ArgumentError("fit", 'a number or "stop" of evaluate.run', { [`after step ${step}`]: value });
    this.#note({ step, value });
    if (this.#best?.step === step && this.#options?.keepBest) this.#weights = this.#snapshot();
    if (this.all.length - 1 - this.#indexOfBest() >= (this.#options?.patience ?? Infinity))
      this.stopped = true;
  }

  /** Gives the parameters the values of the best evaluation back, where `keepBest` asks for it. */
  restore(): void {
    const parameters = new Map(this.#model.namedParameters());
    for (const [name, value] of this.#weights ?? []) parameters.get(name)?.assign(value);
  }

  /** What goes into a checkpoint: numbers, and the weights of the best. */
  save(): { readonly numbers: SavedEvaluations; readonly weights: StateDict } {
    const evaluations = this.all.map(
      ({ step, value }) => [step, Number.isFinite(value) ? value : String(value)] as const,
    );
    return { numbers: { evaluations, stopped: this.stopped }, weights: this.#weights ?? new Map() };
  }

  /** @throws CheckpointError unless `load` can go on from these */
  check(path: string, { evaluations }: SavedEvaluations, weights: StateDict): void {
    const keeps = this.#options?.keepBest === true;
    const hasBest = evaluations.some(([, value]) => !Number.isNaN(Number(value)));
    if (keeps ? hasBest && weights.size === 0 : weights.size > 0) {
      const [wanted, got] = keeps ? ["with", "without"] : ["without", "with"];
      throw new CheckpointError(`${path}: expected a run ${wanted} keepBest; got one ${got} it`);
    }
    const parameters = new Map(this.#model.namedParameters());
    for (const [name, { shape }] of weights) {
      const parameter = parameters.get(name);
      if (!parameter || !sameShape(parameter.shape, shape))
        throw new CheckpointError(`${path}: best.${name}: expected a parameter of the model, in its shape`);
    }
  }

  load({ evaluations, stopped }: SavedEvaluations, weights: StateDict): void {
    for (const [step, value] of evaluations) this.#note({ step, value: Number(value) });
    this.stopped = stopped;
    this.#weights = weights.size > 0 ? weights : null;
  }

  #note(evaluation: Evaluation): void {
    this.all.push(evaluation);
    const { value } = evaluation;
    const sign = this.#options?.best === "highest" ? -1 : 1;
    const isBetter = this.#best ? sign * value < sign * this.#best.value : !Number.isNaN(value);
    if (isBetter) this.#best = evaluation;
  }

  /** Where the best stands; before the first when there is none. */
  #indexOfBest(): number {
    return this.#best ? this.all.indexOf(this.#best) : -1;
  }

  #snapshot(): StateDict {
    const trained = [...this.#model.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad);
    return new Map(trained.map(([name, { value }]) => [name, copy(value, "weights")]));
  }
}

/** What a file says of evaluations. @throws CheckpointError unless it is what `save` gives */
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
