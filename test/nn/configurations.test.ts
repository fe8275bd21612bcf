/** @file Published models: their sizes from their configurations, to the last parameter. */

import * as fc from "fast-check";
import {
  type ConfigurationName,
  configurations,
  layout,
  linearWeightCount,
  modelConfig,
  parameterCount,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("configurations");

const size = (name: ConfigurationName) => parameterCount(layout(configurations[name]));

// Published checkpoints, counted by their authors or by Hugging Face.
const published: Partial<Record<ConfigurationName, number>> = {
  gpt2: 124_439_808,
  "gpt2-medium": 354_823_168,
  "gpt2-large": 774_030_080,
  "gpt2-xl": 1_557_611_200,
  "bert-base-uncased": 109_482_240,
  "bert-base-cased": 108_310_272,
  "bert-large-uncased": 335_141_888,
  "roberta-base": 124_645_632, // "125M"
  "roberta-large": 355_359_744, // "355M"
  "deberta-v3-base": 183_831_552, // "184M"
  "bart-large": 406_291_456,
  "llama-7b": 6_738_415_616,
  "llama-13b": 13_015_864_320,
  "llama-33b": 32_528_943_616,
  "llama-65b": 65_285_660_672,
  "llama-2-7b": 6_738_415_616,
  "llama-2-13b": 13_015_864_320,
  "llama-2-70b": 68_976_648_192,
  "llama-3-8b": 8_030_261_248,
  "llama-3.2-1b": 1_235_814_400,
  "llama-3.2-3b": 3_212_749_824,
};

for (const [name, count] of Object.entries(published)) {
  test(`${name} has ${count.toLocaleString("en")} parameters`, () => {
    assert.is(size(name as ConfigurationName), count);
  });
}

test("GPT-3 175B is GPT-2's formula at its own sizes", () => {
  const [V, T, L, d] = [50257, 2048, 96, 12288];
  assert.is(size("gpt3-175b"), V * d + T * d + L * (12 * d * d + 13 * d) + 2 * d); // the paper prints 175,255.8M
  assert.is((size("gpt3-175b") / 1e6).toFixed(1), "174604.3");
});

test('DeBERTa v2 XXL rounds down to its published "1.5B"', () => {
  assert.is(size("deberta-v2-xxlarge"), 1_564_549_632);
});

test("the linear layers that QLoRA holds in 4 bits", () => {
  const linear = (name: ConfigurationName) => linearWeightCount(layout(configurations[name]));
  assert.is(linear("llama-7b"), 6_476_005_376);
  assert.is(linear("llama-13b"), 12_687_769_600);
  assert.is(linear("llama-33b"), 32_102_154_240);
  assert.is(linear("llama-65b"), 64_760_053_760);
});

test("a small GPT-2 lists the tensors of its checkpoint", () => {
  const config = modelConfig({
    model_type: "gpt2",
    n_embd: 6,
    n_head: 2,
    n_layer: 1,
    n_positions: 5,
    vocab_size: 7,
  });
  const modules = layout(config);
  const tensors = modules.flatMap(({ parameters }) =>
    parameters.map(({ name, shape }) => `${name} [${shape}]`),
  );
  assert.equal(tensors, [
    "transformer.wte.weight [7,6]",
    "transformer.wpe.weight [5,6]",
    "transformer.h.0.ln_1.weight [6]",
    "transformer.h.0.ln_1.bias [6]",
    "transformer.h.0.attn.c_attn.weight [6,18]",
    "transformer.h.0.attn.c_attn.bias [18]",
    "transformer.h.0.attn.c_proj.weight [6,6]",
    "transformer.h.0.attn.c_proj.bias [6]",
    "transformer.h.0.ln_2.weight [6]",
    "transformer.h.0.ln_2.bias [6]",
    "transformer.h.0.mlp.c_fc.weight [6,24]",
    "transformer.h.0.mlp.c_fc.bias [24]",
    "transformer.h.0.mlp.c_proj.weight [24,6]",
    "transformer.h.0.mlp.c_proj.bias [6]",
    "transformer.ln_f.weight [6]",
    "transformer.ln_f.bias [6]",
    "lm_head.weight [7,6]",
  ]);
  assert.is(modules.at(-1)!.parameters[0].tiedTo, "transformer.wte.weight");
});

test("grouped queries narrow the keys and values of a Llama, and an untied head owns its weight", () => {
  const config = modelConfig({
    model_type: "llama",
    vocab_size: 7,
    hidden_size: 8,
    intermediate_size: 5,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  });
  const shapes = new Map(
    layout(config).flatMap(({ parameters }) => parameters.map((p) => [p.name, p.shape])),
  );
  assert.equal(shapes.get("model.layers.0.self_attn.q_proj.weight"), [8, 8]);
  assert.equal(shapes.get("model.layers.0.self_attn.k_proj.weight"), [4, 8]);
  assert.equal(shapes.get("model.layers.0.mlp.down_proj.weight"), [8, 5]);
  assert.equal(shapes.get("lm_head.weight"), [7, 8]);
  assert.is(shapes.has("model.layers.0.self_attn.q_proj.bias"), false);
});

test("a RoBERTa classifier trades the pooler for its two-layer head", () => {
  const d = 768;
  const bare = size("roberta-base");
  const classifier = parameterCount(layout({ ...configurations["roberta-base"], num_labels: 3 }));
  assert.is(classifier - (bare - (d * d + d)), d * d + d + 3 * d + 3);
});

const small = (max: number) => fc.integer({ min: 1, max });

test("a GPT-2 has V d + T d + L (12 d² + 13 d) + 2 d parameters, and V d more untied", () => {
  fc.assert(
    fc.property(
      small(99),
      small(99),
      small(9),
      small(4),
      small(16),
      fc.boolean(),
      (V, T, L, heads, width, tied) => {
        const d = heads * width;
        const config = modelConfig({
          model_type: "gpt2",
          vocab_size: V,
          n_positions: T,
          n_layer: L,
          n_embd: d,
          n_head: heads,
          tie_word_embeddings: tied,
        });
        const count = V * d + T * d + L * (12 * d * d + 13 * d) + 2 * d;
        assert.is(parameterCount(layout(config)), tied ? count : count + V * d);
      },
    ),
  );
});

test("names of parameters are distinct, and each is its module's with .weight or .bias", () => {
  for (const config of Object.values(configurations)) {
    const modules = layout(config);
    const names = modules.flatMap(({ name, parameters }) => {
      for (const parameter of parameters)
        assert.match(parameter.name.slice(name.length), /^\.(weight|bias)$/);
      return parameters.map((parameter) => parameter.name);
    });
    assert.is(new Set(names).size, names.length);
  }
});

test("completing a complete configuration changes nothing", () => {
  for (const config of Object.values(configurations)) assert.equal(modelConfig({ ...config }), config);
});

test("null and absent fields take Hugging Face's defaults", () => {
  const gpt2 = modelConfig({ model_type: "gpt2", n_inner: null });
  assert.equal(gpt2, configurations.gpt2);
  assert.is(modelConfig({ model_type: "llama", num_attention_heads: 8 }).num_key_value_heads, 8);
  assert.is(modelConfig({ model_type: "llama", hidden_size: 64, num_attention_heads: 8 }).head_dim, 8);
});

test("the rotary base and scaling are read from where older and newer versions put them", () => {
  const scaling = configurations["llama-3.2-3b"].rope_scaling!;
  const older = modelConfig({ model_type: "llama", rope_theta: 5e5, rope_scaling: scaling });
  const newer: unknown = { model_type: "llama", rope_parameters: { ...scaling, rope_theta: 5e5 } };
  assert.equal(modelConfig(newer as Record<string, unknown>), older);
});

test("a configuration that no model can have is refused by field", () => {
  const refuses = (fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => modelConfig(fields), message);
  refuses({ model_type: "gpt5" }, /expected model_type to be one of gpt2, llama, .*got model_type "gpt5"/);
  refuses({}, /model_type undefined/);
  refuses({ model_type: "__proto__" }, /expected model_type/);
  refuses({ model_type: "gpt2", n_layer: 0 }, /expected n_layer to be a positive integer; got n_layer 0/);
  refuses({ model_type: "gpt2", n_layer: 1.5 }, /n_layer/);
  refuses({ model_type: "gpt2", n_embd: "768" }, /n_embd/);
  refuses(
    { model_type: "gpt2", n_embd: 30, n_head: 4 },
    /n_embd to be a multiple of n_head; got n_embd 30, n_head 4/,
  );
  refuses({ model_type: "gpt2", attn_pdrop: 1 }, /attn_pdrop/);
  refuses({ model_type: "gpt2", layer_norm_epsilon: Number.NaN }, /layer_norm_epsilon/);
  refuses({ model_type: "gpt2", activation_function: "mish" }, /activation_function to be one of gelu_new/);
  refuses({ model_type: "llama", num_attention_heads: 4, num_key_value_heads: 3 }, /num_key_value_heads/);
  refuses(
    { model_type: "llama", hidden_size: 30, num_attention_heads: 4 },
    /multiple of num_attention_heads/,
  );
  refuses({ model_type: "llama", head_dim: 3 }, /head_dim/);
  refuses(
    { model_type: "llama", rope_scaling: { rope_type: "longrope" } },
    /rope_type to be one of default, linear, dynamic, yarn, llama3/,
  );
  refuses({ model_type: "llama", rope_scaling: [1] }, /rope_scaling to be an object/);
});

test.run();
