/**
 * @file The training loop: forward, backward, clip, step, in a scope per step; evaluation, checkpoints, resume. `fit`
 * runs it to its end, `fitSteps` step by step.
 */

import { progressBar } from "#progress";
import { leavesOf, Parameter, Tensor } from "../../autograd/index.ts";
import {
  ArgumentError,
  AutogradError,
  keepingCopies,
  LowrankError,
  scope,
  synchronous,
  warn,
} from "../../core/index.ts";
import { evaluated, modesOf } from "../module/evaluated.ts";
import type { Module } from "../module/module.ts";
import { clipGradientNorm, noGradients, type Optimizer } from "../optim/index.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import type { Evaluations } from "./evaluations.ts";
import { checkFit, type FitOptions, type FitResult, type FitStep } from "./fit-options.ts";
import { turn } from "./turn.ts";

export type { FitOptions, FitResult, FitStep, StepReport } from "./fit-options.ts";

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
  const run = stepsOf(model, options, checkFit(model, options));
  let next = run.next();
  while (!next.done) next = run.next();
  return next.value;
}

/**
 * Trains `model` as `fit` does, with the same options, the same checks and the same results to the last bit, but gives
 * each step to a `for await` loop, and the event loop a turn between two steps: a page or a server stays alive without a
 * worker. Leaving the loop ends the run, and restores modes (`training`) and learning rates. The functions in the options
 * are synchronous, as for `fit`; what the body of the loop awaits may not change the model, the optimizer or the device.
 *
 * @example
 * for await (const { step, loss } of fitSteps(model, options)) {
 *   label.textContent = `step ${step}: ${loss}`;
 *   if (cancelled) break;
 * }
 * @returns an iterator of the steps; its last value is what `fit` returns
 * @throws ArgumentError at once on options that are unknown or out of range; all else as `fit`, from the iterator
 */
export function fitSteps<Batch>(
  model: Module,
  options: FitOptions<Batch>,
): AsyncGenerator<FitStep, FitResult, void> {
  return withTurns(stepsOf(model, options, checkFit(model, options)));
}

/** The values of `run`, with a turn of the event loop between two of them. */
async function* withTurns<T, R>(run: Generator<T, R, void>): AsyncGenerator<T, R, void> {
  try {
    let next = run.next();
    for (; !next.done; next = run.next()) {
      yield next.value;
      await turn();
    }
    return next.value;
  } finally {
    run.return(undefined as never); // where the consumer leaves early, this runs the `finally` of the loop
  }
}

/** The training loop, which stops after each step until the next one is asked for. */
function* stepsOf<Batch>(
  model: Module,
  options: FitOptions<Batch>,
  evaluations: Evaluations,
): Generator<FitStep, FitResult, void> {
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
      const report = scope(() => {
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
        return { step, loss, gradNorm };
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
      const latest = evaluations.all.at(-1);
      yield { ...report, evaluation: latest?.step === done ? latest : null };
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
