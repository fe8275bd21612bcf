/**
 * @file Lists the modules and parameter tensors of a model from its configuration, under Hugging Face's names. Nothing is
 * allocated: GPT-3 175B is a list of a few hundred entries, and its size is the sum of their shapes.
 */

import { sizeOf } from "../../core/index.ts";
import { isInnerLinear } from "../module/kinds.ts";
import type {
  BartConfig,
  BertConfig,
  DebertaV2Config,
  GPT2Config,
  LlamaConfig,
  ModelConfig,
} from "./config.ts";
import { conv1d, convolution, embedding, head, linear, type ModuleLayout, norm } from "./module-layout.ts";

/**
 * Every module of the model that holds parameters, in the order of its state dict.
 *
 * @example
 * parameterCount(layout(configurations.gpt2)); // 124439808
 */
export function layout(config: ModelConfig): ModuleLayout[] {
  switch (config.model_type) {
    case "gpt2":
      return gpt2Layout(config);
    case "llama":
    case "mistral":
    case "qwen2":
    case "qwen3":
      return llamaLayout(config);
    case "bert":
    case "roberta":
      return bertLayout(config);
    case "deberta-v2":
      return debertaLayout(config);
    case "bart":
      return bartLayout(config);
  }
}

/** Width of the residual stream. */
export function hiddenSize(config: ModelConfig): number {
  if (config.model_type === "gpt2") return config.n_embd;
  return config.model_type === "bart" ? config.d_model : config.hidden_size;
}

/** Number of parameters in `modules`; a tied parameter counts where it is owned. */
export function parameterCount(modules: readonly ModuleLayout[]): number {
  let count = 0;
  for (const { parameters } of modules) {
    for (const { shape, tiedTo } of parameters) if (tiedTo === undefined) count += sizeOf(shape);
  }
  return count;
}

/** Number of weights in linear layers other than the head, which QLoRA holds in 4 bits. */
export function linearWeightCount(modules: readonly ModuleLayout[]): number {
  return modules
    .filter(({ kind }) => isInnerLinear(kind))
    .reduce((count, { inFeatures, outFeatures }) => count + inFeatures * outFeatures, 0);
}

function gpt2Layout(config: GPT2Config): ModuleLayout[] {
  const { n_embd: d, n_inner, n_layer, n_positions, vocab_size } = config;
  const block = (h: string) => [
    norm(`${h}.ln_1`, d),
    conv1d(`${h}.attn.c_attn`, d, 3 * d),
    conv1d(`${h}.attn.c_proj`, d, d),
    norm(`${h}.ln_2`, d),
    conv1d(`${h}.mlp.c_fc`, d, n_inner),
    conv1d(`${h}.mlp.c_proj`, n_inner, d),
  ];
  const wte = "transformer.wte";
  return [
    embedding(wte, vocab_size, d),
    embedding("transformer.wpe", n_positions, d),
    ...repeat("transformer.h", n_layer, block),
    norm("transformer.ln_f", d),
    head("lm_head", d, vocab_size, { bias: false, tiedTo: config.tie_word_embeddings ? wte : undefined }),
  ];
}

function llamaLayout(config: LlamaConfig): ModuleLayout[] {
  const { hidden_size: d, intermediate_size: f, vocab_size, head_dim } = config;
  const q = config.num_attention_heads * head_dim;
  const kv = config.num_key_value_heads * head_dim;
  const attention = { bias: config.attention_bias };
  const output = { bias: hasOutputBias(config) };
  const mlp = { bias: config.mlp_bias };
  const block = (layer: string) => [
    linear(`${layer}.self_attn.q_proj`, d, q, attention),
    linear(`${layer}.self_attn.k_proj`, d, kv, attention),
    linear(`${layer}.self_attn.v_proj`, d, kv, attention),
    linear(`${layer}.self_attn.o_proj`, q, d, output),
    ...(hasHeadNorms(config) ? ["q_norm", "k_norm"] : []).map((name) =>
      norm(`${layer}.self_attn.${name}`, head_dim, { bias: false }),
    ),
    linear(`${layer}.mlp.gate_proj`, d, f, mlp),
    linear(`${layer}.mlp.up_proj`, d, f, mlp),
    linear(`${layer}.mlp.down_proj`, f, d, mlp),
    norm(`${layer}.input_layernorm`, d, { bias: false }),
    norm(`${layer}.post_attention_layernorm`, d, { bias: false }),
  ];
  const embed = "model.embed_tokens";
  return [
    embedding(embed, vocab_size, d),
    ...repeat("model.layers", config.num_hidden_layers, block),
    norm("model.norm", d, { bias: false }),
    head("lm_head", d, vocab_size, { bias: false, tiedTo: config.tie_word_embeddings ? embed : undefined }),
  ];
}

/** Whether queries and keys have RMS norms of their own, over the width of a head. */
export const hasHeadNorms = ({ model_type }: LlamaConfig): boolean => model_type === "qwen3";

/** Whether the output layer of attention has a bias. */
export const hasOutputBias = ({ model_type, attention_bias }: LlamaConfig): boolean =>
  attention_bias && model_type !== "qwen2";

/** The bare encoder has no prefix and ends with the pooler. A classifier is a second module, and the encoder has a prefix. */
function bertLayout(config: BertConfig): ModuleLayout[] {
  const { hidden_size: d, intermediate_size: f, model_type, num_labels } = config;
  const prefix = num_labels > 0 ? `${model_type}.` : "";
  const pooler = linear(`${prefix}pooler.dense`, d, d);
  const encoder = [
    embedding(`${prefix}embeddings.word_embeddings`, config.vocab_size, d),
    embedding(`${prefix}embeddings.position_embeddings`, config.max_position_embeddings, d),
    embedding(`${prefix}embeddings.token_type_embeddings`, config.type_vocab_size, d),
    norm(`${prefix}embeddings.LayerNorm`, d),
    ...repeat(`${prefix}encoder.layer`, config.num_hidden_layers, (layer) =>
      encoderBlock(layer, ["query", "key", "value"], d, f),
    ),
  ];
  if (num_labels === 0) return [...encoder, pooler];
  return model_type === "bert"
    ? [...encoder, pooler, head("classifier", d, num_labels)]
    : [...encoder, head("classifier.dense", d, d), head("classifier.out_proj", d, num_labels)];
}

function debertaLayout(config: DebertaV2Config): ModuleLayout[] {
  const { hidden_size: d, intermediate_size: f, conv_kernel_size: k } = config;
  return [
    embedding("embeddings.word_embeddings", config.vocab_size, d),
    norm("embeddings.LayerNorm", d),
    ...repeat("encoder.layer", config.num_hidden_layers, (layer) =>
      encoderBlock(layer, ["query_proj", "key_proj", "value_proj"], d, f),
    ),
    embedding("encoder.rel_embeddings", 2 * config.position_buckets, d),
    norm("encoder.LayerNorm", d),
    ...(k > 0 ? [convolution("encoder.conv.conv", d, d, k), norm("encoder.conv.LayerNorm", d)] : []),
  ];
}

/** A block of BERT and its descendants. */
function encoderBlock(layer: string, [q, k, v]: readonly string[], d: number, f: number): ModuleLayout[] {
  return [
    linear(`${layer}.attention.self.${q}`, d, d),
    linear(`${layer}.attention.self.${k}`, d, d),
    linear(`${layer}.attention.self.${v}`, d, d),
    linear(`${layer}.attention.output.dense`, d, d),
    norm(`${layer}.attention.output.LayerNorm`, d),
    linear(`${layer}.intermediate.dense`, d, f),
    linear(`${layer}.output.dense`, f, d),
    norm(`${layer}.output.LayerNorm`, d),
  ];
}

function bartLayout(config: BartConfig): ModuleLayout[] {
  const { d_model: d, vocab_size } = config;
  const attention = (name: string) => [
    ...["k_proj", "v_proj", "q_proj", "out_proj"].map((matrix) => linear(`${name}.${matrix}`, d, d)),
    norm(`${name}_layer_norm`, d),
  ];
  const mlp = (layer: string, f: number) => [
    linear(`${layer}.fc1`, d, f),
    linear(`${layer}.fc2`, f, d),
    norm(`${layer}.final_layer_norm`, d),
  ];
  const positions = (side: string) =>
    embedding(`${side}.embed_positions`, config.max_position_embeddings + 2, d); // positions count from 2
  return [
    embedding("model.shared", vocab_size, d),
    positions("model.encoder"),
    ...repeat("model.encoder.layers", config.encoder_layers, (layer) => [
      ...attention(`${layer}.self_attn`),
      ...mlp(layer, config.encoder_ffn_dim),
    ]),
    norm("model.encoder.layernorm_embedding", d),
    positions("model.decoder"),
    ...repeat("model.decoder.layers", config.decoder_layers, (layer) => [
      ...attention(`${layer}.self_attn`),
      ...attention(`${layer}.encoder_attn`),
      ...mlp(layer, config.decoder_ffn_dim),
    ]),
    norm("model.decoder.layernorm_embedding", d),
    head("lm_head", d, vocab_size, { bias: false, tiedTo: "model.shared" }),
  ];
}

/** The modules of blocks 0, 1, ..., count − 1; `block` lists the modules of the block with a given name. */
function repeat(list: string, count: number, block: (name: string) => ModuleLayout[]): ModuleLayout[] {
  return Array.from({ length: count }, (_, i) => block(`${list}.${i}`)).flat();
}
