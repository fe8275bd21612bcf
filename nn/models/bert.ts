/**
 * @file BERT (Devlin, Chang, Lee & Toutanova, 2019, arXiv:1810.04805) and RoBERTa (Liu et al., 2019,
 * arXiv:1907.11692): an encoder whose tokens all see each other, the layer norm after each residual sum.
 *
 *     h0 = LayerNorm(word[ids] + position[positions] + type[types])
 *     h ← LayerNorm(h + attention(h));  h ← LayerNorm(h + W2 f(W1 h))       in each layer
 *
 * `BertModel` is the bare encoder, `Bert` classifies sequences by their first token. RoBERTa is the same encoder;
 * its positions count from pad_token_id + 1, padding excluded, and its head has a hidden layer of its own in place of
 * the pooler. Modules and parameters have the names of Hugging Face's checkpoints.
 */

import {
  type CrossEntropyOptions,
  crossEntropy,
  reshape,
  slice,
  type Tensor,
  tanh,
} from "../../autograd/index.ts";
import { ArgumentError, type IndexLike, type Random, ShapeError } from "../../core/index.ts";
import { type BertConfig, type ConfigFields, modelConfig } from "../config/config.ts";
import { Dropout } from "../layers/dropout.ts";
import { defaultRandom } from "../layers/init.ts";
import { Linear, type LinearLike } from "../layers/linear.ts";
import { checkMask, paddingScores } from "../layers/padding.ts";
import { Module } from "../module/module.ts";
import { checkLayer, namedIndices } from "../module/options.ts";
import { BertEmbeddings, BertEncoder, BertPooler, type EncodeOptions } from "./bert-encoder.ts";
import type { ModelOptions } from "./language-model.ts";

/**
 * A sequence classifier: the encoder, named `bert` or `roberta`, and a head on the first token.
 *
 * @example
 * const model = new Bert({ model_type: "bert", num_labels: 2, num_hidden_layers: 2 });
 * model.loss([[101, 7592, 102]], [1]).backward();
 */
export class Bert extends Module {
  readonly config: BertConfig;
  readonly bert: BertModel | null = null;
  readonly roberta: BertModel | null = null;
  readonly dropout: Dropout;
  classifier: LinearLike | RobertaHead;

  /** @throws ArgumentError on fields that no model can have, and when num_labels is 0 (see `BertModel`) */
  constructor(fields: ConfigFields<"bert"> | ConfigFields<"roberta">, options: ModelOptions = {}) {
    super();
    checkLayer("Bert", options, ["rng"]);
    const { rng = defaultRandom() } = options;
    const config = modelConfig(fields as ConfigFields<"bert">);
    const { hidden_size, num_labels, initializer_range: std } = config;
    if (num_labels === 0)
      throw new ArgumentError("Bert", "num_labels from 1; the bare encoder is BertModel", { num_labels });
    this.config = config;
    if (config.model_type === "bert") this.bert = new BertModel(config, { rng });
    else this.roberta = new BertModel(config, { rng, pooler: false });
    this.dropout = new Dropout(classifierDropout(config), { rng });
    this.classifier =
      config.model_type === "bert"
        ? new Linear(hidden_size, num_labels, { std, rng })
        : new RobertaHead(config, rng);
  }

  /** The encoder, under either name. */
  get encoder(): BertModel {
    return (this.bert ?? this.roberta) as BertModel;
  }

  /**
   * ids [batch, time] → logits [batch, num_labels].
   * @throws ArgumentError on an id or position out of range
   */
  forward(ids: IndexLike, options: EncodeOptions = {}): Tensor {
    const h = this.encoder.forward(ids, options); //                          [batch, time, hidden]
    const first = this.bert ? this.bert.pool(h) : firstToken(h); //           [batch, hidden]
    return this.classifier.forward(this.dropout.forward(first)); //           [batch, num_labels]
  }

  /** Cross-entropy with labels [batch]. */
  loss(
    ids: IndexLike,
    labels: IndexLike,
    { attentionMask, tokenTypes, positions, ...options }: EncodeOptions & CrossEntropyOptions = {},
  ): Tensor {
    return crossEntropy(this.forward(ids, { attentionMask, tokenTypes, positions }), labels, options);
  }

  override describe(): string {
    const { num_hidden_layers, hidden_size, vocab_size, num_labels } = this.config;
    return `${num_hidden_layers} layers, ${hidden_size} wide, ${vocab_size} tokens, ${num_labels} labels`;
  }
}

const classifierDropout = ({ classifier_dropout, hidden_dropout_prob }: BertConfig): number =>
  classifier_dropout ?? hidden_dropout_prob;

/** RoBERTa's classification head: two linear layers with tanh between. */
export class RobertaHead extends Module {
  dense: LinearLike;
  readonly dropout: Dropout;
  out_proj: LinearLike;

  constructor(config: BertConfig, rng: Random) {
    super();
    const { hidden_size: d, num_labels, initializer_range: std } = config;
    this.dense = new Linear(d, d, { std, rng });
    this.dropout = new Dropout(classifierDropout(config), { rng });
    this.out_proj = new Linear(d, num_labels, { std, rng });
  }

  /** x [batch, hidden] → [batch, num_labels]. */
  forward(x: Tensor): Tensor {
    return this.out_proj.forward(this.dropout.forward(tanh(this.dense.forward(x))));
  }
}

/** The bare encoder of BERT or RoBERTa. */
export class BertModel extends Module {
  readonly config: BertConfig;
  readonly embeddings: BertEmbeddings;
  readonly encoder: BertEncoder;
  readonly pooler: BertPooler | null;

  /**
   * @param options pooler: whether the encoder has BERT's pooler, by default true
   * @throws ArgumentError on fields that no model can have
   */
  constructor(
    fields: ConfigFields<"bert"> | ConfigFields<"roberta">,
    { rng = defaultRandom(), pooler = true }: ModelOptions & { readonly pooler?: boolean } = {},
  ) {
    super();
    const config = modelConfig(fields as ConfigFields<"bert">);
    const { hidden_size: d, initializer_range: std } = config;
    this.config = config;
    this.embeddings = new BertEmbeddings(config, rng);
    this.encoder = new BertEncoder(config, rng);
    this.pooler = pooler ? new BertPooler(d, { std, rng }) : null;
  }

  /** ids [batch, time] → hidden states of the last layer, [batch, time, hidden]. */
  forward(ids: IndexLike, options: EncodeOptions = {}): Tensor {
    checkLayer("Bert", options, ["attentionMask", "tokenTypes", "positions"]);
    const tokens = namedIndices("Bert: ids", ids);
    if (tokens.shape.length !== 2) throw new ShapeError("Bert", "ids [batch, time]", { ids: tokens.shape });
    const mask = checkMask("Bert", options.attentionMask, tokens);
    return this.encoder.forward(
      this.embeddings.forward(tokens, options),
      mask ? paddingScores(mask) : undefined,
    );
  }

  /** The pooler on the first token, tanh(W h_first + b): h [batch, time, hidden] → [batch, hidden]. */
  pool(h: Tensor): Tensor {
    if (!this.pooler) throw new ArgumentError("BertModel", "a pooler", { pooler: null });
    return this.pooler.forward(firstToken(h));
  }
}

/** h [batch, time, hidden] → [batch, hidden]. */
const firstToken = (h: Tensor): Tensor => reshape(slice(h, 1, 0, 1), [h.shape[0], h.shape[2]]);
