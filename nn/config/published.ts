/**
 * @file Published model configurations, under the names of their checkpoints. Parameters can be counted from them without
 * allocating any.
 *
 * GPT-3 has GPT-2's layout at its own sizes (Brown et al., 2020, table 2.1); LoRA's paper treats the three slices of
 * its fused c_attn as the matrices Wq, Wk, Wv.
 */

import { modelConfig } from "./config.ts";

const gpt2 = (n_layer: number, n_embd: number, n_head: number, n_positions = 1024) =>
  modelConfig({ model_type: "gpt2", n_layer, n_embd, n_head, n_positions });

const bert = (
  num_hidden_layers: number,
  hidden_size: number,
  num_attention_heads: number,
  vocab_size = 30522,
) =>
  modelConfig({
    model_type: "bert",
    num_hidden_layers,
    hidden_size,
    num_attention_heads,
    intermediate_size: 4 * hidden_size,
    vocab_size,
  });

const roberta = (num_hidden_layers: number, hidden_size: number, num_attention_heads: number) =>
  modelConfig({
    model_type: "roberta",
    num_hidden_layers,
    hidden_size,
    num_attention_heads,
    intermediate_size: 4 * hidden_size,
    max_position_embeddings: 514, // 512 positions, counted from pad_token_id + 1 = 2
    type_vocab_size: 1,
    layer_norm_eps: 1e-5,
  });

const llama1 = (
  layers: number,
  width: number,
  heads: number,
  intermediate_size: number,
  rms_norm_eps = 1e-6,
) =>
  modelConfig({
    model_type: "llama",
    num_hidden_layers: layers,
    hidden_size: width,
    num_attention_heads: heads,
    intermediate_size,
    rms_norm_eps,
  });

const llama2 = (
  layers: number,
  width: number,
  heads: number,
  keyValueHeads: number,
  intermediate_size: number,
) =>
  modelConfig({
    model_type: "llama",
    num_hidden_layers: layers,
    hidden_size: width,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    intermediate_size,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 4096,
  });

/** Jiang et al., 2023; version 0.1, with the window. */
const mistral = modelConfig({
  model_type: "mistral",
  rms_norm_eps: 1e-5,
  max_position_embeddings: 32768,
});

/** Qwen2.5 (Yang et al., 2024, arXiv:2412.15115). */
const qwen25 = (
  layers: number,
  width: number,
  heads: number,
  keyValueHeads: number,
  intermediate_size: number,
  more: { readonly vocab_size?: number; readonly tie_word_embeddings?: boolean } = {},
) =>
  modelConfig({
    model_type: "qwen2",
    num_hidden_layers: layers,
    hidden_size: width,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    intermediate_size,
    rope_theta: 1e6,
    ...more,
  });

/** Qwen3 (Yang et al., 2025, arXiv:2505.09388). */
const qwen3 = (
  layers: number,
  width: number,
  heads: number,
  intermediate_size: number,
  tie_word_embeddings: boolean,
) =>
  modelConfig({
    model_type: "qwen3",
    num_hidden_layers: layers,
    hidden_size: width,
    num_attention_heads: heads,
    num_key_value_heads: 8,
    intermediate_size,
    max_position_embeddings: 40960,
    rope_theta: 1e6,
    tie_word_embeddings,
  });

const llama3 = { model_type: "llama", vocab_size: 128256, rms_norm_eps: 1e-5, rope_theta: 500000 } as const;

const llama32 = {
  ...llama3,
  num_key_value_heads: 8,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  tie_word_embeddings: true,
  rope_scaling: {
    rope_type: "llama3",
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  },
} as const;

/** The published configurations by the names of their checkpoints. */
export const configurations = {
  gpt2: gpt2(12, 768, 12),
  "gpt2-medium": gpt2(24, 1024, 16),
  "gpt2-large": gpt2(36, 1280, 20),
  "gpt2-xl": gpt2(48, 1600, 25),
  "gpt3-175b": gpt2(96, 12288, 96, 2048),

  "bert-base-uncased": bert(12, 768, 12),
  "bert-base-cased": bert(12, 768, 12, 28996),
  "bert-large-uncased": bert(24, 1024, 16),
  "roberta-base": roberta(12, 768, 12),
  "roberta-large": roberta(24, 1024, 16),

  "deberta-v2-xxlarge": modelConfig({
    model_type: "deberta-v2",
    num_hidden_layers: 48,
    hidden_size: 1536,
    num_attention_heads: 24,
    intermediate_size: 6144,
    conv_kernel_size: 3,
  }),
  "deberta-v3-base": modelConfig({
    model_type: "deberta-v2",
    num_hidden_layers: 12,
    hidden_size: 768,
    num_attention_heads: 12,
    intermediate_size: 3072,
  }),
  "bart-large": modelConfig({ model_type: "bart" }),

  "llama-7b": llama1(32, 4096, 32, 11008),
  "llama-13b": llama1(40, 5120, 40, 13824),
  "llama-33b": llama1(60, 6656, 52, 17920),
  "llama-65b": llama1(80, 8192, 64, 22016, 1e-5),
  "llama-2-7b": llama2(32, 4096, 32, 32, 11008),
  "llama-2-13b": llama2(40, 5120, 40, 40, 13824),
  "llama-2-70b": llama2(80, 8192, 64, 8, 28672),
  "llama-3-8b": modelConfig({
    ...llama3,
    num_hidden_layers: 32,
    hidden_size: 4096,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    intermediate_size: 14336,
    max_position_embeddings: 8192,
  }),
  "llama-3.2-1b": modelConfig({
    ...llama32,
    num_hidden_layers: 16,
    hidden_size: 2048,
    num_attention_heads: 32,
  }),
  "llama-3.2-3b": modelConfig({
    ...llama32,
    num_hidden_layers: 28,
    hidden_size: 3072,
    num_attention_heads: 24,
  }),

  "mistral-7b": mistral,
  "qwen2.5-0.5b": qwen25(24, 896, 14, 2, 4864, { tie_word_embeddings: true }),
  "qwen2.5-7b": qwen25(28, 3584, 28, 4, 18944, { vocab_size: 152064 }),
  "qwen3-0.6b": qwen3(28, 1024, 16, 3072, true),
  "qwen3-1.7b": qwen3(28, 2048, 16, 6144, true),
  "qwen3-4b": qwen3(36, 2560, 32, 9728, true),
  "qwen3-8b": qwen3(36, 4096, 32, 12288, false),
} as const;

/** The name of a published configuration. */
export type ConfigurationName = keyof typeof configurations;
