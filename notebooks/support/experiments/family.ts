/** @file One run of one method of the family: prepared on a base, trained with its own optimizer, judged, metered. */
import type { Tensor } from "lowrank/autograd";
import { add } from "lowrank/autograd";
import { type Bytes, categories, liveBytes, measureMemory, type NDArray, random, scope } from "lowrank/core";
import { AdamW, fit, type GPT2, linearDecay, type Module, type Optimizer } from "lowrank/nn";
import type { Domain } from "../data/domain.ts";
import { validationLoss } from "./evaluation.ts";

/** A method on a model, ready to train; `A` is what `read` looks at afterwards. */
export interface Prepared<A> {
  /** All that is in memory: the model with its adapters. */
  readonly module: Module;
  readonly adapted: A;
  readonly optimizer: Optimizer<{ lr: number }>;
  /** What the method adds to the loss. */
  readonly penalty?: () => Tensor;
  /** As in `fit`. */
  readonly beforeStep?: (step: number) => void;
  readonly afterStep?: (step: number) => void;
  /** Arrays that the method keeps besides the optimizer's. */
  readonly kept?: readonly NDArray[];
}

export interface RunOptions {
  readonly domain: Domain;
  readonly steps: number;
  readonly rows: number;
  /** Of the batches; the method's own chance is in `prepare`. */
  readonly seed: number;
  readonly tick?: () => void;
}

export interface Run<T> {
  readonly trainable: number;
  /** Held-out loss afterwards, in nats. */
  readonly loss: number;
  /** Training loss of each step before its update, without the penalty. */
  readonly losses: readonly number[];
  /** Seconds of each step, from the end of the one before. */
  readonly seconds: readonly number[];
  /** Peak bytes in training by category, the run's own only. */
  readonly memory: Readonly<Bytes>;
  /** Highest point of the sum over all categories. */
  readonly peak: number;
  readonly read: T;
}

/** Trains what `prepare` makes of `model` (linear decay after a warm-up of a tenth), reads it, and releases it all. */
export function runMethod<A, T>(
  copy: () => GPT2,
  prepare: (model: GPT2) => Prepared<A>,
  { domain, steps, rows, seed, tick }: RunOptions,
  read: (adapted: A) => T,
): Run<T> {
  const others = liveBytes();
  const model = copy();
  const { module, adapted, optimizer, penalty, beforeStep, afterStep, kept = [] } = prepare(model);
  const source = random(seed);
  const losses: number[] = [];
  const times = [performance.now()];
  const { peak, peakTotal } = measureMemory(() =>
    fit(module, {
      steps,
      optimizer,
      schedule: linearDecay({ warmup: Math.ceil(steps / 10), total: steps }),
      batch: (step) => domain.batch(rows, source.split(step)),
      loss: ({ ids, labels }) => {
        const loss = model.loss(ids, labels);
        losses.push(loss.item());
        return penalty ? add(loss, penalty()) : loss;
      },
      maxGradNorm: 1,
      beforeStep,
      afterStep,
      onStep: () => {
        times.push(performance.now());
        tick?.();
      },
      progress: false,
    }),
  );
  const own = categories.map((category) => [category, peak[category] - before(others, category)]);
  const trained = optimizer.parameters();
  const run = {
    trainable: trained.reduce((sum, { size }) => sum + size, 0),
    loss: validationLoss(model, domain),
    losses,
    seconds: times.slice(1).map((time, i) => (time - times[i]) / 1000),
    memory: Object.fromEntries(own) as Bytes,
    peak: peakTotal - categories.reduce((sum, category) => sum + before(others, category), 0),
    read: scope(() => read(adapted)),
  };
  const states = trained.flatMap((parameter) => Object.values(optimizer.state(parameter).arrays));
  for (const { storage } of [...states, ...kept]) storage.release();
  for (const storage of module.storages()) storage.release();
  return run;
}

/** Peak bytes of training, by category and together, from two steps that nothing is kept of. */
export function trainingMemory<A>(
  copy: () => GPT2,
  prepare: (model: GPT2) => Prepared<A>,
  { domain, rows }: Pick<RunOptions, "domain" | "rows">,
): Pick<Run<null>, "trainable" | "memory" | "peak"> {
  const unjudged = { ...domain, validation: [] };
  return runMethod(copy, prepare, { domain: unjudged, rows, steps: 2, seed: 1 }, () => null);
}

/** AdamW without weight decay on whatever in `module` requires a gradient. */
export function adamW(module: Module, lr: number): AdamW {
  const trained = module.parameters().filter(({ requiresGrad }) => requiresGrad);
  return new AdamW(trained, { lr, weightDecay: 0 });
}

/** What was alive before, of the categories whose peak counts everything alive. */
function before(others: Bytes, category: keyof Bytes): number {
  return category === "workspace" || category === "saved" ? 0 : others[category];
}
