/**
 * @file The configurations of the models, in the fields of Hugging Face's config.json.
 *
 * `modelConfig(fields)` replaces fields that are absent or null by Hugging Face's defaults, computes those that depend on
 * others (n_inner, num_key_value_heads, head_dim), and refuses values that no model can have. A field that is unknown
 * here, or that asks for something not implemented, is refused by name (see fields.ts). So a GPT2Config, LlamaConfig or
 * BertConfig is complete and valid, and the model computes everything that its fields ask for.
 */

import { ArgumentError } from "../../core/index.ts";
import { checkMultiple, readActivation } from "./common.ts";
import { readLlama, readMistral, readQwen2, readQwen3 } from "./decoders.ts";
import { Fields } from "./fields.ts";
import type {
  BartConfig,
  BertConfig,
  ConfigByType,
  ConfigFields,
  DebertaV2Config,
  GPT2Config,
  ModelConfig,
  ModelType,
} from "./types.ts";

export type {
  ActivationName,
  BartConfig,
  BertConfig,
  ConfigFields,
  DebertaV2Config,
  DynamicRopeScaling,
  GPT2Config,
  LinearRopeScaling,
  Llama3RopeScaling,
  LlamaConfig,
  ModelConfig,
  ModelFields,
  RopeScaling,
  YarnRopeScaling,
} from "./types.ts";

/**
 * The complete configuration of `fields`, which are typed or a parsed config.json.
 *
 * @example
 * modelConfig({ model_type: "gpt2", n_layer: 2 }).n_embd; // 768
 * @throws ArgumentError on an unknown model_type, a field of the wrong type or range, a field that is unknown or asks for
 *   something not implemented, and widths that do not divide into heads
 */
export function modelConfig<T extends ModelType>(fields: ConfigFields<T>): ConfigByType[T];
export function modelConfig(fields: Readonly<Record<string, unknown>>): ModelConfig;
export function modelConfig(fields: Readonly<Record<string, unknown>>): ModelConfig {
  const model_type = fields?.model_type;
  if (typeof model_type !== "string" || !Object.hasOwn(readers, model_type)) {
    const known = Object.keys(readers).join(", ");
    throw new ArgumentError("modelConfig", `model_type to be one of ${known}`, { model_type });
  }
  const given = new Fields(fields);
  given.ignore("model_type");
  const config = readers[model_type as ModelType](given);
  given.done(model_type);
  return config;
}

const readers: { readonly [T in ModelType]: (fields: Fields) => ConfigByType[T] } = {
  gpt2: readGPT2,
  llama: readLlama,
  mistral: readMistral,
  qwen2: readQwen2,
  qwen3: readQwen3,
  bert: (f) => readBert(f, { model_type: "bert", vocab_size: 30522, pad_token_id: 0 }),
  roberta: (f) => readBert(f, { model_type: "roberta", vocab_size: 50265, pad_token_id: 1 }),
  "deberta-v2": readDebertaV2,
  bart: readBart,
};

function readGPT2(f: Fields): GPT2Config {
  const n_embd = f.size("n_embd", 768);
  const n_head = f.size("n_head", 12);
  checkMultiple({ n_embd }, { n_head });
  const n_layer = f.layers("n_layer", 12);
  const n_positions = f.size("n_positions", 1024);
  // Other models' names of these fields: accepted with the same values.
  f.only({ hidden_size: [n_embd], num_attention_heads: [n_head], num_hidden_layers: [n_layer] });
  f.only({ max_position_embeddings: [n_positions], head_dim: [n_embd / n_head] });
  f.only({ is_causal: [true], is_decoder: [false, true] });
  f.ignore("n_ctx", "reorder_and_upcast_attn", "summary_activation", "summary_first_dropout");
  f.ignore("summary_proj_to_labels", "summary_type", "summary_use_proj");
  return {
    model_type: "gpt2",
    vocab_size: f.size("vocab_size", 50257),
    n_positions,
    n_embd,
    n_layer,
    n_head,
    n_inner: f.size("n_inner", 4 * n_embd),
    activation_function: readActivation(f, "activation_function", "gelu_new"),
    layer_norm_epsilon: f.positive("layer_norm_epsilon", 1e-5),
    embd_pdrop: f.dropout("embd_pdrop", 0.1),
    attn_pdrop: f.dropout("attn_pdrop", 0.1),
    resid_pdrop: f.dropout("resid_pdrop", 0.1),
    initializer_range: f.positive("initializer_range", 0.02),
    scale_attn_weights: f.flag("scale_attn_weights", true),
    scale_attn_by_inverse_layer_idx: f.flag("scale_attn_by_inverse_layer_idx", false),
    tie_word_embeddings: f.flag("tie_word_embeddings", true),
  };
}

function readBert(
  f: Fields,
  defaults: Pick<BertConfig, "model_type" | "vocab_size" | "pad_token_id">,
): BertConfig {
  const hidden_size = f.size("hidden_size", 768);
  const num_attention_heads = f.size("num_attention_heads", 12);
  checkMultiple({ hidden_size }, { num_attention_heads });
  f.only({ position_embedding_type: ["absolute"], is_decoder: [false], is_causal: [false] });
  f.only({ directionality: ["bidi"], pooler_type: ["first_token_transform"], embedding_size: [hidden_size] });
  f.only({ head_dim: [hidden_size / num_attention_heads] });
  f.ignore("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head");
  f.ignore("tie_word_embeddings"); // of the head that predicted words in pretraining
  return {
    model_type: defaults.model_type,
    vocab_size: f.size("vocab_size", defaults.vocab_size),
    hidden_size,
    intermediate_size: f.size("intermediate_size", 3072),
    num_hidden_layers: f.layers("num_hidden_layers", 12),
    num_attention_heads,
    hidden_act: readActivation(f, "hidden_act", "gelu"),
    max_position_embeddings: f.size("max_position_embeddings", 512),
    type_vocab_size: f.size("type_vocab_size", 2),
    layer_norm_eps: f.positive("layer_norm_eps", 1e-12),
    hidden_dropout_prob: f.dropout("hidden_dropout_prob", 0.1),
    attention_probs_dropout_prob: f.dropout("attention_probs_dropout_prob", 0.1),
    classifier_dropout: f.dropout("classifier_dropout", null),
    initializer_range: f.positive("initializer_range", 0.02),
    pad_token_id: f.count("pad_token_id", defaults.pad_token_id),
    num_labels: f.count("num_labels", 0),
  };
}

function readDebertaV2(f: Fields): DebertaV2Config {
  const hidden_size = f.size("hidden_size", 1536);
  const num_attention_heads = f.size("num_attention_heads", 24);
  checkMultiple({ hidden_size }, { num_attention_heads });
  // Fields with parameters of their own, at the values that the published models have.
  f.only({ relative_attention: [true], share_att_key: [true], position_biased_input: [false] });
  f.only({ type_vocab_size: [0], embedding_size: [hidden_size], norm_rel_ebd: ["layer_norm"] });
  f.ignore("max_relative_positions", "pos_att_type", "attention_head_size", "conv_act", "conv_groups");
  f.ignore("hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps");
  f.ignore("max_position_embeddings", "initializer_range", "pooler_hidden_size", "pooler_hidden_act");
  f.ignore("pooler_dropout", "padding_idx", "cls_dropout", "legacy", "tie_word_embeddings");
  return {
    model_type: "deberta-v2",
    vocab_size: f.size("vocab_size", 128100),
    hidden_size,
    intermediate_size: f.size("intermediate_size", 6144),
    num_hidden_layers: f.layers("num_hidden_layers", 24),
    num_attention_heads,
    position_buckets: f.size("position_buckets", 256),
    conv_kernel_size: f.count("conv_kernel_size", 0),
  };
}

function readBart(f: Fields): BartConfig {
  f.only({ normalize_embedding: [true], static_position_embeddings: [false], tie_word_embeddings: [true] });
  f.only({ is_encoder_decoder: [true, false], extra_pos_embeddings: [2], add_final_layer_norm: [false] });
  f.ignore("activation_function", "dropout", "attention_dropout", "activation_dropout", "init_std");
  f.ignore("encoder_layerdrop", "decoder_layerdrop", "classif_dropout", "normalize_before");
  f.ignore("scale_embedding", "num_hidden_layers", "add_bias_logits", "force_bos_token_to_be_generated");
  return {
    model_type: "bart",
    vocab_size: f.size("vocab_size", 50265),
    d_model: f.size("d_model", 1024),
    encoder_layers: f.layers("encoder_layers", 12),
    decoder_layers: f.layers("decoder_layers", 12),
    encoder_ffn_dim: f.size("encoder_ffn_dim", 4096),
    decoder_ffn_dim: f.size("decoder_ffn_dim", 4096),
    encoder_attention_heads: f.size("encoder_attention_heads", 16),
    decoder_attention_heads: f.size("decoder_attention_heads", 16),
    max_position_embeddings: f.size("max_position_embeddings", 1024),
  };
}
