/** @file Layers' options: misspelt ones are refused with the nearest name, those of other libraries with ours. */

import { Tensor, tensor } from "lowrank/autograd";
import { ArgumentError, random } from "lowrank/core";
import { LoraFAAdamW } from "lowrank/lora";
import {
  Adam,
  AdamW,
  Bert,
  Conv1D,
  Conv1d,
  Conv2d,
  clipGradientNorm,
  cloneModule,
  Dropout,
  Embedding,
  evaluated,
  GPT2,
  generate,
  gradientNorm,
  LayerNorm,
  Linear,
  Llama,
  loadPretrained,
  MLP,
  MultiHeadAttention,
  RMSNorm,
  Rotary,
  resizeTokenEmbeddings,
  SwiGLU,
  scaledDotProductAttention,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("options of layers");

const gpt2 = { model_type: "gpt2", n_embd: 4, n_layer: 1, n_head: 1, vocab_size: 5, n_positions: 6 } as const;
const llama = {
  ...{
    model_type: "llama" as const,
    hidden_size: 4,
    intermediate_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 1,
  },
  vocab_size: 5,
} as const;
const bert = {
  ...{
    model_type: "bert" as const,
    hidden_size: 4,
    intermediate_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 1,
  },
  ...{ vocab_size: 5, max_position_embeddings: 6, num_labels: 2 },
} as const;
const x = tensor([[[1, 2, 3, 4]]]);
const heads = tensor([[[[1, 2, 3, 4]]]]);

/** Each takes options: those it has, and what is refused with what is meant. */
const takers: Record<string, [(options: object) => unknown, object, Record<string, string>]> = {
  Linear: [
    (o) => new Linear(4, 4, o),
    { bias: false, rng: random(1), std: 1 },
    { Bias: "bias", biass: "bias", generator: "rng", seed: "rng: random" },
  ],
  Conv1D: [
    (o) => new Conv1D(4, 4, o),
    { rng: random(1), std: 1 },
    { bias: "rng, std", initializer_range: "std" },
  ],
  Embedding: [
    (o) => new Embedding(4, 4, o),
    { rng: random(1), std: 1 },
    { padding_idx: "options among", stdd: "std" },
  ],
  Conv1d: [
    (o) => new Conv1d(4, 4, 1, o),
    { stride: 1, padding: 1, dilation: 1, groups: 2, bias: false },
    { group: "groups", strides: "stride" },
  ],
  Conv2d: [
    (o) => new Conv2d(4, 4, 1, o),
    { stride: 1, padding: [1, 0], dilation: 1, groups: 2, bias: false },
    { pading: "padding", dilations: "dilation" },
  ],
  LayerNorm: [(o) => new LayerNorm(4, o), { eps: 1e-3 }, { epsilon: "eps", Eps: "eps", esp: "eps" }],
  RMSNorm: [(o) => new RMSNorm(4, o), { eps: 1e-3 }, { variance_epsilon: "eps" }],
  Dropout: [(o) => new Dropout(0.5, o), { rng: random(1) }, { generator: "rng" }],
  MLP: [
    (o) => new MLP(4, 4, o),
    { activation: "relu", bias: false, std: 1 },
    { act: "activation", activaton: "activation" },
  ],
  SwiGLU: [(o) => new SwiGLU(4, 4, o), { activation: "gelu", bias: true }, { hidden_act: "activation" }],
  MultiHeadAttention: [
    (o) => new MultiHeadAttention(4, 2, o),
    { kvHeads: 1, headDim: 2, causal: true, rotary: null, bias: false, dropout: 0.1, std: 1, rng: random(1) },
    {
      num_kv_heads: "kvHeads",
      kv_heads: "kvHeads",
      is_causal: "causal",
      head_dim: "headDim",
      dropout_p: "dropout",
    },
  ],
  "MultiHeadAttention.forward": [
    (o) => new MultiHeadAttention(4, 2).forward(x, o),
    { positions: [0] },
    { attn_mask: "mask", position_ids: "positions", past_key_values: "cache" },
  ],
  scaledDotProductAttention: [
    (o) => scaledDotProductAttention(heads, heads, heads, o),
    { causal: true, scale: 1 },
    { is_causal: "causal", attn_mask: "mask", dropout_p: "dropout" },
  ],
  Rotary: [
    (o) => new Rotary(4, o),
    { base: 100, scaling: null },
    { theta: "base", rope_theta: "base", rope_scaling: "scaling" },
  ],
  "GPT2.loss": [
    (o) => new GPT2(gpt2).loss([[1, 2]], [[1, 2]], o),
    { ignoreIndex: 0, labelSmoothing: 0.1, chunkBytes: 4 },
    { ignore_index: "ignoreIndex", label_smoothing: "labelSmoothing" },
  ],
  "Llama.loss": [
    (o) => new Llama(llama).loss([[1, 2]], undefined, o),
    { reduction: "sum" },
    { reducton: "reduction" },
  ],
  GPT2: [(o) => new GPT2(gpt2, o), { rng: random(1) }, { seed: "rng: random" }],
  Llama: [(o) => new Llama(llama, o), { rng: random(1) }, { generator: "rng" }],
  Bert: [(o) => new Bert(bert, o), { rng: random(1) }, { rgn: "rng" }],
  "GPT2.forward": [
    (o) => new GPT2(gpt2).forward([[1]], o),
    { lastOnly: true, positions: [0] },
    { last_only: "lastOnly", position_ids: "positions" },
  ],
  "Llama.forward": [
    (o) => new Llama(llama).forward([[1]], o),
    { lastOnly: true },
    { logits_to_keep: "lastOnly", past_key_values: "cache" },
  ],
  "Bert.forward": [
    (o) => new Bert(bert).forward([[1]], o),
    { attentionMask: [[1]], tokenTypes: [[0]], positions: [0] },
    { attention_mask: "attentionMask", token_type_ids: "tokenTypes", position_ids: "positions" },
  ],
};

for (const [name, [take, good, bad]] of Object.entries(takers)) {
  test(`${name}: its own options are taken, others refused`, () => {
    take({});
    take(good);
    take({ nonsense: undefined });
    for (const [option, meant] of [...Object.entries(bad), ["nonsense", "options among"]]) {
      assert.throws(
        () => take({ [option]: 1 }),
        (e: Error) =>
          e instanceof ArgumentError &&
          e.message.includes(`${meant}`) &&
          e.message.includes(`(there is no option ${option} here)`),
        option,
      );
    }
    for (const options of [false, true, 3, "bias", null])
      assert.throws(
        () => take(options as never),
        (e: Error) => e instanceof ArgumentError && /an object of options/.test(e.message),
        String(options),
      );
  });
}

test("values that an option cannot have are refused", () => {
  const refused = (fn: () => unknown): void => assert.throws(fn, (e: Error) => e instanceof ArgumentError);
  for (const bias of [null, 0, "no"]) refused(() => new Linear(2, 2, { bias: bias as never }));
  for (const eps of [-1e-5, Number.NaN, Infinity, "1e-5"]) {
    refused(() => new LayerNorm(2, { eps: eps as never }));
    refused(() => new RMSNorm(2, { eps: eps as never }));
  }
  for (const p of [-0.1, 1, Number.NaN, "0.5", undefined]) refused(() => new Dropout(p as never));
  for (const rng of [null, 5, {}]) {
    refused(() => new Linear(2, 2, { rng: rng as never }));
    refused(() => new Dropout(0.5, { rng: rng as never }));
    refused(() => new GPT2(gpt2, { rng: rng as never }));
    refused(() => generate(new GPT2(gpt2), [[1]], { maxNewTokens: 1, topK: 2, rng: rng as never }));
  }
  for (const std of [-1, Number.NaN, Infinity, "1", null])
    refused(() => new Embedding(2, 2, { std: std as never }));
  for (const options of [new Map([["bias", false]]), new Set(["bias"]), ["bias"]])
    refused(() => new Linear(2, 2, options as never));
  for (const useCache of ["no", 0, null])
    refused(() => generate(new GPT2(gpt2), [[1]], { maxNewTokens: 1, useCache: useCache as never }));
  for (const nothing of [null, undefined, 5, "model", {}]) {
    refused(() => cloneModule(nothing as never));
    refused(() => evaluated(nothing as never, () => 0));
    refused(() => resizeTokenEmbeddings(nothing as never, 3));
    refused(() => clipGradientNorm(nothing as never, 1));
    refused(() => gradientNorm([nothing] as never));
    refused(() => new Adam(nothing as never));
    refused(() => loadPretrained((nothing === "model" ? "" : nothing) as never));
    refused(() => new LoraFAAdamW(nothing as never));
  }
  const [weight] = new Linear(1, 1).parameters();
  for (const settings of [null, 5, "lr"]) {
    refused(() => new Adam([weight], settings as never));
    refused(() => new AdamW([weight], settings as never));
    refused(() => new LoraFAAdamW(new Linear(1, 1), settings as never));
  }
  refused(() => new MLP(2, 2, { activation: "geluu" as never }));
  refused(() => new SwiGLU(2, 2, { activation: "toString" as never }));
  refused(() => loadPretrained("nowhere", { num_labels: 2 } as never));
  assert.instance(new LayerNorm(2, { eps: 0 }).forward(tensor([[1, 2]])), Tensor);
});

test.run();
