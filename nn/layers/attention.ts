/**
 * @file Attention (Vaswani et al., 2017, arXiv:1706.03762): softmax(Q Kᵀ / √d) V, for one or many heads, with
 * grouped queries (Ainslie et al., 2023, arXiv:2305.13245) and rotary positions.
 */

import {
  add,
  causalSoftmax,
  concat,
  matmul,
  mT,
  mul,
  reshape,
  slice,
  softmax,
  type Tensor,
  tensor,
  transpose,
  where,
} from "../../autograd/index.ts";
import {
  ArgumentError,
  allWithin,
  broadcastTo,
  type IndexLike,
  type Random,
  ShapeError,
  sameShape,
} from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import type { KeyValueCache } from "./cache.ts";
import { Dropout } from "./dropout.ts";
import { defaultRandom } from "./init.ts";
import { checkSizes, Linear, type LinearLike } from "./linear.ts";
import { RMSNorm } from "./rms-norm.ts";
import type { Rotary } from "./rotary.ts";

/** The options of `scaledDotProductAttention`. */
export interface AttentionOptions {
  /** True: the last query sees all keys, the query before it all keys but the last, and so on. @default false */
  readonly causal?: boolean;
  /**
   * Added to the scores, in a shape that broadcasts to [..., queries, keys]: 0 keeps a key, −∞ hides it. A query from
   * which all keys are hidden gets zeros (as in PyTorch from 2.5 on). A key that no query sees does not affect the
   * result, even if it or its value is NaN.
   * @default nothing is hidden
   */
  readonly mask?: Tensor;
  /** Factor on the scores. @default 1/√d */
  readonly scale?: number;
  /** Dropout on the attention weights. @default none */
  readonly dropout?: Dropout;
}

/**
 * softmax(scale · q kᵀ + mask) v.
 *
 * @example
 * const y = scaledDotProductAttention(q, k, v, { causal: true });
 * @param q [batch, heads, time, d]
 * @param k [batch, groups, keys, d], where each group is shared by heads/groups consecutive heads of q
 * @param v [batch, groups, keys, e]
 * @returns [batch, heads, time, e]
 * @throws ShapeError when shapes do not fit
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor {
  checkLayer("scaledDotProductAttention", options, ["causal", "mask", "scale", "dropout"]);
  const { causal = false, mask, scale, dropout } = options;
  const [batch, heads, time, d] = q.shape;
  const [, groups, keys] = k.shape;
  const ranks = [q, k, v].every((x) => x.shape.length === 4);
  const fits = k.shape[0] === batch && k.shape[3] === d && heads % groups === 0;
  if (!ranks || !fits || !sameShape(v.shape.slice(0, 3), k.shape.slice(0, 3))) {
    throw new ShapeError(
      "attention",
      "q [batch, heads, time, d], k [batch, groups, keys, d] and v [batch, groups, keys, e], heads a multiple of groups",
      { q: q.shape, k: k.shape, v: v.shape },
    );
  }
  const hidden = mask ? hiddenBy(mask, [batch, heads, time, keys], groups, causal) : null;
  if ((causal || mask) && !(isTame(k) && isTame(v))) {
    const { unseen } = hidden ?? {};
    if (unseen) [k, v] = [k, v].map((x) => where(unseen, 0, x));
    if (1 < time && time <= keys && !(isTame(k) && isTame(v)))
      return queryByQuery(q, k, v, { causal, mask, scale, dropout });
  }
  // The queries of the heads that share a group are rows of one matrix: one product with the group's keys.
  const rows = (heads / groups) * time;
  const Q = reshape(mul(q, scale ?? 1 / Math.sqrt(d)), [batch, groups, rows, d]);
  let S = reshape(matmul(Q, mT(k)), [batch, heads, time, keys]); //            Q Kᵀ / √d
  if (mask) S = add(S, mask);
  if (hidden?.blind) S = where(hidden.blind, 0, S);
  let P = causal ? causalSoftmax(S) : softmax(S); //                           [batch, heads, time, keys]
  if (hidden?.blind) P = where(hidden.blind, 0, P);
  if (dropout) P = dropout.forward(P);
  const Y = matmul(reshape(P, [batch, groups, rows, keys]), v); //             [batch, groups, rows, e]
  return reshape(Y, [batch, heads, time, v.shape[3]]);
}

/**
 * The queries and keys that a mask hides completely: `blind` [..., time, 1] is 1 at queries that see no key, `unseen`
 * [..., groups, keys, 1] is 1 at keys that no query sees; each is null when there are none. Axes along which the mask is
 * constant have length 1.
 */
function hiddenBy(
  mask: Tensor,
  scores: readonly [number, number, number, number],
  groups: number,
  causal: boolean,
): { readonly blind: Tensor | null; readonly unseen: Tensor | null } {
  broadcastTo(mask.value, scores); // throws when it does not
  const own = (axis: number): number => mask.shape.at(axis - 4) ?? 1;
  const [, , time, keys] = scores;
  const [B, H, T] = [own(0), own(1), causal ? time : own(2)];
  const G = H === 1 ? 1 : groups;
  const { data } = broadcastTo(mask.value, [B, H, T, keys]);
  const blind = new Float32Array(B * H * T).fill(1);
  const unseen = new Float32Array(B * G * keys).fill(1);
  for (let row = 0; row < B * H * T; row++) {
    const [b, h, t] = [Math.floor(row / (H * T)), Math.floor(row / T) % H, row % T];
    const group = (b * G + Math.floor((h * G) / H)) * keys;
    const seen = causal ? keys - time + t + 1 : keys;
    for (let key = 0; key < seen; key++) {
      if (data[row * keys + key] === -Infinity) continue;
      blind[row] = 0;
      unseen[group + key] = 0;
    }
  }
  return {
    blind: blind.includes(1) ? tensor(blind, [B, H, T, 1]) : null,
    unseen: unseen.includes(1) ? tensor(unseen, [B, G, keys, 1]) : null,
  };
}

/** True when 0 times any product of elements is 0: no element is NaN or infinite, or so large that a product overflows. */
const isTame = (x: Tensor): boolean => allWithin(x.value, 2 ** 40);

/** Attention of one query at a time, over the keys that it sees. NaN at keys that it does not see is never read. */
function queryByQuery(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { causal, mask, ...rest } = options;
  const [time, keys] = [q.shape[2], k.shape[2]];
  const results = Array.from({ length: time }, (_, t) => {
    const seen = causal ? keys - time + t + 1 : keys;
    let row = mask;
    if (row && (row.shape.at(-2) ?? 1) > 1) row = slice(row, -2, t, t + 1);
    if (row && (row.shape.at(-1) ?? 1) > 1) row = slice(row, -1, 0, seen);
    const [K, V] = [k, v].map((x) => slice(x, 2, 0, seen));
    return scaledDotProductAttention(slice(q, 2, t, t + 1), K, V, { ...rest, mask: row });
  });
  return concat(results, 2);
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

/** The options of `MultiHeadAttention`. */
export interface MultiHeadAttentionOptions {
  /** Number of key and value heads; each serves heads/kvHeads consecutive query heads. @default heads */
  readonly kvHeads?: number;
  /** Width of a head. @default dim/heads */
  readonly headDim?: number;
  /** True: each position attends to itself and earlier positions. @default false */
  readonly causal?: boolean;
  /** Rotates queries and keys by their positions. @default null */
  readonly rotary?: Rotary | null;
  /** The eps of an RMS norm of each head's queries, and of one of its keys, before the rotation. @default null, no such norms */
  readonly headNormEps?: number | null;
  /** Biases on queries, keys and values. @default true */
  readonly bias?: boolean;
  /** A bias on the output layer. @default bias */
  readonly outputBias?: boolean;
  /** Probability of dropout on the attention weights. @default 0 */
  readonly dropout?: number;
  /** Standard deviation of the initial weights. @default as `LinearOptions` */
  readonly std?: number;
  /** Generator of the initial weights and of dropout's seed. @default that of `manualSeed` */
  readonly rng?: Random;
}

/** The options of `MultiHeadAttention.forward`. */
export interface AttendOptions {
  /** Keys and values of earlier calls; this call's are added to them. */
  readonly cache?: KeyValueCache;
  /** Positions for rotary embedding, [time] or [batch, time]. @default counted from the end of the cache */
  readonly positions?: IndexLike;
  /** See `AttentionOptions`. */
  readonly mask?: Tensor;
}

/**
 * Self-attention with several heads: x [batch, time, dim] → [batch, time, dim].
 *
 * @example
 * const layer = new MultiHeadAttention(64, 4, { causal: true, rotary: new Rotary(16) });
 * const y = layer.forward(x);
 */
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
  /** RMS norms over the width of a head, shared by all heads; null without `headNormEps`. */
  q_norm: RMSNorm | null;
  k_norm: RMSNorm | null;
  readonly dropout: Dropout;

  /** @throws ArgumentError unless kvHeads divides heads, and heads divides dim or headDim is given */
  constructor(dim: number, heads: number, options: MultiHeadAttentionOptions = {}) {
    super();
    const own = ["kvHeads", "headDim", "causal", "rotary", "headNormEps"];
    checkLayer("MultiHeadAttention", options, [...own, "bias", "outputBias", "dropout", "std", "rng"]);
    const { kvHeads = heads, headDim = dim / heads, causal = false, rotary = null } = options;
    const { bias = true, outputBias = bias, dropout = 0, std, rng = defaultRandom() } = options;
    const { headNormEps: eps = null } = options;
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
    this.q_norm = eps === null ? null : new RMSNorm(headDim, { eps });
    this.k_norm = eps === null ? null : new RMSNorm(headDim, { eps });
    this.dropout = new Dropout(dropout, { rng });
  }

  forward(x: Tensor, options: AttendOptions = {}): Tensor {
    checkLayer("MultiHeadAttention", options, ["cache", "positions", "mask"]);
    const { cache, positions, mask } = options;
    let q = splitHeads(this.q_proj.forward(x), this.heads); //     [batch, heads, time, headDim]
    let k = splitHeads(this.k_proj.forward(x), this.kvHeads); //   [batch, kvHeads, time, headDim]
    let v = splitHeads(this.v_proj.forward(x), this.kvHeads);
    if (this.q_norm) q = this.q_norm.forward(q);
    if (this.k_norm) k = this.k_norm.forward(k);
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
