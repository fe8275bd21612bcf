/**
 * @file LLaMA (Touvron et al., 2023, arXiv:2302.13971 and 2307.09288; Llama Team, 2024, arXiv:2407.21783): RMS norm
 * before attention and MLP, rotary positions on queries and keys, grouped queries, SwiGLU, no biases.
 *
 *     h0 = embed_tokens[ids]
 *     h ← h + self_attn(input_layernorm(h));  h ← h + mlp(post_attention_layernorm(h))     in each layer
 *     logits = lm_head(norm(h))
 *
 * Mistral (Jiang et al., 2023, arXiv:2310.06825) is the same as long as its window holds the whole input; Qwen2 (Yang et
 * al., 2024, arXiv:2407.10671) has biases on queries, keys and values; Qwen3 (Yang et al., 2025, arXiv:2505.09388) has RMS
 * norms of each head's queries and keys instead. Modules and parameters have the names of Hugging Face's checkpoints.
 */

import { add, type Tensor } from "../../autograd/index.ts";
import { ArgumentError, checkIndices, type IndexLike, type Random } from "../../core/index.ts";
import { type ConfigFields, type LlamaConfig, modelConfig } from "../config/config.ts";
import { hasHeadNorms, hasOutputBias } from "../config/layout.ts";
import { type AttendOptions, MultiHeadAttention } from "../layers/attention.ts";
import { Embedding } from "../layers/embedding.ts";
import { defaultRandom } from "../layers/init.ts";
import { Linear, type LinearLike } from "../layers/linear.ts";
import { SwiGLU } from "../layers/mlp.ts";
import { RMSNorm } from "../layers/rms-norm.ts";
import { Rotary } from "../layers/rotary.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import {
  type DecodeOptions,
  type LanguageModel,
  lastPosition,
  type ModelOptions,
  type NextTokenLossOptions,
  nextTokenLoss,
  tokensAndPositions,
} from "./language-model.ts";

/**
 * LLaMA, Mistral, Qwen2 or Qwen3 with its language-modelling head, whose weight may be that of the embedding.
 *
 * @example
 * const model = new Llama({ model_type: "llama", hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2,
 *   num_attention_heads: 4, vocab_size: 256, max_position_embeddings: 64 });
 * const logits = model.forward([[1, 2, 3]]); //     [1, 3, 256]
 */
export class Llama extends Module implements LanguageModel {
  readonly config: LlamaConfig;
  readonly model: LlamaModel;
  lm_head: LinearLike;

  /**
   * @param fields a LlamaConfig, or the fields in which it differs from LLaMA 7B
   * @throws ArgumentError on fields that no model can have
   */
  constructor(fields: ConfigFields<LlamaConfig["model_type"]>, options: ModelOptions = {}) {
    super();
    checkLayer("Llama", options, ["rng"]);
    const { rng = defaultRandom() } = options;
    const config = modelConfig(fields as ConfigFields<"llama">);
    this.config = config;
    this.model = new LlamaModel(config, rng);
    this.lm_head = config.tie_word_embeddings
      ? Linear.of(this.model.embed_tokens.weight)
      : new Linear(config.hidden_size, config.vocab_size, {
          bias: false,
          std: config.initializer_range,
          rng,
        });
  }

  /** Most tokens of an input: max_position_embeddings, or sliding_window if that is smaller. */
  get contextLength(): number {
    const { max_position_embeddings, sliding_window } = this.config;
    return Math.min(max_position_embeddings, sliding_window ?? max_position_embeddings);
  }

  /**
   * ids [batch, time] → logits [batch, time, vocab].
   * @throws ArgumentError on an id out of range, or more than max_position_embeddings or sliding_window tokens
   */
  forward(ids: IndexLike, options: DecodeOptions = {}): Tensor {
    const h = this.hiddenStates(ids, options); //                                [batch, time, hidden]
    return this.lm_head.forward(options.lastOnly ? lastPosition(h) : h); //     [batch, time, vocab]
  }

  /** ids [batch, time] → the hidden states before the head, [batch, time, hidden]. */
  hiddenStates(ids: IndexLike, options: DecodeOptions = {}): Tensor {
    return this.model.forward(ids, options);
  }

  /** The next-token loss; see `nextTokenLoss`. */
  loss(ids: IndexLike, labels?: IndexLike, options?: NextTokenLossOptions): Tensor {
    return nextTokenLoss(this, ids, labels, options);
  }

  override describe(): string {
    const { num_hidden_layers, hidden_size, vocab_size } = this.config;
    return `${num_hidden_layers} layers, ${hidden_size} wide, ${vocab_size} tokens`;
  }
}

/** LLaMA without its head. */
export class LlamaModel extends Module {
  readonly config: LlamaConfig;
  embed_tokens: Embedding;
  readonly layers: LlamaLayer[];
  norm: RMSNorm;

  constructor(config: LlamaConfig, rng: Random) {
    super();
    const { vocab_size, hidden_size, num_hidden_layers, head_dim, rope_theta, rope_scaling } = config;
    this.config = config;
    this.embed_tokens = new Embedding(vocab_size, hidden_size, { rng, std: config.initializer_range });
    const rotary = new Rotary(head_dim, { base: rope_theta, scaling: rope_scaling });
    this.layers = Array.from({ length: num_hidden_layers }, () => new LlamaLayer(config, rotary, rng));
    this.norm = new RMSNorm(hidden_size, { eps: config.rms_norm_eps });
  }

  /** ids [batch, time] → hidden states after the last norm, [batch, time, hidden]. */
  forward(ids: IndexLike, options: DecodeOptions = {}): Tensor {
    const { vocab_size, max_position_embeddings, sliding_window } = this.config;
    const { tokens, at, mask, length } = tokensAndPositions("Llama", ids, options, max_position_embeddings);
    checkIndices("Llama: ids", tokens, vocab_size);
    if (sliding_window !== null && length > sliding_window) {
      const expected = `at most sliding_window tokens, those in the cache included: attention within a window is not implemented`;
      throw new ArgumentError("Llama", expected, { tokens: length, sliding_window });
    }
    let h = this.embed_tokens.forward(tokens); //                               [batch, time, hidden]
    for (const layer of this.layers) h = layer.forward(h, { cache: options.cache, positions: at, mask });
    return this.norm.forward(h);
  }
}

/** A layer: attention and MLP, each on an RMS norm of the residual stream and added to it. */
export class LlamaLayer extends Module {
  self_attn: MultiHeadAttention;
  mlp: SwiGLU;
  input_layernorm: RMSNorm;
  post_attention_layernorm: RMSNorm;

  constructor(config: LlamaConfig, rotary: Rotary, rng: Random) {
    super();
    const { hidden_size, initializer_range: std, rms_norm_eps: eps } = config;
    this.self_attn = new MultiHeadAttention(hidden_size, config.num_attention_heads, {
      kvHeads: config.num_key_value_heads,
      headDim: config.head_dim,
      bias: config.attention_bias,
      outputBias: hasOutputBias(config),
      dropout: config.attention_dropout,
      causal: true,
      rotary,
      headNormEps: hasHeadNorms(config) ? eps : null,
      std,
      rng,
    });
    const { hidden_act: activation, mlp_bias: bias } = config;
    this.mlp = new SwiGLU(hidden_size, config.intermediate_size, { activation, bias, std, rng });
    this.input_layernorm = new RMSNorm(hidden_size, { eps });
    this.post_attention_layernorm = new RMSNorm(hidden_size, { eps });
  }

  /** x [batch, time, hidden] → [batch, time, hidden]. */
  forward(x: Tensor, options: AttendOptions = {}): Tensor {
    const h = add(x, this.self_attn.forward(this.input_layernorm.forward(x), options));
    return add(h, this.mlp.forward(this.post_attention_layernorm.forward(h)));
  }
}
