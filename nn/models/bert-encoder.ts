/**
 * @file The encoder of BERT and RoBERTa: embeddings, layers of attention and MLP, the pooler. See bert.ts for the models
 * and their papers.
 *
 *     h0 = LayerNorm(word[ids] + position[positions] + type[types])
 *     h ← LayerNorm(h + attention(h));  h ← LayerNorm(h + W2 f(W1 h))       in each layer
 *
 * Modules and parameters have the names of Hugging Face's checkpoints.
 */

import { add, type Tensor, tanh } from "../../autograd/index.ts";
import {
  checkIndices,
  type IndexLike,
  type Indices,
  indices,
  type Random,
  ShapeError,
  sameShape,
} from "../../core/index.ts";
import type { ActivationName, BertConfig } from "../config/config.ts";
import { activation } from "../layers/activation.ts";
import { mergeHeads, scaledDotProductAttention, splitHeads } from "../layers/attention.ts";
import { Dropout } from "../layers/dropout.ts";
import { Embedding } from "../layers/embedding.ts";
import { LayerNorm } from "../layers/layer-norm.ts";
import { Linear, type LinearLike, type LinearOptions } from "../layers/linear.ts";
import { Module } from "../module/module.ts";

/** The options of an encoder's `forward`. */
export interface EncodeOptions {
  /** 1 for tokens, 0 for padding, [batch, time]. @default all tokens */
  readonly attentionMask?: IndexLike;
  /** 0 for tokens of the first text, 1 for those of the second, [batch, time]. @default 0 */
  readonly tokenTypes?: IndexLike;
  /** [time] or [batch, time]. @default 0, 1, 2, …; in RoBERTa from pad_token_id + 1, padding excluded */
  readonly positions?: IndexLike;
}

/** The sum of the embeddings of tokens, positions and token types, with layer norm and dropout. */
export class BertEmbeddings extends Module {
  readonly config: BertConfig;
  word_embeddings: Embedding;
  position_embeddings: Embedding;
  token_type_embeddings: Embedding;
  LayerNorm: LayerNorm;
  readonly dropout: Dropout;

  constructor(config: BertConfig, rng: Random) {
    super();
    const { hidden_size: d, initializer_range: std } = config;
    this.config = config;
    this.word_embeddings = new Embedding(config.vocab_size, d, { rng, std });
    this.position_embeddings = new Embedding(config.max_position_embeddings, d, { rng, std });
    this.token_type_embeddings = new Embedding(config.type_vocab_size, d, { rng, std });
    this.LayerNorm = new LayerNorm(d, { eps: config.layer_norm_eps });
    this.dropout = new Dropout(config.hidden_dropout_prob, { rng });
  }

  /** ids [batch, time] → [batch, time, hidden]. */
  forward(ids: Indices, { tokenTypes, positions }: EncodeOptions = {}): Tensor {
    const { config } = this;
    const types = indices(tokenTypes ?? new Int32Array(ids.shape[1]));
    const at = indices(positions ?? positionsOf(ids, config));
    for (const [name, given] of [["tokenTypes", types] as const, ["positions", at] as const]) {
      if (!sameShape(given.shape, ids.shape) && !sameShape(given.shape, [ids.shape[1]]))
        throw new ShapeError("Bert", `${name} [time] or [batch, time]`, {
          [name]: given.shape,
          ids: ids.shape,
        });
    }
    checkIndices("Bert: ids", ids, config.vocab_size);
    checkIndices("Bert: tokenTypes", types, config.type_vocab_size);
    checkIndices(
      "Bert: positions, of which there are max_position_embeddings",
      at,
      config.max_position_embeddings,
    );
    const places = add(this.position_embeddings.forward(at), this.token_type_embeddings.forward(types));
    return this.dropout.forward(this.LayerNorm.forward(add(this.word_embeddings.forward(ids), places)));
  }
}

/** The default positions: 0, 1, 2, …; in RoBERTa pad_token_id at padding, and other tokens count up from pad_token_id + 1. */
function positionsOf({ data, shape }: Indices, { model_type, pad_token_id: pad }: BertConfig): Indices {
  const [rows, time] = shape;
  if (model_type === "bert") return indices(Array.from({ length: time }, (_, t) => t));
  const at = new Int32Array(data.length);
  for (let row = 0; row < rows; row++) {
    let position = pad;
    for (let i = row * time; i < (row + 1) * time; i++) at[i] = data[i] === pad ? pad : ++position;
  }
  return { data: at, shape };
}

/** The layers, one after the other. */
export class BertEncoder extends Module {
  readonly layer: BertLayer[];

  constructor(config: BertConfig, rng: Random) {
    super();
    this.layer = Array.from({ length: config.num_hidden_layers }, () => new BertLayer(config, rng));
  }

  /** x [batch, time, hidden] → [batch, time, hidden]. */
  forward(x: Tensor, mask?: Tensor): Tensor {
    return this.layer.reduce((h, layer) => layer.forward(h, mask), x);
  }
}

/** A layer: attention and MLP, each with a layer norm after the residual sum. */
export class BertLayer extends Module {
  readonly attention: BertAttention;
  readonly intermediate: BertIntermediate;
  readonly output: BertOutput;

  constructor(config: BertConfig, rng: Random) {
    super();
    this.attention = new BertAttention(config, rng);
    this.intermediate = new BertIntermediate(config, rng);
    this.output = new BertOutput(config.intermediate_size, config, rng);
  }

  forward(x: Tensor, mask?: Tensor): Tensor {
    const h = this.attention.forward(x, mask); //                             [batch, time, hidden]
    return this.output.forward(this.intermediate.forward(h), h);
  }
}

/** Attention with its output layer, residual sum and layer norm. */
export class BertAttention extends Module {
  readonly self: BertSelfAttention;
  readonly output: BertOutput;

  constructor(config: BertConfig, rng: Random) {
    super();
    this.self = new BertSelfAttention(config, rng);
    this.output = new BertOutput(config.hidden_size, config, rng);
  }

  forward(x: Tensor, mask?: Tensor): Tensor {
    return this.output.forward(this.self.forward(x, mask), x);
  }
}

/** Attention without its output layer. */
export class BertSelfAttention extends Module {
  readonly heads: number;
  query: LinearLike;
  key: LinearLike;
  value: LinearLike;
  readonly dropout: Dropout;

  constructor(config: BertConfig, rng: Random) {
    super();
    const { hidden_size: d, num_attention_heads, initializer_range: std } = config;
    this.heads = num_attention_heads;
    this.query = new Linear(d, d, { std, rng });
    this.key = new Linear(d, d, { std, rng });
    this.value = new Linear(d, d, { std, rng });
    this.dropout = new Dropout(config.attention_probs_dropout_prob, { rng });
  }

  /** x [batch, time, hidden] → [batch, time, hidden]. */
  forward(x: Tensor, mask?: Tensor): Tensor {
    const { heads, dropout } = this;
    const q = splitHeads(this.query.forward(x), heads); //                    [batch, heads, time, d]
    const k = splitHeads(this.key.forward(x), heads);
    const v = splitHeads(this.value.forward(x), heads);
    return mergeHeads(scaledDotProductAttention(q, k, v, { mask, dropout }));
  }

  override describe(): string {
    return `${this.heads} heads`;
  }
}

/** The first layer of the MLP: f(W1 h + b1). */
export class BertIntermediate extends Module {
  readonly activation: ActivationName;
  dense: LinearLike;

  constructor(config: BertConfig, rng: Random) {
    super();
    this.activation = config.hidden_act;
    this.dense = new Linear(config.hidden_size, config.intermediate_size, {
      std: config.initializer_range,
      rng,
    });
  }

  forward(x: Tensor): Tensor {
    return activation(this.activation)(this.dense.forward(x));
  }

  override describe(): string {
    return this.activation;
  }
}

/** The output layer of attention or MLP: LayerNorm(residual + W x + b). */
export class BertOutput extends Module {
  dense: LinearLike;
  LayerNorm: LayerNorm;
  readonly dropout: Dropout;

  constructor(width: number, config: BertConfig, rng: Random) {
    super();
    this.dense = new Linear(width, config.hidden_size, { std: config.initializer_range, rng });
    this.LayerNorm = new LayerNorm(config.hidden_size, { eps: config.layer_norm_eps });
    this.dropout = new Dropout(config.hidden_dropout_prob, { rng });
  }

  forward(x: Tensor, residual: Tensor): Tensor {
    return this.LayerNorm.forward(add(residual, this.dropout.forward(this.dense.forward(x))));
  }
}

/** BERT's pooler, tanh(W x + b), for the hidden state of the first token. */
export class BertPooler extends Module {
  dense: LinearLike;

  constructor(d: number, options: LinearOptions) {
    super();
    this.dense = new Linear(d, d, options);
  }

  /** x [batch, hidden] → [batch, hidden]. */
  forward(x: Tensor): Tensor {
    return tanh(this.dense.forward(x));
  }
}
