/**
 * @file Every field that transformers 5 has for the models here: it is computed with, it changes no number, or a value of it
 * that would change one is refused by name. The lists are those of its configuration classes and of what they inherit.
 */

import { ArgumentError } from "lowrank/core";
import { modelConfig } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("fields of transformers' configurations");
type Json = Readonly<Record<string, unknown>>;
const read = (fields: Json) => modelConfig(fields) as unknown as Record<string, unknown>;

/** What a field is here: a value other than the default, and the field of the complete configuration that has it then. */
type Honoured = readonly [value: unknown, as?: Json];

/** Fields of PreTrainedConfig, with a value other than the default. They are about the file, its use and its labels. */
const inherited: Json = {
  transformers_version: "5.18.0",
  architectures: ["Any"],
  output_hidden_states: true,
  return_dict: false,
  dtype: "bfloat16",
  torch_dtype: "float16",
  chunk_size_feed_forward: 2,
  id2label: { 0: "a" },
  label2id: { a: 0 },
  problem_type: "regression",
  _name_or_path: "x",
  name_or_path: "x",
  _commit_hash: "0",
  output_attentions: true,
  attn_implementation: "eager",
  _attn_implementation: "sdpa",
  _attn_implementation_internal: "sdpa",
  experts_implementation: "eager",
  _experts_implementation_internal: "eager",
  tie_last_hidden_states: true,
  use_cache: false,
  bos_token_id: 3,
  eos_token_id: [1, 2],
  gradient_checkpointing: true,
  tokenizer_class: "X",
  prefix: "x",
  torchscript: true,
  finetuning_task: "x",
  task_specific_params: { a: 1 },
  pretraining_tp: 2,
};

/** Parameters of generation, which old files have in config.json. */
const generation: Json = {
  ...{ max_length: 40, min_length: 3, do_sample: true, early_stopping: true, num_beams: 4, temperature: 0.7 },
  ...{ top_k: 5, top_p: 0.9, typical_p: 0.5, repetition_penalty: 1.1, length_penalty: 2, num_beam_groups: 2 },
  ...{ no_repeat_ngram_size: 2, encoder_no_repeat_ngram_size: 2, bad_words_ids: [[1]], diversity_penalty: 1 },
  ...{ num_return_sequences: 2, output_scores: true, return_dict_in_generate: true, forced_bos_token_id: 1 },
  ...{ forced_eos_token_id: 2, remove_invalid_values: true, exponential_decay_length_penalty: [1, 2] },
  ...{ suppress_tokens: [1], begin_suppress_tokens: [1], epsilon_cutoff: 0.1, eta_cutoff: 0.1 },
  ...{ encoder_repetition_penalty: 2, num_assistant_tokens: 5, num_assistant_tokens_schedule: "heuristic" },
  ...{ assistant_confidence_threshold: 0.1, assistant_lookbehind: 2, target_lookbehind: 2 },
};

/** Fields that change what any model computes: values that are refused. */
const refused: Readonly<Record<string, readonly unknown[]>> = {
  is_encoder_decoder: [true],
  add_cross_attention: [true],
  cross_attention_hidden_size: [4],
  tie_encoder_decoder: [true],
  quantization_config: [{ load_in_4bit: true }, { quant_method: "fp8" }],
  per_layer_config: [{ 0: { hidden_act: "relu" } }],
  pruned_heads: [{ 0: [1] }],
  partial_rotary_factor: [0.5],
  use_bidirectional_attention: [true],
};

const llamaSizes: Readonly<Record<string, Honoured>> = {
  vocab_size: [77],
  hidden_size: [256],
  intermediate_size: [77],
  num_hidden_layers: [3],
  num_attention_heads: [64],
  num_key_value_heads: [2],
  head_dim: [6],
  hidden_act: ["relu"],
  max_position_embeddings: [77],
  initializer_range: [0.5],
  rms_norm_eps: [0.1],
  tie_word_embeddings: [true],
  attention_dropout: [0.25],
  rope_theta: [77],
  rope_scaling: [{ type: "linear", factor: 2 }, { rope_scaling: { rope_type: "linear", factor: 2 } }],
  rope_parameters: [
    { rope_type: "linear", factor: 2, rope_theta: 5 },
    { rope_theta: 5, rope_scaling: { rope_type: "linear", factor: 2 } },
  ],
};
const bertSizes: Readonly<Record<string, Honoured>> = {
  vocab_size: [77],
  hidden_size: [24],
  num_hidden_layers: [3],
  num_attention_heads: [4],
  intermediate_size: [77],
  hidden_act: ["relu"],
  hidden_dropout_prob: [0.25],
  attention_probs_dropout_prob: [0.25],
  max_position_embeddings: [77],
  type_vocab_size: [5],
  initializer_range: [0.5],
  layer_norm_eps: [0.1],
  pad_token_id: [3],
  classifier_dropout: [0.25],
};

/** For each model its own fields: those it computes with, those that change nothing, and values that are refused. */
const table: Readonly<
  Record<
    string,
    {
      readonly honoured: Readonly<Record<string, Honoured>>;
      readonly harmless?: Json;
      readonly refused?: Readonly<Record<string, readonly unknown[]>>;
    }
  >
> = {
  gpt2: {
    honoured: {
      vocab_size: [77],
      n_positions: [77],
      n_embd: [24],
      n_layer: [3],
      n_head: [4],
      n_inner: [7],
      activation_function: ["relu"],
      resid_pdrop: [0.25],
      embd_pdrop: [0.25],
      attn_pdrop: [0.25],
      layer_norm_epsilon: [0.1],
      initializer_range: [0.5],
      scale_attn_weights: [false],
      scale_attn_by_inverse_layer_idx: [true],
      tie_word_embeddings: [false],
    },
    harmless: {
      ...{ summary_type: "last", summary_use_proj: false, summary_activation: "tanh", n_ctx: 5 },
      ...{ summary_proj_to_labels: false, summary_first_dropout: 0.5, pad_token_id: 4 },
      reorder_and_upcast_attn: true, // the order of two products, in float32
    },
    refused: {
      hidden_size: [5],
      num_hidden_layers: [5],
      num_attention_heads: [5],
      max_position_embeddings: [5],
    },
  },
  llama: {
    honoured: { ...llamaSizes, attention_bias: [true], mlp_bias: [true] },
    harmless: { pad_token_id: 4 },
    refused: { layer_types: [["sliding_attention"]], is_causal: [false] },
  },
  mistral: {
    honoured: { ...llamaSizes, sliding_window: [7] },
    harmless: { pad_token_id: 4, layer_types: ["full_attention", "sliding_attention"] },
    refused: { attention_bias: [true], mlp_bias: [true] },
  },
  qwen2: {
    honoured: llamaSizes,
    harmless: { pad_token_id: 4, sliding_window: 7, max_window_layers: 2, layer_types: ["full_attention"] },
    refused: { attention_bias: [false], use_mrope: [true], layer_types: [["sliding_attention"]] },
  },
  qwen3: {
    honoured: { ...llamaSizes, attention_bias: [true] },
    harmless: { pad_token_id: 4, sliding_window: 7, max_window_layers: 2, layer_types: ["full_attention"] },
    refused: { mlp_bias: [true], layer_types: [["sliding_attention"]] },
  },
  bert: {
    honoured: bertSizes,
    harmless: { tie_word_embeddings: false, pooler_fc_size: 4 },
    refused: { is_decoder: [true], position_embedding_type: ["relative_key"], is_causal: [true] },
  },
  roberta: {
    honoured: bertSizes,
    harmless: { tie_word_embeddings: false },
    refused: { is_decoder: [true], position_embedding_type: ["relative_key_query"], is_causal: [true] },
  },
};

for (const [model_type, { honoured, harmless = {}, refused: own = {} }] of Object.entries(table)) {
  const standard = read({ model_type });

  test(`${model_type}: what it computes with`, () => {
    for (const [field, [value, as = { [field]: value }]] of Object.entries(honoured)) {
      const complete = read({ model_type, [field]: value });
      for (const [name, expected] of Object.entries(as)) {
        assert.equal(complete[name], expected, `${field}: ${name}`);
        assert.not.equal(standard[name], expected, `${field}: ${name} is the default`);
      }
    }
    // Every field of the complete configuration is one that can be set so.
    const set = new Set(Object.values(honoured).flatMap(([, as]) => Object.keys(as ?? {})));
    const left = Object.keys(standard).filter((name) => !set.has(name) && !Object.hasOwn(honoured, name));
    const fixed = ["model_type", "num_labels", "attention_bias", "mlp_bias", "sliding_window"];
    assert.equal(
      left.filter((name) => !fixed.includes(name)),
      [],
    );
  });

  test(`${model_type}: what changes no number`, () => {
    for (const [field, value] of Object.entries({ ...inherited, ...generation, ...harmless }))
      assert.equal(read({ model_type, [field]: value }), standard, field);
    assert.equal(read({ model_type, ...inherited, ...generation, ...harmless }), standard);
  });

  test(`${model_type}: what is refused by name`, () => {
    for (const [field, values] of Object.entries({ ...refused, ...own })) {
      for (const value of values) {
        try {
          read({ model_type, [field]: value });
        } catch (error) {
          assert.instance(error, ArgumentError);
          assert.ok((error as Error).message.includes(field), (error as Error).message);
          continue;
        }
        throw new Error(`${field} ${JSON.stringify(value)} is accepted`);
      }
      assert.equal(read({ model_type, [field]: null }), standard, `${field}: null`);
    }
  });
}

test.run();
