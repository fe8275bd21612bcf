/**
 * @file Decoders of every kind, loaded from folders with random weights, against forward passes written out in float64: the
 * forms of rotary scaling, head norms, biases, grouped queries, and GPT-2's scales of attention.
 */

import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import {
  makeTemporaryFolder,
  random,
  removeFile,
  saveSafetensors,
  setDevice,
  tensorBytes,
  withPrecision,
  writeFileAtomic,
} from "lowrank/core";
import {
  type GPT2,
  KeyValueCache,
  Llama,
  layout,
  listModules,
  loadPretrained,
  modelConfig,
  parameterCount,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gpt2Logits, type LlamaFields, llamaLogits, type Weights } from "./support/float64-models.ts";

const test = suite("decoders against float64");
type Json = Readonly<Record<string, unknown>>;

let folder = "";
test.before(() => {
  setDevice("cpu");
});
test.before.each(() => {
  folder = makeTemporaryFolder("float64-models-");
});
test.after.each(() => removeFile(folder));

/** Writes a folder with random weights for `config`, and returns them. */
function write(config: Json, seed: number): Weights {
  const rng = random(seed);
  const weights = new Map<string, number[][]>();
  const entries = layout(modelConfig(config))
    .flatMap(({ parameters }) => parameters)
    .filter(({ tiedTo }) => tiedTo === undefined)
    .map(({ name, shape }) => {
      const count = shape.reduce((product, length) => product * length, 1);
      const values = rng
        .normal(count)
        .map((x) => Math.fround(/norm|ln_/.test(name) && name.endsWith("weight") ? 1 + 0.3 * x : 0.4 * x));
      const columns = shape.at(-1) as number;
      const rows = Array.from({ length: values.length / columns }, (_, i) => [
        ...values.subarray(i * columns, (i + 1) * columns),
      ]);
      weights.set(name, rows);
      return [name, tensorBytes("F32", shape, values)] as const;
    });
  saveSafetensors(`${folder}/model.safetensors`, entries);
  writeFileAtomic(`${folder}/config.json`, new TextEncoder().encode(JSON.stringify(config)));
  return weights;
}

function compare(expected: readonly number[][], ids: readonly number[]): void {
  const model = loadPretrained(folder) as GPT2 | Llama;
  const logits = noGrad(() => model.forward([[...ids]]).toArray());
  const flat = expected.flat();
  const largest = Math.max(...flat.map(Math.abs));
  const far = Math.max(...flat.map((value, i) => Math.abs(value - logits[i])));
  assert.is(logits.length, flat.length);
  assert.ok(far <= 5e-6 * largest, `distance ${far / largest} of the largest`);
}

const ids = [3, 1, 10, 4, 4, 7, 0, 9, 2, 5, 8, 6];

const scalings: readonly (readonly [string, Json])[] = [
  ["none", {}],
  ["linear, as type", { rope_scaling: { type: "linear", factor: 3.5 } }],
  ["linear, in rope_parameters", { rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 500 } }],
  ["dynamic", { rope_theta: 100, rope_scaling: { rope_type: "dynamic", factor: 4 } }],
  ["yarn by its defaults", { rope_theta: 300, rope_scaling: { type: "yarn", factor: 4 } }],
  [
    "yarn with every field",
    {
      rope_parameters: {
        ...{ rope_type: "yarn", rope_theta: 50, factor: 3, original_max_position_embeddings: 9 },
        ...{ attention_factor: 1.7, beta_fast: 3, beta_slow: 0.25, truncate: false },
      },
    },
  ],
  [
    "yarn with mscale and mscale_all_dim",
    { rope_scaling: { type: "yarn", factor: 8, mscale: 0.7, mscale_all_dim: 1.3, beta_fast: 2 } },
  ],
  ["yarn with mscale alone", { rope_scaling: { type: "yarn", factor: 8, mscale: 0.7, mscale_all_dim: 0 } }],
  [
    "yarn whose factor is null, from the ratio of lengths",
    { rope_scaling: { type: "yarn", factor: null, original_max_position_embeddings: 4, beta_fast: 2 } },
  ],
  [
    "yarn whose truncate is null, which counts as false",
    {
      rope_theta: 10,
      rope_scaling: { type: "yarn", factor: 4, beta_fast: 3, beta_slow: 0.4, truncate: null },
    },
  ],
  [
    "yarn with the original length beside the record",
    {
      original_max_position_embeddings: 5,
      rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 9, beta_fast: 2 },
    },
  ],
  [
    "llama3",
    {
      rope_theta: 40,
      rope_scaling: {
        ...{ rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
        original_max_position_embeddings: 12,
      },
    },
  ],
  [
    "llama3 with the original length beside the record",
    {
      original_max_position_embeddings: 10,
      rope_parameters: {
        ...{ rope_type: "llama3", rope_theta: 60, factor: 4, low_freq_factor: 0.5, high_freq_factor: 3 },
      },
    },
  ],
  [
    "llama3 whose original length is max_position_embeddings",
    { rope_scaling: { rope_type: "llama3", factor: 2, low_freq_factor: 1, high_freq_factor: 5 } },
  ],
];

const sizes = { vocab_size: 11, hidden_size: 16, intermediate_size: 10, num_hidden_layers: 2 } as const;
const heads = { num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 16 } as const;

for (const [name, rope] of scalings) {
  test(`rotary scaling: ${name}`, () => {
    const config = { model_type: "llama", ...sizes, ...heads, head_dim: 8, ...rope };
    const weights = write(config, 7);
    compare(llamaLogits(config as unknown as LlamaFields, weights, ids), ids);
  });
}

const variants: readonly (readonly [string, Json])[] = [
  ["llama with biases", { model_type: "llama", attention_bias: true, mlp_bias: true }],
  ["llama, heads wider than hidden / heads", { model_type: "llama", head_dim: 10 }],
  ["llama, tied", { model_type: "llama", tie_word_embeddings: true, hidden_act: "relu", rms_norm_eps: 0.01 }],
  ["mistral within its window", { model_type: "mistral", sliding_window: 12, head_dim: 6 }],
  ["qwen2, biases on q, k and v", { model_type: "qwen2", head_dim: 4 }],
  ["qwen3, norms of each head", { model_type: "qwen3", head_dim: 6, rms_norm_eps: 0.003 }],
  ["qwen3 with heads of 128", { model_type: "qwen3", num_hidden_layers: 1 }],
  [
    "qwen3 with biases, tied",
    { model_type: "qwen3", head_dim: 8, attention_bias: true, tie_word_embeddings: true },
  ],
];

for (const [name, fields] of variants) {
  test(name, () => {
    const config: Json = { ...sizes, ...heads, ...fields };
    const weights = write(config, 11);
    compare(llamaLogits(config as unknown as LlamaFields, weights, ids), ids);
  });
}

for (const fields of [
  {},
  { scale_attn_by_inverse_layer_idx: true },
  { scale_attn_weights: false },
  { scale_attn_weights: false, scale_attn_by_inverse_layer_idx: true, reorder_and_upcast_attn: true },
]) {
  test(`gpt2 ${JSON.stringify(fields)}`, () => {
    const config = {
      model_type: "gpt2",
      vocab_size: 11,
      n_positions: 16,
      n_embd: 8,
      n_layer: 3,
      n_head: 2,
      ...fields,
    };
    const weights = write(config, 5);
    compare(gpt2Logits(config, weights, ids), ids);
  });
}

test("any configuration of the family", () => {
  const arbitrary = fc.record({
    model_type: fc.constantFrom("llama", "mistral", "qwen2", "qwen3"),
    num_hidden_layers: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 2 }),
    share: fc.integer({ min: 1, max: 3 }),
    head_dim: fc.constantFrom(2, 4, 6, 10),
    hidden_size: fc.constantFrom(6, 9, 12),
    intermediate_size: fc.integer({ min: 1, max: 9 }),
    rms_norm_eps: fc.constantFrom(1e-6, 1e-5, 0.1),
    rope_theta: fc.constantFrom(3, 100, 10000, 1e6),
    rope: fc.constantFrom(...scalings.map(([, rope]) => rope)),
    tie_word_embeddings: fc.boolean(),
    attention_bias: fc.boolean(),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(arbitrary, ({ groups, share, rope, rope_theta, attention_bias, seed, ...fields }) => {
      const config: Json = {
        ...fields,
        ...("rope_parameters" in rope ? {} : { rope_theta }),
        ...rope,
        ...(/llama|qwen3/.test(fields.model_type) && { attention_bias }),
        ...{ vocab_size: 11, max_position_embeddings: 16 },
        ...{ num_attention_heads: groups * share, num_key_value_heads: groups },
      };
      const weights = write(config, seed);
      compare(llamaLogits(config as unknown as LlamaFields, weights, ids.slice(0, 7)), ids.slice(0, 7));
    }),
    { numRuns: 30 },
  );
});

test("token by token with a cache, and in double precision: the same", () => {
  for (const config of [
    { model_type: "qwen3", ...sizes, ...heads, head_dim: 6 },
    {
      ...{ model_type: "gpt2", vocab_size: 11, n_positions: 16, n_embd: 8, n_layer: 3, n_head: 2 },
      scale_attn_by_inverse_layer_idx: true,
    },
  ]) {
    const weights = write(config, 3);
    const expected =
      config.model_type === "gpt2"
        ? gpt2Logits(config as never, weights, ids)
        : llamaLogits(config as unknown as LlamaFields, weights, ids);
    const model = loadPretrained(folder) as GPT2 | Llama;
    const cache = new KeyValueCache();
    const largest = Math.max(...expected.flat().map(Math.abs));
    noGrad(() => {
      for (const [t, id] of ids.entries()) {
        const step = model.forward([[id]], { cache }).toArray();
        const far = Math.max(...expected[t].map((value, i) => Math.abs(value - step[i])));
        assert.ok(far <= 5e-6 * largest, `token ${t}: ${far / largest}`);
      }
    });
    withPrecision("float64", () => {
      const exact = (loadPretrained(folder) as Llama).forward([ids]).value.data;
      const far = Math.max(...expected.flat().map((value, i) => Math.abs(value - exact[i])));
      assert.ok(far <= 1e-12 * largest, `double precision: ${far / largest}`);
    });
  }
});

test("Qwen3's norms of heads take no adapters, train as parameters, and are counted", () => {
  const model = new Llama({ model_type: "qwen3", ...sizes, ...heads, head_dim: 6 }, { rng: random(1) });
  const linear = [...listModules(model)].filter(({ kind }) => kind === "linear").map(({ name }) => name);
  assert.is(linear.length, 2 * 7);
  assert.ok(linear.every((name) => !name.includes("norm")));
  const loss = model.loss([ids]);
  loss.backward();
  const { q_norm, k_norm } = model.model.layers[0].self_attn;
  for (const norm of [q_norm, k_norm]) assert.ok(norm?.weight.grad?.toArray().some((value) => value !== 0));
  const count = model.parameters().reduce((sum, { size }) => sum + size, 0);
  assert.is(count, parameterCount(layout(model.config)));
});

test.run();
