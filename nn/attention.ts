/**
 * @file Attention (Vaswani et al., 2017, arXiv:1706.03762): softmax(Q Kᵀ / √d) V, for one or many heads, with
 * grouped queries (Ainslie et al., 2023, arXiv:2305.13245) and rotary positions.
 */

import {
  add,
  causalSoftmax,
  matmul,
  mT,
  mul,
  reshape,
  softmax,
  type Tensor,
  transpose,
} from "../autograd/index.ts";
import { ArgumentError, type IndexLike, type Random, ShapeError } from "../core/index.ts";
import type { KeyValueCache } from "./cache.ts";
import { Dropout } from "./dropout.ts";
import { defaultRandom } from "./init.ts";
import { checkSizes, Linear, type LinearLike } from "./linear.ts";
import { Module } from "./module.ts";
import type { Rotary } from "./rotary.ts";

export interface AttentionOptions {
  /** The last query sees all keys, the one before it all but one, and so on. */
  readonly causal?: boolean;
  /** Added to the scores, [..., queries, keys] or what broadcasts to it: 0 keeps, −∞ hides. */
  readonly mask?: Tensor;
  /** 1/√d unless given. */
  readonly scale?: number;
  /** Applied to the attention weights. */
  readonly dropout?: Dropout;
}

/**
 * softmax(scale · q kᵀ + mask) v.
 *
 * @param q [batch, heads, time, d]
 * @param k [batch, groups, keys, d]: each serves heads/groups consecutive heads of q
 * @param v [batch, groups, keys, e]
 * @returns [batch, heads, time, e]
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { causal = false, mask, scale, dropout }: AttentionOptions = {},
): Tensor {
  const [batch, heads, time, d] = q.shape;
  const [, groups, keys] = k.shape;
  if (q.shape.length !== 4 || k.shape.length !== 4 || v.shape.length !== 4 || heads % groups !== 0) {
    throw new ShapeError(
      "attention",
      "q [batch, heads, time, d], k and v [batch, groups, keys, d], heads a multiple",
      {
        q: q.shape,
        k: k.shape,
        v: v.shape,
      },
    );
  }
  // The queries of one group lie one after the other: they are only more rows against the same keys.
  const rows = (heads / groups) * time;
  const Q = reshape(mul(q, scale ?? 1 / Math.sqrt(d)), [batch, groups, rows, d]);
  let S = reshape(matmul(Q, mT(k)), [batch, heads, time, keys]); //            Q Kᵀ / √d
  if (mask) S = add(S, mask);
  let P = causal ? causalSoftmax(S) : softmax(S); //                           [batch, heads, time, keys]
  if (dropout) P = dropout.forward(P);
  const Y = matmul(reshape(P, [batch, groups, rows, keys]), v); //             [batch, groups, rows, e]
  return reshape(Y, [batch, heads, time, v.shape[3]]);
}

/** [batch, time, heads · d] → [batch, heads, time, d], without a copy. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, time, width] = x.shape;
  return transpose(reshape(x, [batch, time, heads, width / heads]), 1, 2);
}

/** [batch, heads, time, d] → [batch, time, heads · d]. */
export function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, time, d] = x.shape;
  return reshape(transpose(x, 1, 2), [batch, time, heads * d]);
}

export interface MultiHeadAttentionOptions {
  /** So many key and value heads, each for heads/kvHeads consecutive query heads; as many as heads unless given. */
  readonly kvHeads?: number;
  /** dim/heads unless given. */
  readonly headDim?: number;
  readonly causal?: boolean;
  /** Turns queries and keys by their positions. */
  readonly rotary?: Rotary | null;
  readonly bias?: boolean;
  /** A bias on the output layer; as `bias` unless given. */
  readonly outputBias?: boolean;
  /** Of attention weights. */
  readonly dropout?: number;
  /** See `LinearOptions`. */
  readonly std?: number;
  readonly rng?: Random;
}

export interface AttendOptions {
  /** Keys and values of earlier calls, to which this call's are added. */
  readonly cache?: KeyValueCache;
  /** Positions for rotary embedding, [time] or [batch, time]; counted on from what the cache holds unless given. */
  readonly positions?: IndexLike;
  /** See `AttentionOptions`. */
  readonly mask?: Tensor;
}

/** Self-attention: x [batch, time, dim] → [batch, time, dim]. */
export class MultiHeadAttention extends Module {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly causal: boolean;
  readonly rotary: Rotary | null;
  q_proj: LinearLike;
  k_proj: LinearLike;
  v_proj: LinearLike;
  o_proj: LinearLike;
  readonly dropout: Dropout;

  /** @throws ArgumentError unless kvHeads divides heads, and heads divides dim or headDim is given */
  constructor(dim: number, heads: number, options: MultiHeadAttentionOptions = {}) {
    super();
    const { kvHeads = heads, headDim = dim / heads, causal = false, rotary = null } = options;
    const { bias = true, outputBias = bias, dropout = 0, std, rng = defaultRandom() } = options;
    checkSizes("MultiHeadAttention", { dim, heads, kvHeads, headDim });
    if (heads % kvHeads !== 0)
      throw new ArgumentError("MultiHeadAttention", "heads a multiple of kvHeads", { heads, kvHeads });
    this.heads = heads;
    this.kvHeads = kvHeads;
    this.headDim = headDim;
    this.causal = causal;
    this.rotary = rotary;
    this.q_proj = new Linear(dim, heads * headDim, { bias, std, rng });
    this.k_proj = new Linear(dim, kvHeads * headDim, { bias, std, rng });
    this.v_proj = new Linear(dim, kvHeads * headDim, { bias, std, rng });
    this.o_proj = new Linear(heads * headDim, dim, { bias: outputBias, std, rng });
    this.dropout = new Dropout(dropout, { rng });
  }

  forward(x: Tensor, { cache, positions, mask }: AttendOptions = {}): Tensor {
    let q = splitHeads(this.q_proj.forward(x), this.heads); //     [batch, heads, time, headDim]
    let k = splitHeads(this.k_proj.forward(x), this.kvHeads); //   [batch, kvHeads, time, headDim]
    let v = splitHeads(this.v_proj.forward(x), this.kvHeads);
    if (this.rotary) {
      const angles = this.rotary.angles(positions ?? x.shape[1], cache?.lengthOf(this));
      q = this.rotary.turn(q, angles);
      k = this.rotary.turn(k, angles);
    }
    if (cache) [k, v] = cache.extend(this, k, v); //               [batch, kvHeads, keys, headDim]
    const y = scaledDotProductAttention(q, k, v, { causal: this.causal, mask, dropout: this.dropout });
    return this.o_proj.forward(mergeHeads(y));
  }

  override describe(): string {
    const groups = this.kvHeads === this.heads ? "" : `, ${this.kvHeads} key/value heads`;
    return `${this.heads} heads of ${this.headDim}${groups}${this.causal ? ", causal" : ""}`;
  }
}
