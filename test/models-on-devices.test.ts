/**
 * @file Whole models on the devices that people use, with adapters of every method, on dense and on quantized weights: the
 * loss and all gradients are those of `reference` in float64.
 */

import * as fc from "fast-check";
import type { Tensor } from "lowrank/autograd";
import { type DeviceName, type Indices, indices, random } from "lowrank/core";
import { type AdapterConfig, inject, type Method } from "lowrank/lora";
import { Bert, GPT2, Llama, type Module } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import { agrees, fill, type Made, trained } from "./support/on-device.ts";

const test = suite("models on devices");

interface Draw {
  readonly model: "gpt2" | "llama" | "bert";
  /** Null: the model itself trains. */
  readonly method: Method | null;
  readonly isQuantized: boolean;
  readonly rank: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly batch: number;
  readonly time: number;
  readonly seed: number;
}

const draws: fc.Arbitrary<Draw> = fc.record({
  model: fc.constantFrom("gpt2", "llama", "bert"),
  method: fc.constantFrom(null, "lora", "dora", "adalora", "lora-fa", "merged-linear", "lora-conv"),
  isQuantized: fc.boolean(),
  rank: fc.constantFrom(1, 1, 2, 3),
  heads: fc.constantFrom(1, 2, 3),
  kvHeads: fc.constantFrom(1, 2),
  headDim: fc.constantFrom(1, 2, 4),
  batch: fc.constantFrom(1, 2, 3),
  time: fc.constantFrom(2, 3, 5, 9),
  seed: fc.nat(10_000),
});

const VOCABULARY = 11;

type Model = Module & { forward(ids: Indices): Tensor; loss(ids: Indices): Tensor };

/** A model, with its loss on ids alone. */
function build({ model, heads, kvHeads, headDim }: Draw): Model {
  const rng = random(1);
  switch (model) {
    case "gpt2": {
      const sizes = {
        vocab_size: VOCABULARY,
        n_positions: 9,
        n_embd: heads * headDim,
        n_layer: 2,
        n_head: heads,
      };
      return new GPT2({ model_type: "gpt2", ...sizes, layer_norm_epsilon: 0.1 }, { rng }).eval();
    }
    case "llama": {
      const width = kvHeads * heads * 2 * headDim; // heads of an even size, as rotary embedding wants
      const sizes = {
        vocab_size: VOCABULARY,
        max_position_embeddings: 9,
        hidden_size: width,
        intermediate_size: 7,
      };
      const layers = {
        num_hidden_layers: 2,
        num_attention_heads: kvHeads * heads,
        num_key_value_heads: kvHeads,
      };
      return new Llama({ model_type: "llama", ...sizes, ...layers, rms_norm_eps: 0.1 }, { rng }).eval();
    }
    case "bert": {
      const sizes = {
        vocab_size: VOCABULARY,
        hidden_size: heads * headDim,
        intermediate_size: 7,
        num_hidden_layers: 2,
      };
      const rest = { num_attention_heads: heads, max_position_embeddings: 9, pad_token_id: 0, num_labels: 3 };
      const bert = new Bert({ model_type: "bert", ...sizes, ...rest, layer_norm_eps: 0.1 }, { rng }).eval();
      return Object.assign(bert, {
        loss: (ids: Indices): Tensor => {
          const [batch, time] = ids.shape;
          // The last tokens of every text but the first are padding.
          const attentionMask = indices(
            Int32Array.from({ length: batch * time }, (_, i) =>
              i % time < time - Math.floor(i / time) || i % time === 0 ? 1 : 0,
            ),
            [batch, time],
          );
          return Bert.prototype.loss.call(
            bert,
            ids,
            Array.from({ length: batch }, (_, i) => i % 3),
            { attentionMask },
          );
        },
      });
    }
  }
}

const make = (draw: Draw) => (): Made => {
  const { method, isQuantized, rank, batch, time, seed } = draw;
  const base = build(draw);
  fill(base, seed);
  const rng = random(seed);
  const ids = indices(
    Int32Array.from({ length: batch * time }, () => 1 + rng.integer(VOCABULARY - 1)),
    [batch, time],
  );
  if (isQuantized && method !== null) quantizeModel(base, { format: "nf4", blockSize: 64 });
  if (method === null) return { leaves: trained(base), forward: () => base.loss(ids) };
  const slices = method === "merged-linear" ? { slices: [true] } : {};
  const config = { method, rank, alpha: 3, target: "all-linear", seed, ...slices } as AdapterConfig;
  const { model } = inject(base, config);
  fill(model, seed + 1, /(^|\.)(A|B|m|P|Q|lambda)$/);
  return { leaves: trained(model), forward: () => model.loss(ids) };
};

const devices: readonly (readonly [DeviceName, number])[] = [
  ["cpu", 40],
  ["gpu:webasm", 5],
];

for (const [device, numRuns] of devices) {
  test(`${device}: GPT-2, Llama and BERT, all methods, dense and quantized: loss and gradients`, () => {
    fc.assert(
      fc.property(draws, (draw) => agrees(device, make(draw), "sum")),
      { numRuns },
    );
  });
}

test.run();
