/**
 * @file GPT-2: Language Models are Unsupervised Multitask Learners. Radford, Wu, Child, Luan, Amodei & Sutskever, 2019.
 *
 *     h0 = wte[ids] + wpe[positions]
 *     h ← h + attn(ln_1(h));  h ← h + mlp(ln_2(h))       in each of n_layer blocks
 *     logits = ln_f(h) wteᵀ
 *
 * Modules and parameters have the names of Hugging Face's checkpoints. Linear layers inside the blocks are Conv1D,
 * whose weights are stored [in, out]; q, k and v come from one of them, c_attn.
 */

import { add, slice, type Tensor } from "../../autograd/index.ts";
import { checkIndices, type IndexLike, type Random } from "../../core/index.ts";
import { type ActivationName, type ConfigFields, type GPT2Config, modelConfig } from "../config/config.ts";
import { activation } from "../layers/activation.ts";
import {
  type AttendOptions,
  mergeHeads,
  scaledDotProductAttention,
  splitHeads,
} from "../layers/attention.ts";
import { Dropout } from "../layers/dropout.ts";
import { Embedding } from "../layers/embedding.ts";
import { defaultRandom } from "../layers/init.ts";
import { LayerNorm } from "../layers/layer-norm.ts";
import { Conv1D, Linear, type LinearLike } from "../layers/linear.ts";
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
 * GPT-2 with its language-modelling head.
 *
 * @example
 * const model = new GPT2({ model_type: "gpt2", n_layer: 2, n_embd: 64, n_head: 4, vocab_size: 256 });
 * model.loss([[72, 101, 108, 108, 111]]).backward();
 */
export class GPT2 extends Module implements LanguageModel {
  readonly config: GPT2Config;
  readonly transformer: GPT2Model;
  /** A linear layer without a bias. When tied, its weight is the table of token embeddings. */
  lm_head: LinearLike;

  /**
   * @param fields a GPT2Config, or the fields in which it differs from GPT-2's defaults
   * @throws ArgumentError on fields that no model can have
   */
  constructor(fields: ConfigFields<"gpt2">, options: ModelOptions = {}) {
    super();
    checkLayer("GPT2", options, ["rng"]);
    const { rng = defaultRandom() } = options;
    const config = modelConfig(fields);
    this.config = config;
    this.transformer = new GPT2Model(config, rng);
    this.lm_head = config.tie_word_embeddings
      ? Linear.of(this.transformer.wte.weight)
      : new Linear(config.n_embd, config.vocab_size, { bias: false, std: config.initializer_range, rng });
  }

  /** Most tokens of an input: n_positions. */
  get contextLength(): number {
    return this.config.n_positions;
  }

  /**
   * ids [batch, time] → logits [batch, time, vocab].
   * @throws ArgumentError on an id or position out of range, or more than n_positions tokens
   */
  forward(ids: IndexLike, options: DecodeOptions = {}): Tensor {
    const h = this.hiddenStates(ids, options); //                            [batch, time, n_embd]
    return this.lm_head.forward(options.lastOnly ? lastPosition(h) : h); //     [batch, time, vocab]
  }

  /** ids [batch, time] → the hidden states before the head, [batch, time, n_embd]. */
  hiddenStates(ids: IndexLike, options: DecodeOptions = {}): Tensor {
    return this.transformer.forward(ids, options);
  }

  /** The next-token loss; see `nextTokenLoss`. */
  loss(ids: IndexLike, labels?: IndexLike, options?: NextTokenLossOptions): Tensor {
    return nextTokenLoss(this, ids, labels, options);
  }

  override describe(): string {
    const { n_layer, n_embd, n_head, n_positions, vocab_size } = this.config;
    return `${n_layer} layers, ${n_head} heads, ${n_embd} wide, ${n_positions} positions, ${vocab_size} tokens`;
  }
}

/** GPT-2 without its head. */
export class GPT2Model extends Module {
  readonly config: GPT2Config;
  wte: Embedding;
  wpe: Embedding;
  readonly drop: Dropout;
  readonly h: GPT2Block[];
  ln_f: LayerNorm;

  constructor(config: GPT2Config, rng: Random) {
    super();
    const { vocab_size, n_positions, n_embd, n_layer, initializer_range: std } = config;
    this.config = config;
    this.wte = new Embedding(vocab_size, n_embd, { rng, std });
    this.wpe = new Embedding(n_positions, n_embd, { rng, std });
    this.drop = new Dropout(config.embd_pdrop, { rng });
    this.h = Array.from({ length: n_layer }, (_, i) => new GPT2Block(config, rng, i));
    this.ln_f = new LayerNorm(n_embd, { eps: config.layer_norm_epsilon });
  }

  /** ids [batch, time] → hidden states after the last layer norm, [batch, time, n_embd]. */
  forward(ids: IndexLike, options: DecodeOptions = {}): Tensor {
    const { vocab_size, n_positions } = this.config;
    const { tokens, at, mask } = tokensAndPositions("GPT2", ids, options, n_positions);
    checkIndices("GPT2: ids", tokens, vocab_size);
    checkIndices("GPT2: positions", at, n_positions);
    let h = this.drop.forward(add(this.wte.forward(tokens), this.wpe.forward(at))); // [batch, time, n_embd]
    for (const block of this.h) h = block.forward(h, { cache: options.cache, mask });
    return this.ln_f.forward(h);
  }
}

/** A block: attention and MLP, each on a layer norm of the residual stream and added to it. */
export class GPT2Block extends Module {
  ln_1: LayerNorm;
  attn: GPT2Attention;
  ln_2: LayerNorm;
  mlp: GPT2MLP;

  /** @param index of the block, from 0 */
  constructor(config: GPT2Config, rng: Random, index = 0) {
    super();
    const eps = config.layer_norm_epsilon;
    this.ln_1 = new LayerNorm(config.n_embd, { eps });
    this.attn = new GPT2Attention(config, rng, index);
    this.ln_2 = new LayerNorm(config.n_embd, { eps });
    this.mlp = new GPT2MLP(config, rng);
  }

  /** x [batch, time, n_embd] → [batch, time, n_embd]. */
  forward(x: Tensor, options: AttendOptions = {}): Tensor {
    const h = add(x, this.attn.forward(this.ln_1.forward(x), options));
    return add(h, this.mlp.forward(this.ln_2.forward(h)));
  }
}

/** Causal self-attention with q, k and v from one product. */
export class GPT2Attention extends Module {
  readonly heads: number;
  readonly scale: number;
  c_attn: LinearLike;
  c_proj: LinearLike;
  readonly attn_dropout: Dropout;
  readonly resid_dropout: Dropout;

  /** @param index of the block, from 0 */
  constructor(config: GPT2Config, rng: Random, index = 0) {
    super();
    const { n_embd, n_head, initializer_range: std } = config;
    this.heads = n_head;
    const scale = config.scale_attn_weights ? 1 / Math.sqrt(n_embd / n_head) : 1;
    this.scale = config.scale_attn_by_inverse_layer_idx ? scale / (index + 1) : scale;
    this.c_attn = new Conv1D(n_embd, 3 * n_embd, { rng, std });
    this.c_proj = new Conv1D(n_embd, n_embd, { rng, std: residualStd(config) });
    this.attn_dropout = new Dropout(config.attn_pdrop, { rng });
    this.resid_dropout = new Dropout(config.resid_pdrop, { rng });
  }

  /** x [batch, time, n_embd] → [batch, time, n_embd]. */
  forward(x: Tensor, options: AttendOptions = {}): Tensor {
    checkLayer("GPT2Attention", options, ["cache", "mask"]);
    const { cache, mask } = options;
    const { heads, scale, attn_dropout: dropout } = this;
    const qkv = splitHeads(this.c_attn.forward(x), 3 * heads); //     [batch, 3 heads, time, d]
    const q = slice(qkv, 1, 0, heads); //                             [batch, heads, time, d]
    let k = slice(qkv, 1, heads, 2 * heads);
    let v = slice(qkv, 1, 2 * heads);
    if (cache) [k, v] = cache.extend(this, k, v); //                  [batch, heads, keys, d]
    const y = scaledDotProductAttention(q, k, v, { causal: true, mask, scale, dropout });
    return this.resid_dropout.forward(this.c_proj.forward(mergeHeads(y)));
  }

  override describe(): string {
    return `${this.heads} heads`;
  }
}

/** The two-layer MLP of a block. */
export class GPT2MLP extends Module {
  readonly activation: ActivationName;
  c_fc: LinearLike;
  c_proj: LinearLike;
  readonly dropout: Dropout;

  constructor(config: GPT2Config, rng: Random) {
    super();
    const { n_embd, n_inner, initializer_range: std } = config;
    this.activation = config.activation_function;
    this.c_fc = new Conv1D(n_embd, n_inner, { rng, std });
    this.c_proj = new Conv1D(n_inner, n_embd, { rng, std: residualStd(config) });
    this.dropout = new Dropout(config.resid_pdrop, { rng });
  }

  /** x [batch, time, n_embd] → [batch, time, n_embd]. */
  forward(x: Tensor): Tensor {
    const h = activation(this.activation)(this.c_fc.forward(x)); //   [batch, time, n_inner]
    return this.dropout.forward(this.c_proj.forward(h));
  }

  override describe(): string {
    return this.activation;
  }
}

/** "Scale the weights of residual layers at initialization by a factor of 1/√N" of them (§2.3); each block has two. */
const residualStd = ({ initializer_range, n_layer }: GPT2Config): number =>
  initializer_range / Math.sqrt(2 * n_layer);
