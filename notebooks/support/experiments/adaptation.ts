/** @file One adaptation of a base model to a domain: trained, judged on held-out text, its memory metered. */
import { type Bytes, categories, liveBytes, measureMemory, random } from "lowrank/core";
import { AdamW, fit, type GPT2, linearDecay } from "lowrank/nn";
import type { Domain } from "../data/domain.ts";
import { validationLoss } from "./evaluation.ts";

export interface AdaptationOptions {
  readonly domain: Domain;
  readonly steps: number;
  readonly rows: number;
  readonly lr: number;
  /** Of the batches; the method's own chance is in the model. */
  readonly seed: number;
  /** Called after each step: a progress bar. */
  readonly tick?: () => void;
}

export interface Adaptation<T> {
  /** Parameters that train, of how many. */
  readonly trainable: number;
  readonly total: number;
  /** Validation loss on the domain afterwards, in nats. */
  readonly loss: number;
  /** Seconds of training. */
  readonly seconds: number;
  /** Peak bytes in training by category, the model's own only. */
  readonly memory: Readonly<Bytes>;
  /** What `read` made of the adapted model. */
  readonly read: T;
}

/**
 * Makes a model, trains whatever in it requires a gradient (AdamW, linear decay after a warm-up over the first tenth),
 * and releases it; `read` takes from it what is to be kept.
 */
export function adapt<T>(
  make: () => GPT2,
  { domain, steps, rows, lr, seed, tick }: AdaptationOptions,
  read: (model: GPT2) => T,
): Adaptation<T> {
  const others = liveBytes();
  const model = make();
  const trained = model.parameters().filter(({ requiresGrad }) => requiresGrad);
  const optimizer = new AdamW(trained, { lr, weightDecay: 0 });
  const source = random(seed);
  const { result, peak } = measureMemory(() =>
    fit(model, {
      steps,
      optimizer,
      schedule: linearDecay({ warmup: Math.ceil(steps / 10), total: steps }),
      batch: (step) => domain.batch(rows, source.split(step)),
      loss: ({ ids, labels }) => model.loss(ids, labels),
      maxGradNorm: 1,
      onStep: tick,
      progress: false,
    }),
  );
  const own = categories.map((category) => [category, peak[category] - kept(others, category)]);
  const adaptation = {
    trainable: sizeOf(trained),
    total: sizeOf(model.parameters()),
    loss: validationLoss(model, domain),
    seconds: result.seconds,
    memory: Object.fromEntries(own) as Bytes,
    read: read(model),
  };
  for (const { arrays } of trained.map((parameter) => optimizer.state(parameter)))
    for (const { storage } of Object.values(arrays)) storage.release();
  for (const storage of model.storages()) storage.release();
  return adaptation;
}

/** What was alive before, of the categories whose peak counts everything alive. */
function kept(others: Bytes, category: keyof Bytes): number {
  return category === "workspace" || category === "saved" ? 0 : others[category];
}

function sizeOf(parameters: readonly { readonly size: number }[]): number {
  return parameters.reduce((sum, { size }) => sum + size, 0);
}
