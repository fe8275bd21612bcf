/**
 * @file Padding: the tokens that make rows of unequal length equal. Masks of 1 (token) and 0 (padding), as in
 * transformers, the scores that they hide, and the positions of the tokens among them.
 */

import { Tensor } from "../../autograd/index.ts";
import {
  array,
  checkIndices,
  type IndexLike,
  type Indices,
  ShapeError,
  sameShape,
} from "../../core/index.ts";
import { namedIndices } from "../module/options.ts";

/**
 * The mask of a call; null when there is none or it hides nothing.
 * @param attentionMask 1 for tokens, 0 for padding
 * @param ids [batch, time]
 * @param before number of positions in the cache, which the mask covers too: [batch, before + time]
 * @throws ShapeError on another shape; ArgumentError on other numbers than 0 and 1
 */
export function checkMask(
  who: string,
  attentionMask: IndexLike | undefined,
  ids: Indices,
  before = 0,
): Indices | null {
  if (attentionMask === undefined) return null;
  const mask = namedIndices(`${who}: attentionMask, 1 (token) or 0 (padding)`, attentionMask);
  const [batch, time] = ids.shape;
  if (!sameShape(mask.shape, [batch, before + time])) {
    const expected =
      before > 0
        ? `attentionMask [batch, ${before} in the cache + time], of 1 (token) and 0 (padding)`
        : "attentionMask [batch, time], of 1 (token) and 0 (padding)";
    throw new ShapeError(who, expected, { attentionMask: mask.shape, ids: ids.shape });
  }
  checkIndices(`${who}: attentionMask, 1 (token) or 0 (padding)`, mask, 2);
  return mask.data.includes(0) ? mask : null;
}

/** What is added to the attention scores of an encoder, [batch, 1, 1, keys]: −∞ at keys that are padding, else 0. */
export function paddingScores({ data, shape: [batch, keys] }: Indices): Tensor {
  const scores = Float32Array.from(data, (isToken) => (isToken ? 0 : -Infinity));
  return new Tensor(array(scores, [batch, 1, 1, keys]));
}

/**
 * What is added to the attention scores of a decoder, whose queries are the last `time` of the keys: −∞ at keys that are
 * padding, else 0. Where rows begin with padding, [batch, 1, time, keys], and their queries that are padding themselves
 * see all keys up to their own: what they compute means nothing, and no query is left without a key, which would need
 * copies of all scores. Otherwise [batch, 1, 1, keys].
 */
export function causalPaddingScores(mask: Indices, time: number): Tensor {
  const { data, shape } = mask;
  const [batch, keys] = shape;
  const beginsWithPadding = Array.from({ length: batch }, (_, row) => data[row * keys] === 0).includes(true);
  if (!beginsWithPadding) return paddingScores(mask);
  const scores = new Float32Array(batch * time * keys);
  for (let query = 0; query < batch * time; query++) {
    const row = Math.floor(query / time) * keys;
    if (data[row + keys - time + (query % time)] === 0) continue;
    for (let key = 0; key < keys; key++) if (data[row + key] === 0) scores[query * keys + key] = -Infinity;
  }
  return new Tensor(array(scores, [batch, 1, time, keys]));
}

/**
 * The positions of the last `time` columns of a mask [batch, keys]: each row's tokens count from 0, and padding has the
 * position of the token before it, or 0.
 */
export function positionsUnder({ data, shape: [batch, keys] }: Indices, time: number): Indices {
  const at = new Int32Array(batch * time);
  for (let row = 0; row < batch; row++) {
    let tokens = 0;
    for (let key = 0; key < keys; key++) {
      tokens += data[row * keys + key];
      const t = key - (keys - time);
      if (t >= 0) at[row * time + t] = Math.max(0, tokens - 1);
    }
  }
  return { data: at, shape: [batch, time] };
}

/** The largest number of tokens in a row of a mask. */
export function longestRow({ data, shape: [batch, keys] }: Indices): number {
  const tokens = (row: number): number =>
    data.subarray(row * keys, (row + 1) * keys).reduce((sum, isToken) => sum + isToken, 0);
  return Math.max(0, ...Array.from({ length: batch }, (_, row) => tokens(row)));
}

/**
 * The label of each position but the last, [batch, time − 1]: that of the row's next token, or `ignore` where the position
 * is padding or no token follows. So a row's labels are those that it has without its padding.
 */
export function labelsUnder(mask: Indices, labels: Indices, ignore: number): Indices {
  const [batch, time] = mask.shape;
  const next = new Int32Array(batch * (time - 1)).fill(ignore);
  for (let row = 0; row < batch; row++) {
    let following = ignore;
    for (let t = time - 1; t >= 0; t--) {
      if (mask.data[row * time + t] === 0) continue;
      if (t < time - 1) next[row * (time - 1) + t] = following;
      following = labels.data[row * time + t];
    }
  }
  return { data: next, shape: [batch, time - 1] };
}
