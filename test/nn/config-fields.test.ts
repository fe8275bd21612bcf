/** @file Fields of config.json: each is read, known to be harmless, or refused by name; none is dropped in silence. */

import * as fc from "fast-check";
import { ArgumentError, random } from "lowrank/core";
import {
  Bert,
  BertModel,
  configurations,
  Llama,
  type LlamaConfig,
  layout,
  modelConfig,
  parameterCount,
  type RopeScaling,
  Rotary,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("configuration fields");

const types = [
  "gpt2",
  "llama",
  "mistral",
  "qwen2",
  "qwen3",
  "bert",
  "roberta",
  "deberta-v2",
  "bart",
] as const;
type Json = Readonly<Record<string, unknown>>;
const read = (fields: Json) => modelConfig(fields) as unknown as Record<string, unknown>;

function refusal(fields: Json): string {
  try {
    modelConfig(fields);
  } catch (error) {
    assert.instance(error, ArgumentError, String(error));
    return (error as Error).message;
  }
  throw new Error(`expected a refusal of ${JSON.stringify(fields)}`);
}

const names = fc.stringMatching(/^[a-z]+(_[a-z]+){1,3}$/).filter((name) => name.length > 12);
const values = fc.oneof(
  fc.boolean(),
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.array(fc.nat()),
  fc.dictionary(fc.string(), fc.nat()),
);

test("an unknown field is refused by name, unless it is null", () => {
  fc.assert(
    fc.property(fc.constantFrom(...types), names, values, (model_type, name, value) => {
      const complete = read({ model_type });
      fc.pre(!Object.hasOwn(complete, name));
      assert.match(refusal({ model_type, [name]: value }), new RegExp(`got ${name} `));
      assert.equal(read({ model_type, [name]: null }), complete);
    }),
    { numRuns: 200 },
  );
});

test("a misspelt field leads to the right one", () => {
  assert.match(refusal({ model_type: "gpt2", n_layers: 2 }), /n_layer meant\?.*got n_layers 2/);
  assert.match(refusal({ model_type: "llama", hiden_size: 8 }), /hidden_size meant\?/);
  assert.match(
    refusal({ model_type: "llama", rope_scaling: { type: "linear", factr: 2, factor: 2 } }),
    /rope_scaling\.factor meant\?/,
  );
});

/** Fields that change what is computed: harmless values, others. */
const switches: readonly (readonly [string, string, readonly unknown[], readonly unknown[]])[] = [
  ["gpt2", "scale_attn_by_inverse_layer_idx", [false, true], ["yes"]],
  ["gpt2", "add_cross_attention", [false], [true]],
  ["gpt2", "hidden_size", [768], [769]],
  ["gpt2", "activation_function", ["gelu", "swish", "gelu_fast"], ["mish", 3]],
  ["llama", "partial_rotary_factor", [1, 1.0], [0.5]],
  [
    "llama",
    "layer_types",
    [["full_attention", "full_attention"]],
    [["sliding_attention"], "full_attention", ["chunked_attention"]],
  ],
  ["llama", "logits_scaling", [1], [8]],
  ["llama", "residual_multiplier", [1], [0.2]],
  ["llama", "attention_multiplier", [128 ** -0.5], [0.5]],
  ["llama", "query_pre_attn_scalar", [128], [256]],
  ["llama", "final_logit_softcapping", [], [30]],
  ["llama", "is_causal", [true], [false]],
  ["llama", "num_local_experts", [0], [8]],
  ["llama", "quantization_config", [], [{ load_in_4bit: true }]],
  ["mistral", "attention_bias", [false], [true]],
  ["qwen2", "use_sliding_window", [false, true], [1]],
  ["qwen2", "attention_bias", [true], [false]],
  ["qwen3", "attention_bias", [false, true], [1]],
  ["qwen3", "mlp_bias", [false], [true]],
  ["qwen2", "sliding_window", [4096, 8], []],
  ["bert", "is_decoder", [false], [true]],
  ["bert", "is_causal", [false], [true]],
  ["bert", "position_embedding_type", ["absolute"], ["relative_key", "relative_key_query"]],
  ["bert", "pruned_heads", [{}], [{ 0: [1] }]],
  ["roberta", "tie_word_embeddings", [true, false], []],
  ["roberta", "pooler_type", ["first_token_transform"], ["mean"]],
];

for (const [model_type, field, harmless, others] of switches) {
  test(`${model_type}: ${field}`, () => {
    for (const value of [...harmless, null]) modelConfig({ model_type, [field]: value } as Json);
    for (const value of others)
      assert.match(
        refusal({ model_type, [field]: value }),
        new RegExp(`expected ${field} to be .*got ${field} `),
      );
  });
}

/** config.json of published models, field by field, without the sizes. */
const published: Readonly<Record<string, Json>> = {
  gpt2: {
    ...{
      activation_function: "gelu_new",
      architectures: ["GPT2LMHeadModel"],
      attn_pdrop: 0.1,
      bos_token_id: 50256,
    },
    ...{
      embd_pdrop: 0.1,
      eos_token_id: 50256,
      initializer_range: 0.02,
      layer_norm_epsilon: 1e-5,
      model_type: "gpt2",
    },
    ...{
      n_ctx: 1024,
      resid_pdrop: 0.1,
      summary_activation: null,
      summary_first_dropout: 0.1,
      vocab_size: 50257,
    },
    ...{ summary_proj_to_labels: true, summary_type: "cls_index", summary_use_proj: true },
    ...{ task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } } },
  },
  distilgpt2: {
    model_type: "gpt2",
    _num_labels: 1,
    id2label: { 0: "LABEL_0" },
    label2id: { LABEL_0: 0 },
    n_layer: 6,
  },
  "bert-base-uncased": {
    ...{
      model_type: "bert",
      architectures: ["BertForMaskedLM"],
      gradient_checkpointing: false,
      pad_token_id: 0,
    },
    ...{
      position_embedding_type: "absolute",
      transformers_version: "4.6.0.dev0",
      type_vocab_size: 2,
      use_cache: true,
    },
  },
  "bert-base-multilingual-cased": {
    ...{ model_type: "bert", directionality: "bidi", pooler_fc_size: 768, pooler_num_attention_heads: 12 },
    ...{ pooler_num_fc_layers: 3, pooler_size_per_head: 128, pooler_type: "first_token_transform" },
  },
  "roberta-base": {
    model_type: "roberta",
    bos_token_id: 0,
    eos_token_id: 2,
    pad_token_id: 1,
    type_vocab_size: 1,
  },
  "Llama-2-7b-hf": {
    ...{ model_type: "llama", _name_or_path: "meta-llama/Llama-2-7b-hf", bos_token_id: 1, eos_token_id: 2 },
    ...{ pretraining_tp: 1, rope_scaling: null, torch_dtype: "float16", use_cache: true, max_length: 4096 },
  },
  "Llama-3.1-8B": {
    ...{
      model_type: "llama",
      eos_token_id: [128001, 128008, 128009],
      mlp_bias: false,
      rope_theta: 500000,
      torch_dtype: "bfloat16",
    },
    rope_scaling: {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
      rope_type: "llama3",
    },
  },
  "SmolLM2-135M": {
    ...{
      model_type: "llama",
      is_llama_config: true,
      rope_interleaved: false,
      num_attention_heads: 9,
      hidden_size: 576,
    },
    ...{ num_key_value_heads: 3, "transformers.js_config": { dtype: "q4" } },
  },
  "Mistral-7B-v0.1": {
    model_type: "mistral",
    sliding_window: 4096,
    num_key_value_heads: 8,
    rope_theta: 10000,
  },
  "Qwen2.5-0.5B": {
    ...{
      model_type: "qwen2",
      max_window_layers: 24,
      use_mrope: false,
      use_sliding_window: false,
      sliding_window: 32768,
    },
    ...{
      rope_theta: 1e6,
      tie_word_embeddings: true,
      hidden_size: 896,
      num_attention_heads: 14,
      num_key_value_heads: 2,
    },
  },
  "Qwen3-0.6B": {
    ...{
      architectures: ["Qwen3ForCausalLM"],
      attention_bias: false,
      attention_dropout: 0,
      bos_token_id: 151643,
    },
    ...{
      eos_token_id: 151645,
      head_dim: 128,
      hidden_act: "silu",
      hidden_size: 1024,
      initializer_range: 0.02,
    },
    ...{
      intermediate_size: 3072,
      max_position_embeddings: 40960,
      max_window_layers: 28,
      model_type: "qwen3",
    },
    ...{ num_attention_heads: 16, num_hidden_layers: 28, num_key_value_heads: 8, rms_norm_eps: 1e-6 },
    ...{ rope_scaling: null, rope_theta: 1000000, sliding_window: null, tie_word_embeddings: true },
    ...{ torch_dtype: "bfloat16", transformers_version: "4.51.0", use_cache: true, vocab_size: 151936 },
    use_sliding_window: false,
  },
  "Qwen3-8B, as transformers 5 writes it, with YaRN": {
    ...{
      dtype: "bfloat16",
      head_dim: 128,
      layer_types: new Array(36).fill("full_attention"),
      model_type: "qwen3",
    },
    ...{ num_hidden_layers: 36, num_attention_heads: 32, num_key_value_heads: 8, pad_token_id: null },
    rope_parameters: {
      ...{ rope_theta: 1000000, rope_type: "yarn", factor: 4, original_max_position_embeddings: 32768 },
    },
    ...{ sliding_window: null, use_sliding_window: false },
  },
  "deberta-v3-base": {
    ...{
      model_type: "deberta-v2",
      relative_attention: true,
      position_buckets: 256,
      norm_rel_ebd: "layer_norm",
    },
    ...{ share_att_key: true, pos_att_type: "p2c|c2p", layer_norm_eps: 1e-7, max_relative_positions: -1 },
    ...{ position_biased_input: false, type_vocab_size: 0, hidden_size: 768, num_attention_heads: 12 },
  },
  "bart-large": {
    ...{
      model_type: "bart",
      activation_dropout: 0.1,
      add_bias_logits: false,
      add_final_layer_norm: false,
      init_std: 0.02,
    },
    ...{
      classif_dropout: 0.1,
      classifier_dropout: 0,
      early_stopping: true,
      force_bos_token_to_be_generated: true,
    },
    ...{
      is_encoder_decoder: true,
      normalize_before: false,
      normalize_embedding: true,
      scale_embedding: false,
    },
  },
};

for (const [name, fields] of Object.entries(published)) {
  test(`published: ${name}`, () => {
    assert.is(read(fields).model_type, fields.model_type);
  });
}

test("a complete configuration is one of its own", () => {
  for (const model_type of types) assert.equal(read(read({ model_type })), read({ model_type }));
  for (const config of Object.values(configurations)) assert.equal(modelConfig({ ...config }), config);
});

/** Of `odd`, what a field accepts, by the type of its value in a complete configuration; the others are refused. */
function accepts(model: string, name: string, type: string, value: unknown): boolean {
  if (name === "rope_scaling") return JSON.stringify(value) === "{}"; // no scaling
  if (name === "sliding_window") return value === 1e12; // an integer
  const isFixed =
    (model === "mistral" && name === "attention_bias") || (model !== "llama" && name === "mlp_bias");
  if (type === "boolean") return value === true && !isFixed;
  if (type !== "number" || typeof value !== "number") return false;
  if (/epsilon|eps$|rope_theta|initializer_range/.test(name)) return value > 0;
  return value === 1e12 && /pad_token_id|num_labels|conv_kernel_size/.test(name); // sizes have a limit
}
const odd = [Number.NaN, -1, 1.5, 1e12, "7", true, [], {}, [[null]], { a: { b: null } }] as const;

test("every field refuses what is not of its type, and none throws anything else", () => {
  for (const model_type of types) {
    for (const [name, standard] of Object.entries(read({ model_type }))) {
      if (/qwen/.test(model_type) && name === "sliding_window") continue; // which says nothing without use_sliding_window
      for (const value of odd) {
        const label = `${model_type} ${name} ${String(value)} ${JSON.stringify(value)}`;
        let isAccepted = true;
        try {
          read({ model_type, [name]: value });
        } catch (error) {
          assert.instance(error, ArgumentError, `${label}: ${error}`);
          isAccepted = false;
        }
        assert.is(isAccepted, accepts(model_type, name, typeof standard, value), label);
      }
    }
  }
  for (const nothing of [null, undefined, 3, "gpt2", []])
    assert.throws(
      () => modelConfig(nothing as never),
      (error: unknown) => error instanceof ArgumentError,
    );
  assert.match(refusal(JSON.parse('{"model_type": "gpt2", "__proto__": {"n_layer": 3}}')), /__proto__/);
});

const llama = { model_type: "llama", head_dim: 8, max_position_embeddings: 64 } as const;
const rope = (fields: Json) => {
  const { rope_theta, rope_scaling } = modelConfig({ ...llama, ...fields }) as LlamaConfig;
  return { rope_theta, rope_scaling };
};

test("rotary fields mean the same in every form", () => {
  const linear = { rope_theta: 5e5, rope_scaling: { rope_type: "linear", factor: 4 } };
  for (const fields of [
    { rope_theta: 5e5, rope_scaling: { type: "linear", factor: 4 } },
    { rope_theta: 5e5, rope_scaling: { type: "linear", rope_type: "linear", factor: 4 } },
    { rope_theta: 5e5, rope_parameters: { rope_type: "linear", factor: 4 } },
    { rope_parameters: { rope_theta: 5e5, rope_type: "linear", factor: 4, partial_rotary_factor: 1 } },
    {
      rope_theta: 5e5,
      rope_parameters: { rope_theta: 5e5, rope_type: "linear", factor: 4 },
      rope_scaling: null,
    },
  ])
    assert.equal(rope(fields), linear);
  const plain = { rope_theta: 5e5, rope_scaling: null };
  for (const record of [{}, { type: "default" }, { rope_type: "default" }, { rope_type: null }])
    assert.equal(rope({ rope_theta: 5e5, rope_parameters: record }), plain);
});

test("rotary fields that contradict each other, or that there is no code for, are refused", () => {
  for (const [fields, message] of [
    [{ rope_theta: 1, rope_parameters: { rope_theta: 2 } }, /one rope_theta/],
    [{ rope_scaling: { type: "linear", rope_type: "yarn", factor: 2 } }, /rope_scaling: one type/],
    [{ rope_scaling: { type: "linear", factor: 2 }, rope_parameters: { rope_type: "default" } }, /not both/],
    [
      { rope_scaling: { rope_type: "longrope", long_factor: [1], short_factor: [1] } },
      /rope_scaling\.rope_type to be one of/,
    ],
    [
      { rope_scaling: { type: "linear" } },
      /rope_scaling\.factor to be a positive number; got rope_scaling\.factor "nothing"/,
    ],
    [{ rope_scaling: { type: "llama3", factor: 8 } }, /low_freq_factor/],
    [{ rope_scaling: { type: "yarn" } }, /rope_scaling\.factor/],
    [{ rope_parameters: { partial_rotary_factor: 0.5 } }, /partial_rotary_factor/],
    [{ rope_parameters: { full_attention: { rope_theta: 2 } } }, /rope_parameters\.full_attention/],
    [{ rope_scaling: { type: "dynamic", factor: 2, original_max_position_embeddings: 32 } }, /original_max/],
  ] as const)
    assert.match(refusal({ ...llama, ...fields }), message);
});

/** Of transformers' _compute_yarn_parameters, written out for d = 8, base 10000, original 32, factor 4. */
test("YaRN: pairs that turn often stay, those that turn rarely are slowed, and cosines are scaled", () => {
  const { rope_scaling } = rope({
    rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 32 },
  });
  const rotary = new Rotary(8, { scaling: rope_scaling });
  // Turns within 32 positions: 5.09, 0.509, 0.0509, 0.00509; 32 turns lie before pair 0, 1 turn at pair 0.7, rounded to 1.
  const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a}, expected ${b}`);
  for (const [i, theta] of [1, 0.1 / 4, 0.01 / 4, 0.001 / 4].entries()) near(rotary.frequencies[i], theta);
  near(rotary.magnitude, 0.1 * Math.log(4) + 1);
  near(rotary.angles(1).cos.toArray()[0], Math.fround(0.1 * Math.log(4) + 1));
  const deepseek = rope({
    rope_scaling: { type: "yarn", factor: 4, mscale: 0.5, mscale_all_dim: 2 },
  }).rope_scaling;
  near(
    (deepseek as { attention_factor: number }).attention_factor,
    (0.05 * Math.log(4) + 1) / (0.2 * Math.log(4) + 1),
  );
});

test("YaRN: between the two ends is a ramp over the pairs' numbers, from whole ones unless truncate is false", () => {
  // By the formula of transformers' _compute_yarn_parameters, worked out apart, for d = 16: the ramp goes from pair 2 to 6, or 2.618 to 5.628.
  const expected = [
    [true, [1, 0.316227766, 0.1, 0.02470529422, 0.005625, 0.001087032946, 0.000125, 3.952847075e-5]],
    [false, [1, 0.316227766, 0.1, 0.02811208085, 0.005983133441, 0.0009728577592, 0.000125, 3.952847075e-5]],
  ] as const;
  for (const [truncate, thetas] of expected) {
    const { rope_scaling } = rope({
      rope_scaling: { type: "yarn", factor: 8, original_max_position_embeddings: 4096, truncate },
    });
    const { frequencies } = new Rotary(16, { scaling: rope_scaling });
    for (const [i, theta] of thetas.entries()) {
      assert.ok(
        Math.abs(frequencies[i] / theta - 1) < 1e-9,
        `pair ${i}: ${frequencies[i]}, expected ${theta}`,
      );
    }
  }
});

test("linear scaling is a division of positions; dynamic changes nothing within max_position_embeddings", () => {
  const angles = (scaling: RopeScaling | null, at: number[]) =>
    new Rotary(8, { scaling }).angles(at).cos.toArray();
  assert.equal(angles({ rope_type: "linear", factor: 4 }, [0, 4, 8]), angles(null, [0, 1, 2]));
  assert.equal(angles({ rope_type: "dynamic", factor: 4 }, [0, 4, 8]), angles(null, [0, 4, 8]));
});

const tiny = {
  ...{ vocab_size: 11, hidden_size: 8, intermediate_size: 6, num_hidden_layers: 1, num_attention_heads: 2 },
  ...{ num_key_value_heads: 1, max_position_embeddings: 16 },
};

test("Mistral is Llama within its window, and refuses more than that", () => {
  const model = new Llama({ model_type: "mistral", sliding_window: 4, ...tiny }, { rng: random(1) }).eval();
  const same = new Llama({ model_type: "llama", ...tiny }, { rng: random(1) }).eval();
  assert.is(model.contextLength, 4);
  assert.equal(model.forward([[1, 2, 3, 4]]).toArray(), same.forward([[1, 2, 3, 4]]).toArray());
  assert.throws(() => model.forward([[1, 2, 3, 4, 5]]), /sliding_window 4/);
  assert.is((modelConfig({ model_type: "mistral" }) as LlamaConfig).sliding_window, 4096);
  assert.is(
    (modelConfig({ model_type: "mistral", sliding_window: null }) as LlamaConfig).sliding_window,
    null,
  );
  // transformers' MistralConfig has no field use_sliding_window: its attention looks at sliding_window alone.
  const windows = [
    ["mistral", { use_sliding_window: false }, 4096],
    ["mistral", { use_sliding_window: false, sliding_window: 8 }, 8],
    ["mistral", { use_sliding_window: true, sliding_window: 8 }, 8],
    ["mistral", { use_sliding_window: false, sliding_window: null }, null],
    ["llama", { use_sliding_window: false, sliding_window: 8 }, null],
    ["llama", { use_sliding_window: true, sliding_window: 8 }, 8],
  ] as const;
  for (const [model_type, fields, window] of windows)
    assert.is((modelConfig({ model_type, ...fields }) as LlamaConfig).sliding_window, window);
});

test("Qwen2 has biases on queries, keys and values only; published sizes", () => {
  const model = new Llama({ model_type: "qwen2", ...tiny }, { rng: random(1) });
  const biases = [...model.namedParameters()].map(([name]) => name).filter((name) => name.endsWith("bias"));
  assert.equal(
    biases.map((name) => name.split(".").at(-2)),
    ["q_proj", "k_proj", "v_proj"],
  );
  const size = (name: keyof typeof configurations) => parameterCount(layout(configurations[name]));
  assert.is(size("mistral-7b"), 7_241_732_096);
  assert.is(size("qwen2.5-7b"), 7_615_616_512);
  assert.is(size("qwen2.5-0.5b"), 494_032_768);
});

test("Qwen3 has norms of queries and keys, which come after the output layer; published sizes", () => {
  const model = new Llama({ model_type: "qwen3", head_dim: 6, ...tiny }, { rng: random(1) });
  const names = [...model.namedParameters()].map(([name]) => name);
  const listed = layout(model.config).flatMap(({ parameters }) => parameters);
  assert.equal(
    names,
    listed.map(({ name }) => name),
  );
  assert.equal(
    names.filter((name) => name.includes("self_attn")).map((name) => name.split(".").slice(4).join(".")),
    ["q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight", "q_norm.weight", "k_norm.weight"],
  );
  assert.equal(model.model.layers[0].self_attn.q_norm?.weight.shape, [6]);
  assert.is((modelConfig({ model_type: "qwen3", hidden_size: 1024 }) as LlamaConfig).head_dim, 128);
  const size = (name: keyof typeof configurations) => parameterCount(layout(configurations[name]));
  // Of the published files: 0.6B, 1.7B and 4B are tied.
  assert.is(size("qwen3-0.6b"), 596_049_920);
  assert.is(size("qwen3-1.7b"), 1_720_574_976);
  assert.is(size("qwen3-4b"), 4_022_468_096);
  assert.is(size("qwen3-8b"), 8_190_735_360);
});

test("Qwen's window counts only where it is switched on and a layer has it", () => {
  const window = (fields: Json) =>
    (modelConfig({ model_type: "qwen2", num_hidden_layers: 4, ...fields }) as LlamaConfig).sliding_window;
  const [full, sliding] = ["full_attention", "sliding_attention"];
  assert.is(window({ sliding_window: 8, max_window_layers: 0 }), null);
  assert.is(window({ use_sliding_window: true, sliding_window: 8 }), null); // max_window_layers 28
  assert.is(window({ use_sliding_window: true, sliding_window: null, max_window_layers: 0 }), null);
  assert.is(window({ use_sliding_window: true, max_window_layers: 3 }), 4096);
  assert.is(
    window({ use_sliding_window: true, sliding_window: 8, layer_types: [full, full, full, full] }),
    null,
  );
  const layer_types = [full, full, full, sliding];
  assert.is(window({ use_sliding_window: true, sliding_window: 8, layer_types }), 8);
  assert.match(refusal({ model_type: "qwen2", sliding_window: 8, layer_types }), /layer_types/);
  const fields = { use_sliding_window: true, sliding_window: 3, max_window_layers: 0 };
  const model = new Llama({ model_type: "qwen2", ...tiny, ...fields }, { rng: random(1) });
  assert.is(model.contextLength, 3);
  assert.equal(modelConfig({ ...model.config }), model.config);
});

test("the classifier's dropout is classifier_dropout, or else hidden_dropout_prob", () => {
  const { num_key_value_heads: _, ...sizes } = tiny;
  for (const model_type of ["bert", "roberta"] as const) {
    const fields = { ...sizes, hidden_dropout_prob: 0.25, num_labels: 2 };
    const rate = (more: object) => {
      const { classifier, dropout } = new Bert({ model_type, ...fields, ...more } as never, {
        rng: random(1),
      });
      return "out_proj" in classifier ? [dropout.p, classifier.dropout.p] : [dropout.p, dropout.p];
    };
    assert.equal(rate({}), [0.25, 0.25]);
    assert.equal(rate({ classifier_dropout: 0.5 }), [0.5, 0.5]);
  }
  assert.throws(() => new BertModel({ model_type: "bert", is_decoder: true } as never), /is_decoder/);
});

test.run();
