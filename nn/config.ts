/**
 * @file The configurations of the models, in the fields of Hugging Face's config.json.
 *
 * `modelConfig(fields)` fills in what is absent or null with Hugging Face's own defaults, resolves what depends on
 * other fields (n_inner, num_key_value_heads, head_dim), and refuses what no model can have. Fields it does not
 * know are dropped. A GPT2Config, LlamaConfig or BertConfig in hand is therefore complete and sound.
 */

import { ArgumentError } from "../core/index.ts";

/** "gelu" is the erf form, "gelu_new" and "gelu_pytorch_tanh" the tanh form. */
const activations = ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "tanh"] as const;
export type ActivationName = (typeof activations)[number];

/** GPT-2, and GPT-3 by its sizes. */
export interface GPT2Config {
  readonly model_type: "gpt2";
  readonly vocab_size: number;
  readonly n_positions: number;
  readonly n_embd: number;
  readonly n_layer: number;
  readonly n_head: number;
  /** Width of the MLP; 4 n_embd unless given. */
  readonly n_inner: number;
  readonly activation_function: ActivationName;
  readonly layer_norm_epsilon: number;
  readonly embd_pdrop: number;
  readonly attn_pdrop: number;
  readonly resid_pdrop: number;
  readonly initializer_range: number;
  /** Whether attention scores are divided by √(head width). */
  readonly scale_attn_weights: boolean;
  readonly tie_word_embeddings: boolean;
}

/** The stretched rotary frequencies of Llama 3.1 and later. */
export interface Llama3RopeScaling {
  readonly rope_type: "llama3";
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** LLaMA 1, 2 and 3. */
export interface LlamaConfig {
  readonly model_type: "llama";
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Grouped queries: so many key and value heads; num_attention_heads unless given. */
  readonly num_key_value_heads: number;
  /** hidden_size / num_attention_heads unless given. */
  readonly head_dim: number;
  readonly hidden_act: ActivationName;
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly rope_scaling: Llama3RopeScaling | null;
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
  readonly initializer_range: number;
  readonly pad_token_id: number;
  /** Classes of a sequence classifier on top; 0 for the bare encoder with its pooler. */
  readonly num_labels: number;
}

/** DeBERTa v2 and v3, as far as counting their parameters needs. */
export interface DebertaV2Config {
  readonly model_type: "deberta-v2";
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Relative positions fall into buckets on either side: a table of 2 position_buckets rows. */
  readonly position_buckets: number;
  /** Kernel of the convolution beside the first layer (v2-xlarge, v2-xxlarge); 0 for none. */
  readonly conv_kernel_size: number;
}

/** BART, as far as counting its parameters needs. */
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

export type ModelConfig = GPT2Config | LlamaConfig | BertConfig | DebertaV2Config | BartConfig;

interface ConfigByType {
  readonly gpt2: GPT2Config;
  readonly llama: LlamaConfig;
  readonly bert: BertConfig;
  readonly roberta: BertConfig;
  readonly "deberta-v2": DebertaV2Config;
  readonly bart: BartConfig;
}
type ModelType = keyof ConfigByType;

/** Some fields of a configuration; null means absent, as Hugging Face writes it. */
export type ConfigFields<T extends ModelType> = { readonly model_type: T } & {
  readonly [K in Exclude<keyof ConfigByType[T], "model_type">]?: ConfigByType[T][K] | null;
};

/** Fields of any model. Every complete ModelConfig is one. */
export type ModelFields = { readonly [T in ModelType]: ConfigFields<T> }[ModelType];

/**
 * The complete configuration that `fields` (typed, or a parsed config.json) stand for.
 *
 * @throws ArgumentError on an unknown model_type, a field of the wrong type or range, or widths that do not divide
 *   into heads.
 */
export function modelConfig<T extends ModelType>(fields: ConfigFields<T>): ConfigByType[T];
export function modelConfig(fields: Readonly<Record<string, unknown>>): ModelConfig;
export function modelConfig(fields: Readonly<Record<string, unknown>>): ModelConfig {
  const { model_type } = fields;
  if (typeof model_type !== "string" || !Object.hasOwn(readers, model_type)) {
    const known = Object.keys(readers).join(", ");
    throw new ArgumentError("modelConfig", `model_type to be one of ${known}`, { model_type });
  }
  return readers[model_type as ModelType](new Fields(fields));
}

/** Reads one field after the other, each with its default. */
class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  /** A positive integer. */
  size(name: string, fallback: number): number {
    return this.#read(name, fallback, "a positive integer", (v) => isInteger(v) && v > 0);
  }

  /** A non-negative integer. */
  count(name: string, fallback: number): number {
    return this.#read(name, fallback, "a non-negative integer", (v) => isInteger(v) && v >= 0);
  }

  /** A probability below 1. */
  dropout(name: string, fallback: number): number {
    return this.#read(name, fallback, "a number in [0, 1)", (v) => typeof v === "number" && v >= 0 && v < 1);
  }

  positive(name: string, fallback: number): number {
    return this.#read(name, fallback, "a positive number", (v) => Number.isFinite(v) && (v as number) > 0);
  }

  flag(name: string, fallback: boolean): boolean {
    return this.#read(name, fallback, "true or false", (v) => typeof v === "boolean");
  }

  activation(name: string, fallback: ActivationName): ActivationName {
    return this.oneOf(name, [fallback, ...activations.filter((other) => other !== fallback)]);
  }

  /** A nested record of fields, or null when absent. */
  record(name: string): Fields | null {
    const isRecord = (v: unknown) => typeof v === "object" && !Array.isArray(v);
    const record = this.#read<object | null>(name, null, "an object", isRecord);
    return record && new Fields(record as Record<string, unknown>);
  }

  /** One of `values`, the first of them when absent. */
  oneOf<T>(name: string, values: readonly T[]): T {
    const known: readonly unknown[] = values;
    return this.#read(name, values[0], `one of ${values.join(", ")}`, (v) => known.includes(v));
  }

  #read<T>(name: string, fallback: T, expected: string, accepts: (value: unknown) => boolean): T {
    const value = Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? fallback) : fallback;
    if (value !== fallback && !accepts(value)) {
      throw new ArgumentError("modelConfig", `${name} to be ${expected}`, { [name]: value });
    }
    return value as T;
  }
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Refuses `whole` unless `part` divides it; each is given as { name: value }. */
function checkMultiple(
  whole: Readonly<Record<string, number>>,
  part: Readonly<Record<string, number>>,
): void {
  const [[wholeName, w]] = Object.entries(whole);
  const [[partName, p]] = Object.entries(part);
  if (w % p !== 0) {
    throw new ArgumentError("modelConfig", `${wholeName} to be a multiple of ${partName}`, {
      ...whole,
      ...part,
    });
  }
}

const readers: { readonly [T in ModelType]: (fields: Fields) => ConfigByType[T] } = {
  gpt2: readGPT2,
  llama: readLlama,
  bert: (f) => readBert(f, { model_type: "bert", vocab_size: 30522, pad_token_id: 0 }),
  roberta: (f) => readBert(f, { model_type: "roberta", vocab_size: 50265, pad_token_id: 1 }),
  "deberta-v2": readDebertaV2,
  bart: readBart,
};

function readGPT2(f: Fields): GPT2Config {
  const n_embd = f.size("n_embd", 768);
  const n_head = f.size("n_head", 12);
  checkMultiple({ n_embd }, { n_head });
  f.oneOf("scale_attn_by_inverse_layer_idx", [false]);
  return {
    model_type: "gpt2",
    vocab_size: f.size("vocab_size", 50257),
    n_positions: f.size("n_positions", 1024),
    n_embd,
    n_layer: f.size("n_layer", 12),
    n_head,
    n_inner: f.size("n_inner", 4 * n_embd),
    activation_function: f.activation("activation_function", "gelu_new"),
    layer_norm_epsilon: f.positive("layer_norm_epsilon", 1e-5),
    embd_pdrop: f.dropout("embd_pdrop", 0.1),
    attn_pdrop: f.dropout("attn_pdrop", 0.1),
    resid_pdrop: f.dropout("resid_pdrop", 0.1),
    initializer_range: f.positive("initializer_range", 0.02),
    scale_attn_weights: f.flag("scale_attn_weights", true),
    tie_word_embeddings: f.flag("tie_word_embeddings", true),
  };
}

function readLlama(f: Fields): LlamaConfig {
  const hidden_size = f.size("hidden_size", 4096);
  const num_attention_heads = f.size("num_attention_heads", 32);
  const num_key_value_heads = f.size("num_key_value_heads", num_attention_heads);
  const head_dim = f.size("head_dim", hidden_size / num_attention_heads);
  checkMultiple({ num_attention_heads }, { num_key_value_heads });
  if (!isInteger(head_dim)) checkMultiple({ hidden_size }, { num_attention_heads });
  checkMultiple({ head_dim }, { "the two halves that rotary embedding turns": 2 });
  return {
    model_type: "llama",
    vocab_size: f.size("vocab_size", 32000),
    hidden_size,
    intermediate_size: f.size("intermediate_size", 11008),
    num_hidden_layers: f.size("num_hidden_layers", 32),
    num_attention_heads,
    num_key_value_heads,
    head_dim,
    hidden_act: f.activation("hidden_act", "silu"),
    max_position_embeddings: f.size("max_position_embeddings", 2048),
    rms_norm_eps: f.positive("rms_norm_eps", 1e-6),
    ...readRope(f),
    attention_bias: f.flag("attention_bias", false),
    mlp_bias: f.flag("mlp_bias", false),
    attention_dropout: f.dropout("attention_dropout", 0),
    initializer_range: f.positive("initializer_range", 0.02),
    tie_word_embeddings: f.flag("tie_word_embeddings", false),
  };
}

/** Newer versions of transformers hold base and scaling in one record, `rope_parameters`. */
function readRope(f: Fields): Pick<LlamaConfig, "rope_theta" | "rope_scaling"> {
  const parameters = f.record("rope_parameters");
  const rope_theta = (parameters ?? f).positive("rope_theta", 10000);
  const scaling = parameters ?? f.record("rope_scaling");
  const rope_type = scaling?.oneOf("rope_type", ["default", "llama3"] as const);
  if (!scaling || rope_type !== "llama3") return { rope_theta, rope_scaling: null };
  return {
    rope_theta,
    rope_scaling: {
      rope_type,
      factor: scaling.positive("factor", 8),
      low_freq_factor: scaling.positive("low_freq_factor", 1),
      high_freq_factor: scaling.positive("high_freq_factor", 4),
      original_max_position_embeddings: scaling.size("original_max_position_embeddings", 8192),
    },
  };
}

function readBert(
  f: Fields,
  defaults: Pick<BertConfig, "model_type" | "vocab_size" | "pad_token_id">,
): BertConfig {
  const hidden_size = f.size("hidden_size", 768);
  const num_attention_heads = f.size("num_attention_heads", 12);
  checkMultiple({ hidden_size }, { num_attention_heads });
  return {
    model_type: defaults.model_type,
    vocab_size: f.size("vocab_size", defaults.vocab_size),
    hidden_size,
    intermediate_size: f.size("intermediate_size", 3072),
    num_hidden_layers: f.size("num_hidden_layers", 12),
    num_attention_heads,
    hidden_act: f.activation("hidden_act", "gelu"),
    max_position_embeddings: f.size("max_position_embeddings", 512),
    type_vocab_size: f.size("type_vocab_size", 2),
    layer_norm_eps: f.positive("layer_norm_eps", 1e-12),
    hidden_dropout_prob: f.dropout("hidden_dropout_prob", 0.1),
    attention_probs_dropout_prob: f.dropout("attention_probs_dropout_prob", 0.1),
    initializer_range: f.positive("initializer_range", 0.02),
    pad_token_id: f.count("pad_token_id", defaults.pad_token_id),
    num_labels: f.count("num_labels", 0),
  };
}

function readDebertaV2(f: Fields): DebertaV2Config {
  const hidden_size = f.size("hidden_size", 1536);
  const num_attention_heads = f.size("num_attention_heads", 24);
  checkMultiple({ hidden_size }, { num_attention_heads });
  return {
    model_type: "deberta-v2",
    vocab_size: f.size("vocab_size", 128100),
    hidden_size,
    intermediate_size: f.size("intermediate_size", 6144),
    num_hidden_layers: f.size("num_hidden_layers", 24),
    num_attention_heads,
    position_buckets: f.size("position_buckets", 256),
    conv_kernel_size: f.count("conv_kernel_size", 0),
  };
}

function readBart(f: Fields): BartConfig {
  return {
    model_type: "bart",
    vocab_size: f.size("vocab_size", 50265),
    d_model: f.size("d_model", 1024),
    encoder_layers: f.size("encoder_layers", 12),
    decoder_layers: f.size("decoder_layers", 12),
    encoder_ffn_dim: f.size("encoder_ffn_dim", 4096),
    decoder_ffn_dim: f.size("decoder_ffn_dim", 4096),
    encoder_attention_heads: f.size("encoder_attention_heads", 16),
    decoder_attention_heads: f.size("decoder_attention_heads", 16),
    max_position_embeddings: f.size("max_position_embeddings", 1024),
  };
}
