/** @file What `fit` and `fitSteps` are given and give: options and their checks, reports, the result. */

import type { Tensor } from "../../autograd/index.ts";
import { ArgumentError, checkOptions } from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { Optimizer, type Schedule } from "../optim/index.ts";
import type { Stateful } from "./checkpoint.ts";
import { checkCount, type EvaluateOptions, type Evaluation, Evaluations } from "./evaluations.ts";

/** The options of `fit`. */
export interface FitOptions<Batch> {
  /** Number of optimizer steps of the whole run. */
  readonly steps: number;
  /** Updates the parameters; made from those that are to train. */
  readonly optimizer: Optimizer<{ lr: number }>;
  /**
   * Returns the batch of a step, counted from 0, and with `accumulate` of each of its parts. It depends on these numbers
   * alone, so that a resumed run sees the same batches.
   */
  readonly batch: (step: number, part: number) => Batch;
  /** Returns the loss of a batch, a scalar. */
  readonly loss: (batch: Batch) => Tensor;
  /**
   * Gradient accumulation: number of batches in a step, the parts of a larger batch. Its loss is the mean of theirs, and
   * only one part's activations are in memory at a time.
   * @default 1
   */
  readonly accumulate?: number;
  /** Returns for each step a factor on the learning rates that the groups have at the start. @default 1 at every step */
  readonly schedule?: Schedule;
  /** Gradients are scaled down to this global norm (`clipGradientNorm`). @default no clipping */
  readonly maxGradNorm?: number;
  /** Evaluates every `every` steps and after the last, in evaluation mode and without recording. @default never */
  readonly evaluate?: EvaluateOptions;
  /** Called between backward and the optimizer's step, when weights and gradients belong together. */
  readonly beforeStep?: (step: number) => void;
  /** Called after the optimizer's step, before the gradients are cleared: for AdaLoRA's allocator. */
  readonly afterStep?: (step: number) => void;
  /** Called last in each step. When it returns "stop", the run ends with this step; other results have no effect. */
  readonly onStep?: (report: StepReport) => unknown;
  /** Shows a progress bar where standard error is a terminal; a string labels it. @default true */
  readonly progress?: boolean | string;
  /**
   * Saves a checkpoint file every `every` steps and after the last. A run that finds the file continues from it. With
   * `trainedOnly` the file leaves out frozen parameters: the run that continues must be given the same ones.
   * @default none
   */
  readonly checkpoint?: {
    readonly path: string;
    readonly every: number;
    readonly trainedOnly?: boolean;
  };
  /** What else belongs to the run's state, for checkpoints and `keepBest`. @default none */
  readonly state?: Stateful;
}

/** What `onStep` is told of a step. */
export interface StepReport {
  /** Counted from 0. */
  readonly step: number;
  /** The loss of the step's batch before the update. */
  readonly loss: number;
  /** The global norm of the gradients before clipping; null without `maxGradNorm`. */
  readonly gradNorm: number | null;
}

/** What `fitSteps` gives after each step. */
export interface FitStep extends StepReport {
  /** The evaluation after this step; null where none was due. */
  readonly evaluation: Evaluation | null;
}

/** What `fit` returns. */
export interface FitResult {
  /** The loss of each step's batch before its update. */
  readonly losses: readonly number[];
  readonly evaluations: readonly Evaluation[];
  /** The best evaluation, the first of equals; null when there is none. */
  readonly best: Evaluation | null;
  /** True when the run ended before its last step: it was told to stop, or its patience ran out. */
  readonly stopped: boolean;
  /** Duration of this call; for `fitSteps` with what ran between the steps. */
  readonly seconds: number;
}

const known = [
  ...[
    "steps",
    "optimizer",
    "batch",
    "loss",
    "accumulate",
    "schedule",
    "maxGradNorm",
    "evaluate",
    "beforeStep",
    "afterStep",
  ],
  ...["onStep", "progress", "checkpoint", "state"],
];

/** Names that trainers of other libraries give the options. */
const elsewhere: Readonly<Record<string, string>> = {
  epochs: "steps",
  max_steps: "steps",
  num_train_epochs: "steps",
  lr: "the rate in the optimizer",
  learning_rate: "the rate in the optimizer",
  scheduler: "schedule",
  lr_scheduler: "schedule",
  max_grad_norm: "maxGradNorm",
  clip: "maxGradNorm",
  data: "batch",
  callback: "onStep",
  gradient_accumulation_steps: "accumulate",
  accumulate_grad_batches: "accumulate",
  patience: "evaluate: { patience }",
  keepBest: "evaluate: { keepBest }",
};

/** @throws ArgumentError on options that are unknown or out of range */
export function checkFit<Batch>(model: Module, options: FitOptions<Batch>): Evaluations {
  const refuse = (expected: string, got: Readonly<Record<string, unknown>>): never => {
    throw new ArgumentError("fit", expected, got);
  };
  if (!(model instanceof Module)) refuse("a module to train, then the options", { model: typeof model });
  checkOptions("fit", options ?? {}, known, elsewhere);
  const { steps, optimizer, maxGradNorm = 1, progress = true, checkpoint, state } = options ?? {};
  if (!Number.isSafeInteger(steps) || steps < 0) refuse("steps a non-negative integer", { steps });
  if (options.accumulate !== undefined) checkCount("fit", "accumulate", options.accumulate);
  if (!(optimizer instanceof Optimizer))
    refuse("optimizer, such as new AdamW(model.parameters())", { optimizer });
  for (const name of ["batch", "loss"] as const)
    if (typeof options[name] !== "function") refuse(`${name}, a function`, { [name]: options[name] });
  for (const name of ["schedule", "beforeStep", "afterStep", "onStep"] as const) {
    const given: unknown = options[name];
    if (given !== undefined && typeof given !== "function") refuse(`${name}, a function`, { [name]: given });
  }
  if (!(typeof maxGradNorm === "number" && maxGradNorm >= 0)) refuse("maxGradNorm ≥ 0", { maxGradNorm });
  if (!["boolean", "string"].includes(typeof progress))
    refuse("progress true, false or a string", { progress });
  if (state !== undefined && typeof state?.stateDict !== "function")
    refuse("state with stateDict and loadStateDict", { state });
  if (checkpoint !== undefined) {
    const names = ["path", "every", "trainedOnly"];
    checkOptions("fit: checkpoint", checkpoint, names, { file: "path", save_steps: "every" });
    const { trainedOnly = false } = checkpoint;
    if (typeof trainedOnly !== "boolean") refuse("checkpoint.trainedOnly true or false", { trainedOnly });
    if (typeof checkpoint.path !== "string") refuse("checkpoint.path, a string", { path: checkpoint.path });
    checkCount("fit: checkpoint", "every", checkpoint.every);
  }
  return new Evaluations(model, options.evaluate, state);
}
