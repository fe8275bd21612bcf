/** @file Reads the configurations of Llama and of the models of its architecture: Mistral, Qwen2, Qwen3. */

import { checkMultiple, readActivation } from "./common.ts";
import { type Fields, isInteger } from "./fields.ts";
import { readRope } from "./rope.ts";
import type { LlamaConfig } from "./types.ts";

type LlamaDefaults = Partial<
  Pick<
    LlamaConfig,
    | "vocab_size"
    | "intermediate_size"
    | "max_position_embeddings"
    | "num_key_value_heads"
    | "head_dim"
    | "sliding_window"
  >
>;

/** Sizes that Qwen2 and Qwen3 have in common. */
const qwenSizes = {
  vocab_size: 151936,
  intermediate_size: 22016,
  max_position_embeddings: 32768,
  num_key_value_heads: 32,
} as const;

export function readLlama(f: Fields): LlamaConfig {
  return {
    ...readDecoder(f, "llama", {}),
    attention_bias: f.flag("attention_bias", false),
    mlp_bias: f.flag("mlp_bias", false),
  };
}

export function readMistral(f: Fields): LlamaConfig {
  f.only({ attention_bias: [false], mlp_bias: [false] });
  const sizes = { intermediate_size: 14336, max_position_embeddings: 131072, num_key_value_heads: 8 };
  const decoder = readDecoder(f, "mistral", { ...sizes, sliding_window: 4096 });
  return { ...decoder, attention_bias: false, mlp_bias: false };
}

export function readQwen2(f: Fields): LlamaConfig {
  f.only({ attention_bias: [true], mlp_bias: [false] });
  return { ...readDecoder(f, "qwen2", qwenSizes), attention_bias: true, mlp_bias: false };
}

export function readQwen3(f: Fields): LlamaConfig {
  f.only({ mlp_bias: [false] });
  const decoder = readDecoder(f, "qwen3", { ...qwenSizes, head_dim: 128 });
  return { ...decoder, attention_bias: f.flag("attention_bias", false), mlp_bias: false };
}

/** The fields that all of them share. */
function readDecoder(
  f: Fields,
  model_type: LlamaConfig["model_type"],
  defaults: LlamaDefaults,
): Omit<LlamaConfig, "attention_bias" | "mlp_bias"> {
  const hidden_size = f.size("hidden_size", 4096);
  const num_attention_heads = f.size("num_attention_heads", 32);
  const isGrouped = f.has("num_key_value_heads") || defaults.num_key_value_heads === undefined;
  const num_key_value_heads = isGrouped
    ? f.size("num_key_value_heads", num_attention_heads)
    : (defaults.num_key_value_heads as number);
  const head_dim = f.size("head_dim", defaults.head_dim ?? hidden_size / num_attention_heads);
  checkMultiple({ num_attention_heads }, { num_key_value_heads });
  if (!isInteger(head_dim)) checkMultiple({ hidden_size }, { num_attention_heads });
  checkMultiple({ head_dim }, { "the two halves that rotary embedding turns": 2 });
  const max_position_embeddings = f.size("max_position_embeddings", defaults.max_position_embeddings ?? 2048);
  const num_hidden_layers = f.layers("num_hidden_layers", 32);
  const window =
    model_type === "llama" || model_type === "mistral"
      ? { sliding_window: readWindow(f, model_type, defaults.sliding_window ?? null) }
      : readQwenWindow(f, num_hidden_layers);
  const kinds = ["full_attention", ...(window.sliding_window === null ? [] : [SLIDING])];
  f.only({ layer_types: (v) => Array.isArray(v) && v.every((kind) => kinds.includes(kind)) });
  f.only({ is_causal: [true], is_decoder: [false, true] });
  f.only({ attention_multiplier: [head_dim ** -0.5], query_pre_attn_scalar: [head_dim] });
  return {
    model_type,
    vocab_size: f.size("vocab_size", defaults.vocab_size ?? 32000),
    hidden_size,
    intermediate_size: f.size("intermediate_size", defaults.intermediate_size ?? 11008),
    num_hidden_layers,
    num_attention_heads,
    num_key_value_heads,
    head_dim,
    hidden_act: readActivation(f, "hidden_act", "silu"),
    max_position_embeddings,
    rms_norm_eps: f.positive("rms_norm_eps", 1e-6),
    ...readRope(f, max_position_embeddings),
    ...window,
    attention_dropout: f.dropout("attention_dropout", 0),
    initializer_range: f.positive("initializer_range", 0.02),
    tie_word_embeddings: f.flag("tie_word_embeddings", false),
  };
}

/**
 * The window of attention. Null, unlike absence, means none. Mistral's depends on sliding_window alone: in transformers its
 * configuration has no use_sliding_window.
 */
function readWindow(f: Fields, model_type: "llama" | "mistral", fallback: number | null): number | null {
  const isUsed = f.flag("use_sliding_window", true) || model_type === "mistral";
  f.ignore("max_window_layers");
  const given = f.has("sliding_window") ? null : fallback;
  const window = f.sizeOrNull("sliding_window") ?? given;
  return isUsed ? window : null;
}

/** What layer_types calls a layer whose attention has a window. */
const SLIDING = "sliding_attention";

/**
 * The window of Qwen's attention, which counts only where use_sliding_window is true and a layer has it: those of kind
 * sliding_attention in layer_types, or without this field those from max_window_layers on.
 */
function readQwenWindow(
  f: Fields,
  layers: number,
): Pick<LlamaConfig, "sliding_window" | "use_sliding_window" | "max_window_layers"> {
  const given = f.sizeOrNull("sliding_window");
  const window = f.has("sliding_window") ? given : 4096;
  const full = f.count("max_window_layers", 28);
  const types = f.list("layer_types");
  const first = types ? types.indexOf(SLIDING) : full;
  const isUsed = f.flag("use_sliding_window", false) && window !== null && first >= 0 && first < layers;
  if (!isUsed) return { sliding_window: null };
  return { sliding_window: window, use_sliding_window: true, max_window_layers: first };
}
