/**
 * @file The training harness of the notebooks: one run prepares a method on a copy of the base model, trains it with
 * the method's own optimizer, judges it on held-out text, meters its memory, and releases everything that it made.
 */
import { add, type Tensor } from "lowrank/autograd";
import { type Bytes, liveBytes, type NDArray, random, scope } from "lowrank/core";
import {
  AdamW,
  fit,
  type GPT2,
  type LanguageModel,
  linearDecay,
  type Module,
  nextTokenLoss,
  type Optimizer,
} from "lowrank/nn";
import type { Domain } from "../data/domain.ts";
import { validationLoss } from "./evaluation.ts";
import { measureOwn, release } from "./memory.ts";
import { sum } from "./statistics.ts";

/** A method on a model, ready to train. */
export interface Prepared<A> {
  /** The model together with its adapters: all that the run holds in memory, other than `kept`. */
  readonly module: Module;
  /** The argument of the `read` function, which is called after training. */
  readonly adapted: A;
  readonly optimizer: Optimizer<{ lr: number }>;
  /** A term that the method adds to the loss. */
  readonly penalty?: () => Tensor;
  /** Called as in `fit`, before the optimizer's step. */
  readonly beforeStep?: (step: number) => void;
  /** Called as in `fit`, after the optimizer's step. */
  readonly afterStep?: (step: number) => void;
  /** Arrays that the method keeps in addition to the optimizer's; they are released after the run. */
  readonly kept?: readonly NDArray[];
}

export interface RunOptions {
  readonly domain: Domain;
  readonly steps: number;
  /** Rows of a batch. */
  readonly rows: number;
  /** Seed of the batches. Whatever the method draws has a seed of its own, given where it is prepared. */
  readonly seed: number;
  /** Called after each step: a progress bar. */
  readonly tick?: () => void;
}

export interface Run<T> {
  /** Number of parameters that train. */
  readonly trainable: number;
  /** Held-out loss after training, in nats; Infinity if the training diverged. */
  readonly loss: number;
  /** Training loss of each step before its update, without the penalty. */
  readonly losses: readonly number[];
  /** Seconds of each step, from the end of the previous one. */
  readonly seconds: readonly number[];
  /** Peak bytes during training by category; only this run's own arrays are counted. */
  readonly memory: Readonly<Bytes>;
  /** Highest point of the sum over all categories. */
  readonly peak: number;
  /** The result of the `read` function. */
  readonly read: T;
}

/**
 * Trains the method that `prepare` makes of a new copy of the base, reads the result, and releases all of it.
 *
 * @param read takes out of the adapted model what is to be kept after the run
 * @example
 * const { loss } = runMethod(
 *   base.copy,
 *   (model) => {
 *     const module = inject(model, { method: "lora", rank: 8, target: "all-linear", seed: 1 });
 *     return { module, adapted: model, optimizer: adamW(module, 1e-2) };
 *   },
 *   { domain, steps: 60, rows: 8, seed: 2 },
 *   () => null,
 * );
 */
export function runMethod<M extends LanguageModel, A, T>(
  copy: () => M,
  prepare: (model: M) => Prepared<A>,
  { domain, steps, rows, seed, tick }: RunOptions,
  read: (adapted: A) => T,
): Run<T> {
  const others = liveBytes();
  const model = copy();
  const prepared = prepare(model);
  const { module, adapted, optimizer, kept } = prepared;
  const source = random(seed);
  const losses: number[] = [];
  const times = [performance.now()];
  let diverged = false;
  const train = (): void =>
    trainPrepared(prepared, {
      steps,
      batch: (step) => domain.batch(rows, source.split(step)),
      loss: ({ ids, labels }) => {
        const loss = nextTokenLoss(model, ids, labels);
        losses.push(loss.item());
        return loss;
      },
      onStep: () => {
        times.push(performance.now());
        tick?.();
      },
    });
  const { memory, peak } = measureOwn(others, () => {
    try {
      train();
    } catch (error) {
      if (!DIVERGED.test((error as Error).message)) throw error;
      diverged = true;
    }
  });
  const run = {
    trainable: sizeOf(optimizer.parameters()),
    loss: diverged ? Number.POSITIVE_INFINITY : validationLoss(model, domain),
    losses,
    seconds: times.slice(1).map((time, i) => (time - times[i]) / 1000),
    memory,
    peak,
    read: scope(() => read(adapted)),
  };
  release(module, optimizer, kept);
  return run;
}

/** What `fit` says when a loss or a gradient is not finite any more. */
const DIVERGED = /^fit: the (loss|norm of the gradients) of step \d+ is /;

/** One training run of a prepared method: gradients clipped to norm 1, warm-up over a tenth of the steps, linear decay. */
export function trainPrepared<B>(
  { module, optimizer, penalty, beforeStep, afterStep }: Prepared<unknown>,
  {
    steps,
    batch,
    loss,
    onStep,
  }: {
    readonly steps: number;
    readonly batch: (step: number) => B;
    /** The loss on a batch, without the method's penalty. */
    readonly loss: (batch: B) => Tensor;
    readonly onStep?: () => void;
  },
): void {
  fit(module, {
    steps,
    optimizer,
    schedule: linearDecay({ warmup: Math.ceil(steps / 10), total: steps }),
    batch,
    loss: (one) => (penalty ? add(loss(one), penalty()) : loss(one)),
    maxGradNorm: 1,
    beforeStep,
    afterStep,
    onStep,
    progress: false,
  });
}

/** A run of a model that trains every parameter that requires a gradient. */
export interface Adaptation<T> extends Omit<Run<T>, "seconds"> {
  /** Number of all parameters. */
  readonly total: number;
  /** Seconds of the whole training. */
  readonly seconds: number;
}

/** `runMethod` for a model that is already prepared: AdamW trains every parameter that requires a gradient. */
export function adapt<T>(
  make: () => GPT2,
  { lr, ...options }: RunOptions & { readonly lr: number },
  read: (model: GPT2) => T,
): Adaptation<T> {
  const { read: found, ...run } = runMethod(
    make,
    (model) => ({ module: model, adapted: model, optimizer: adamW(model, lr) }),
    options,
    (model) => ({ total: sizeOf(model.parameters()), read: read(model) }),
  );
  return { ...run, ...found, seconds: sum(run.seconds) };
}

/** Peak bytes of training, by category and in total, measured over two steps. */
export function trainingMemory<A>(
  copy: () => GPT2,
  prepare: (model: GPT2) => Prepared<A>,
  { domain, rows }: Pick<RunOptions, "domain" | "rows">,
): Pick<Run<null>, "trainable" | "memory" | "peak"> {
  const unjudged = { ...domain, validation: [] };
  return runMethod(copy, prepare, { domain: unjudged, rows, steps: 2, seed: 1 }, () => null);
}

/** AdamW without weight decay on every parameter of `module` that requires a gradient. */
export function adamW(module: Module, lr: number): AdamW {
  const trained = module.parameters().filter(({ requiresGrad }) => requiresGrad);
  return new AdamW(trained, { lr, weightDecay: 0 });
}

function sizeOf(parameters: readonly { readonly size: number }[]): number {
  return sum(parameters.map(({ size }) => size));
}
