/** @file The types of the models' configurations, in the fields of Hugging Face's config.json. */

import type { RopeScaling } from "./rope.ts";

export type {
  DynamicRopeScaling,
  LinearRopeScaling,
  Llama3RopeScaling,
  RopeScaling,
  YarnRopeScaling,
} from "./rope.ts";

/** The activation functions. "gelu" is the erf form, "gelu_new" and "gelu_pytorch_tanh" are the tanh form. */
export const activations = ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "tanh"] as const;
/** The name of an activation function. */
export type ActivationName = (typeof activations)[number];

/** GPT-2, and GPT-3 by its sizes. */
export interface GPT2Config {
  readonly model_type: "gpt2";
  readonly vocab_size: number;
  readonly n_positions: number;
  readonly n_embd: number;
  readonly n_layer: number;
  readonly n_head: number;
  /** Width of the MLP. @default 4 n_embd */
  readonly n_inner: number;
  readonly activation_function: ActivationName;
  readonly layer_norm_epsilon: number;
  readonly embd_pdrop: number;
  readonly attn_pdrop: number;
  readonly resid_pdrop: number;
  readonly initializer_range: number;
  /** Whether attention scores are divided by √(head width). */
  readonly scale_attn_weights: boolean;
  /** Whether attention scores of block i, counted from 0, are divided by i + 1 besides. */
  readonly scale_attn_by_inverse_layer_idx: boolean;
  readonly tie_word_embeddings: boolean;
}

/**
 * LLaMA 1, 2 and 3, and models of the same architecture: Mistral, whose attention has a window; Qwen2, with biases on
 * queries, keys and values only; Qwen3, with RMS norms of each head's queries and keys.
 */
export interface LlamaConfig {
  readonly model_type: "llama" | "mistral" | "qwen2" | "qwen3";
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Number of key and value heads, which groups of queries share. @default num_attention_heads */
  readonly num_key_value_heads: number;
  /** Width of a head. @default hidden_size / num_attention_heads; in Qwen3 128 */
  readonly head_dim: number;
  readonly hidden_act: ActivationName;
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly rope_scaling: RopeScaling | null;
  /**
   * A query sees this many of the latest tokens; null for all. Up to this length the two are the same; longer inputs
   * are refused.
   */
  readonly sliding_window: number | null;
  /** Qwen2 and Qwen3 with a window only: that they use it, and the number of layers before the first that has it. */
  readonly use_sliding_window?: boolean;
  readonly max_window_layers?: number;
  /** Biases on queries, keys, values and, except in Qwen2, the output. */
  readonly attention_bias: boolean;
  readonly mlp_bias: boolean;
  readonly attention_dropout: number;
  readonly initializer_range: number;
  readonly tie_word_embeddings: boolean;
}

/** BERT and RoBERTa encoders. RoBERTa counts positions from pad_token_id + 1. */
export interface BertConfig {
  readonly model_type: "bert" | "roberta";
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_act: ActivationName;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly layer_norm_eps: number;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  /** Dropout before the classifier; null stands for hidden_dropout_prob. */
  readonly classifier_dropout: number | null;
  readonly initializer_range: number;
  readonly pad_token_id: number;
  /** Number of classes of a sequence classifier on top; 0 for the bare encoder with its pooler. */
  readonly num_labels: number;
}

/** DeBERTa v2 and v3: the fields that counting their parameters needs. */
export interface DebertaV2Config {
  readonly model_type: "deberta-v2";
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Relative positions fall into buckets on either side: a table of 2 position_buckets rows. */
  readonly position_buckets: number;
  /** Kernel length of the convolution parallel to the first layer (v2-xlarge, v2-xxlarge); 0 for none. */
  readonly conv_kernel_size: number;
}

/** BART: the fields that counting its parameters needs. */
export interface BartConfig {
  readonly model_type: "bart";
  readonly vocab_size: number;
  readonly d_model: number;
  readonly encoder_layers: number;
  readonly decoder_layers: number;
  readonly encoder_ffn_dim: number;
  readonly decoder_ffn_dim: number;
  readonly encoder_attention_heads: number;
  readonly decoder_attention_heads: number;
  readonly max_position_embeddings: number;
}

/** The complete configuration of a model. */
export type ModelConfig = GPT2Config | LlamaConfig | BertConfig | DebertaV2Config | BartConfig;

/** The configuration of each model_type. */
export interface ConfigByType {
  readonly gpt2: GPT2Config;
  readonly llama: LlamaConfig;
  readonly mistral: LlamaConfig;
  readonly qwen2: LlamaConfig;
  readonly qwen3: LlamaConfig;
  readonly bert: BertConfig;
  readonly roberta: BertConfig;
  readonly "deberta-v2": DebertaV2Config;
  readonly bart: BartConfig;
}

/** The names of the models in Hugging Face's files. */
export type ModelType = keyof ConfigByType;

/** Some fields of a configuration; null means absent, as Hugging Face writes it. */
export type ConfigFields<T extends ModelType> = { readonly model_type: T } & {
  readonly [K in Exclude<keyof ConfigByType[T], "model_type">]?: ConfigByType[T][K] | null;
};

/** Fields of any model. Every complete ModelConfig is one. */
export type ModelFields = { readonly [T in ModelType]: ConfigFields<T> }[ModelType];
