/** @file Small models for tests of adapters. */

import { noGrad, type Tensor } from "lowrank/autograd";
import { AdapterError, type Random, random } from "lowrank/core";
import { type AdaptedModel, inject, type Method } from "lowrank/lora";
import { Conv1D, Embedding, GPT2, Linear, Module } from "lowrank/nn";
import * as assert from "uvu/assert";

/** ids [batch, time] → embedding → linear → Conv1D. */
export class Chain extends Module {
  embed: Embedding;
  first: Linear;
  second: Conv1D;

  constructor({ vocab = 5, width = 4, hidden = 6, out = 3, rng = random(7) } = {}) {
    super();
    this.embed = new Embedding(vocab, width, { rng });
    this.first = new Linear(width, hidden, { rng });
    this.second = new Conv1D(hidden, out, { rng, std: 1 });
  }

  forward(ids: readonly (readonly number[])[]): Tensor {
    return this.second.forward(this.first.forward(this.embed.forward(ids)));
  }
}

export const everywhere = ["embed", "first", "second"];
export const ids = [
  [0, 3, 1],
  [4, 4, 2],
];

/** A GPT-2 small enough to try everything on. */
export const tinyGPT2 = (rng: Random = random(3)): GPT2 =>
  new GPT2(
    { model_type: "gpt2", vocab_size: 11, n_positions: 6, n_embd: 4, n_layer: 2, n_head: 2 },
    { rng },
  ).eval();

/** Other values for all parameters of an adapter: magnitudes stay positive, the rest is uniform on ±1. */
export function randomize(model: AdaptedModel, name: string, seed: number): void {
  for (const [path, adapter] of model.adapter(name)) {
    for (const [field, parameter] of adapter.namedParameters()) {
      const rng = random(seed).split(`${path}.${field}`);
      parameter.assign(
        field === "m" ? rng.uniform(parameter.size, 0.5, 2) : rng.uniform(parameter.size, -1, 1),
      );
    }
  }
}

/** A chain with adapters of these methods, none of which is the identity; the first is active. */
export function adaptedChain(
  adapters: Readonly<Record<string, { method: Method; rank?: number }>>,
): AdaptedModel<Chain> {
  const [[first, config], ...others] = Object.entries(adapters);
  const settings = (of: { method: Method; rank?: number }, seed: number) => ({
    rank: 2,
    alpha: 3,
    target: everywhere,
    seed,
    ...of,
  });
  const model = inject(new Chain(), { ...settings(config, 1), name: first });
  others.forEach(([name, other], i) => {
    model.addAdapter(name, settings(other, i + 2));
  });
  model.names.forEach((name, i) => {
    randomize(model, name, i);
  });
  return model;
}

export const output = (model: { forward(input: never): unknown }, input: unknown = ids): Float32Array =>
  noGrad(() => model.forward(input as never) as Tensor).toArray();

/** The same bits, but for the sign of zero. */
export const same = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

export const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce(
    (largest, value, i) => Math.max(largest, Math.abs(value - b[i])),
    a.length === b.length ? 0 : Number.POSITIVE_INFINITY,
  );

/** The error of `run`, which must be an AdapterError with this message. */
export function refuses(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    if (error instanceof AdapterError && message.test(error.message)) return true;
    throw new Error(`expected an AdapterError ${message}; got ${error}`, { cause: error });
  });
}
