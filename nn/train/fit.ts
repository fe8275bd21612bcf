/** @file The training loop: forward, backward, clip, step, in a scope per step; evaluation, checkpoints, resume. */

import { progressBar } from "#progress";
import { leavesOf, Parameter, Tensor } from "../../autograd/index.ts";
import {
  ArgumentError,
  AutogradError,
  checkOptions,
  keepingCopies,
  LowrankError,
  scope,
  synchronous,
  warn,
} from "../../core/index.ts";
import { evaluated, modesOf } from "../module/evaluated.ts";
import { Module } from "../module/module.ts";
import { clipGradientNorm, noGradients, Optimizer, type Schedule } from "../optim/index.ts";
import { loadCheckpoint, type Stateful, saveCheckpoint } from "./checkpoint.ts";
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

/** What `fit` returns. */
export interface FitResult {
  /** The loss of each step's batch before its update. */
  readonly losses: readonly number[];
  readonly evaluations: readonly Evaluation[];
  /** The best evaluation, the first of equals; null when there is none. */
  readonly best: Evaluation | null;
  /** True when the run ended before its last step: it was told to stop, or its patience ran out. */
  readonly stopped: boolean;
  /** Duration of this call. */
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

/**
 * Trains `model`. A run that is interrupted and resumed from its checkpoint takes the same steps, bit for bit, as an
 * uninterrupted one, and stops where that one would. Modes (`training`) and learning rates are restored at the end.
 *
 *     for each step:   rate = base rate · schedule(step)
 *                      loss(batch(step)).backward(), of each part;  clip;  beforeStep;  optimizer.step();  afterStep
 *                      optimizer.zeroGrad();  onStep;  evaluate and save where due
 *
 * Each step and each evaluation is a `scope`: the tensors computed in it are released at its end. Copies made in
 * `beforeStep`, `afterStep`, `onStep` and `evaluate.run` with `copy` or `clone()` stay, as do parameters (`cloneModule`)
 * and plain numbers.
 *
 * @example
 * const { losses } = fit(model, {
 *   steps: 100,
 *   optimizer: new AdamW(model.parameters(), { lr: 1e-3 }),
 *   batch: (step) => batches[step % batches.length],
 *   loss: ([x, y]) => mseLoss(model.forward(x), y),
 * });
 * @throws ArgumentError on options that are unknown or out of range, and on asynchronous functions; AutogradError when no
 *   parameter of the optimizer gets a gradient; LowrankError when the loss or the norm of the gradients is not finite;
 *   CheckpointError as `loadCheckpoint` and `saveCheckpoint`
 */
export function fit<Batch>(model: Module, options: FitOptions<Batch>): FitResult {
  const evaluations = checkFit(model, options);
  const { steps, optimizer, schedule, maxGradNorm, evaluate, checkpoint, progress = true } = options;
  const { accumulate = 1 } = options;
  const rates = optimizer.groups.map((group) => group.lr);
  const modes = modesOf(model);
  const losses: number[] = [];
  const start = checkpoint
    ? loadCheckpoint(checkpoint.path, model, optimizer, losses, options.state, evaluations, checkpoint)
    : 0;
  if (checkpoint && start > steps)
    warn(
      `fit: ${checkpoint.path} is of a run of ${start} steps; expected at most ${steps}, the option steps: nothing is ` +
        "trained, and the longer run is the result",
    );
  const bar =
    progress === false
      ? null
      : progressBar(Math.max(0, steps - start), progress === true ? "training" : progress);
  const began = performance.now();
  const call = <T>(name: string, fn: () => T): T => keepingCopies(() => synchronous(`fit: ${name}`, fn()));

  model.train();
  try {
    for (let step = start; step < steps && !evaluations.stopped; step++) {
      const factor = schedule ? schedule(step) : 1;
      if (!(factor >= 0 && factor < Infinity))
        throw new ArgumentError("fit", "a schedule of factors from 0", { [`schedule(${step})`]: factor });
      optimizer.groups.forEach((group, i) => {
        group.lr = rates[i] * factor;
      });
      scope(() => {
        let loss = 0;
        for (let part = 0; part < accumulate; part++) {
          scope(() => {
            const ofPart = lossOf(step, part, options);
            if (step === start && part === 0) warnOfStrangers(model, optimizer, ofPart);
            (accumulate === 1 ? ofPart : ofPart.div(accumulate)).backward();
            loss += ofPart.item() / accumulate;
          });
        }
        const gradNorm =
          maxGradNorm === undefined ? null : clipGradientNorm(optimizer.parameters(), maxGradNorm);
        if (gradNorm !== null && !Number.isFinite(gradNorm))
          throw new LowrankError(`fit: the norm of the gradients of step ${step} is ${gradNorm}; ${advice}`);
        call("beforeStep", () => options.beforeStep?.(step));
        if (!optimizer.hasGradients) throw new AutogradError(`fit: ${noGradients}`);
        optimizer.step();
        call("afterStep", () => options.afterStep?.(step));
        optimizer.zeroGrad();
        losses.push(loss);
        const answer = call("onStep", () => options.onStep?.({ step, loss, gradNorm }));
        if (answer === "stop") evaluations.stopped = true;
      });
      const done = step + 1;
      const isDue = (every: number): boolean => done % every === 0 || done === steps;
      if (evaluate && (isDue(evaluate.every) || evaluations.stopped))
        evaluations.add(
          done,
          evaluated(model, () => keepingCopies(() => synchronous("fit: evaluate.run", evaluate.run()))),
        );
      if (checkpoint && (isDue(checkpoint.every) || evaluations.stopped))
        saveCheckpoint(checkpoint.path, model, optimizer, losses, options.state, evaluations, checkpoint);
      bar?.tick();
    }
    evaluations.restore();
  } finally {
    bar?.done();
    optimizer.groups.forEach((group, i) => {
      group.lr = rates[i];
    });
    for (const [module, training] of modes) module.training = training;
  }
  const { all, best, stopped } = evaluations;
  return { losses, evaluations: all, best, stopped, seconds: (performance.now() - began) / 1000 };
}

const advice = "lower the rate, or look with detectAnomaly()";

/** @throws ArgumentError on options that are unknown or out of range */
function checkFit<Batch>(model: Module, options: FitOptions<Batch>): Evaluations {
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

/** The loss of a step. @throws LowrankError unless it is a finite scalar */
function lossOf<Batch>(step: number, part: number, { batch, loss }: FitOptions<Batch>): Tensor {
  const value = synchronous("fit: loss", loss(synchronous("fit: batch", batch(step, part))));
  if (!(value instanceof Tensor))
    throw new ArgumentError("fit", "loss to return a scalar tensor", { loss: value });
  const number = value.item();
  if (!Number.isFinite(number))
    throw new LowrankError(`fit: the loss of step ${step} is ${number}; ${advice}`);
  return value;
}

/** Warns when the loss depends on parameters that are neither in the model nor given to the optimizer. */
function warnOfStrangers(model: Module, optimizer: Optimizer<{ lr: number }>, loss: Tensor): void {
  const known = new Set<unknown>([...model.parameters(), ...optimizer.parameters()]);
  const strangers = leavesOf(loss).filter((leaf) => leaf instanceof Parameter && !known.has(leaf));
  if (strangers.length === 0) return;
  const shapes = strangers.map(({ shape }) => `[${shape.join(", ")}]`).join(", ");
  warn(
    `fit: the loss depends on parameters that are neither in the model nor in the optimizer, and do not train: ${shapes}. ` +
      "Private fields, closures and Sets are not looked into (see Module); detach() what is not meant to train",
  );
}
