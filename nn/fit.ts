/** @file The training loop: forward, backward, clip, step, in a scope per step; evaluation, checkpoints, resume. */

import { progressBar } from "#progress";
import type { Tensor } from "../autograd/index.ts";
import { noGrad } from "../autograd/index.ts";
import { ArgumentError, LowrankError, scope } from "../core/index.ts";
import { loadCheckpoint, type Stateful, saveCheckpoint } from "./checkpoint.ts";
import type { Module } from "./module.ts";
import { clipGradientNorm, type Optimizer, type Schedule } from "./optim/index.ts";

export interface FitOptions<Batch> {
  /** Number of optimizer steps of the whole run. */
  readonly steps: number;
  readonly optimizer: Optimizer<{ lr: number }>;
  /** The batch of a step, counted from 0. A function of the step alone, so that a resumed run sees the same batches. */
  readonly batch: (step: number) => Batch;
  /** A scalar. */
  readonly loss: (batch: Batch) => Tensor;
  /** Factor on the rates that the optimizer's groups have at the start. */
  readonly schedule?: Schedule;
  /** Gradients are scaled down to this global norm. */
  readonly maxGradNorm?: number;
  /** Called every `every` steps and after the last, in evaluation mode without recording. */
  readonly evaluate?: { readonly every: number; readonly run: () => number };
  /** Called between backward and the optimizer's step, when weights and gradients belong together. */
  readonly beforeStep?: (step: number) => void;
  /** Called after each step: what AdaLoRA's allocator needs, before the gradients are forgotten. */
  readonly afterStep?: (step: number) => void;
  readonly onStep?: (report: StepReport) => void;
  /** A bar on the terminal, or one of your own. Shown when standard error is a terminal unless false. */
  readonly progress?: boolean | string;
  /** Saved every `every` steps and after the last; a run that finds the file continues from it. */
  readonly checkpoint?: { readonly path: string; readonly every: number };
  /** What goes into the checkpoint besides model and optimizer. */
  readonly state?: Stateful;
}

export interface StepReport {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number | null;
}

export interface FitResult {
  /** The loss of each step's batch before its update. */
  readonly losses: readonly number[];
  readonly evaluations: readonly { readonly step: number; readonly value: number }[];
  readonly seconds: number;
}

/**
 * Trains `model`. Interrupted and resumed from a checkpoint, it takes the very steps of an uninterrupted run.
 * @throws ArgumentError on settings that make no sense; LowrankError when the loss stops being a number
 */
export function fit<Batch>(model: Module, options: FitOptions<Batch>): FitResult {
  const {
    steps,
    optimizer,
    batch,
    loss,
    schedule,
    maxGradNorm,
    evaluate,
    checkpoint,
    progress = true,
  } = options;
  if (!Number.isSafeInteger(steps) || steps < 0)
    throw new ArgumentError("fit", "steps a non-negative integer", { steps });
  const rates = optimizer.groups.map((group) => group.lr);
  const losses: number[] = [];
  const evaluations: { step: number; value: number }[] = [];
  const start = checkpoint ? loadCheckpoint(checkpoint.path, model, optimizer, losses, options.state) : 0;
  const bar =
    progress === false ? null : progressBar(steps - start, progress === true ? "training" : progress);
  const began = performance.now();

  model.train();
  try {
    for (let step = start; step < steps; step++) {
      const factor = schedule ? schedule(step) : 1;
      optimizer.groups.forEach((group, i) => {
        group.lr = rates[i] * factor;
      });
      scope(() => {
        const value = loss(batch(step));
        const number = value.item();
        if (!Number.isFinite(number)) {
          throw new LowrankError(
            `fit: the loss of step ${step} is ${number}; lower the rate, or look with detectAnomaly()`,
          );
        }
        value.backward();
        const gradNorm =
          maxGradNorm === undefined ? null : clipGradientNorm(optimizer.parameters(), maxGradNorm);
        options.beforeStep?.(step);
        optimizer.step();
        options.afterStep?.(step);
        optimizer.zeroGrad();
        losses.push(number);
        options.onStep?.({ step, loss: number, gradNorm });
      });
      const done = step + 1;
      if (evaluate && (done % evaluate.every === 0 || done === steps)) {
        evaluations.push({ step: done, value: evaluated(model, evaluate.run) });
      }
      if (checkpoint && (done % checkpoint.every === 0 || done === steps)) {
        saveCheckpoint(checkpoint.path, model, optimizer, losses, options.state);
      }
      bar?.tick();
    }
  } finally {
    bar?.done();
    optimizer.groups.forEach((group, i) => {
      group.lr = rates[i];
    });
  }
  return { losses, evaluations, seconds: (performance.now() - began) / 1000 };
}

/** `run` in evaluation mode, without recording, its temporaries released; the mode before is restored. */
export function evaluated<T>(model: Module, run: () => T): T {
  const before = Array.from(model.namedModules(), ([, module]) => [module, module.training] as const);
  model.eval();
  try {
    return scope(() => noGrad(run));
  } finally {
    for (const [module, training] of before) module.training = training;
  }
}
