/** @file The interface of decoder language models, which `generate` uses, and the next-token loss. */

import {
  crossEntropy,
  type Head,
  type LinearCrossEntropyOptions,
  linearCrossEntropy,
  slice,
  type Tensor,
} from "../../autograd/index.ts";
import {
  ArgumentError,
  type IndexLike,
  type Indices,
  type Random,
  ShapeError,
  sameShape,
} from "../../core/index.ts";
import type { KeyValueCache } from "../layers/cache.ts";
import {
  causalPaddingScores,
  checkMask,
  labelsUnder,
  longestRow,
  positionsUnder,
} from "../layers/padding.ts";
import type { Module } from "../module/module.ts";
import { checkLayer, namedIndices } from "../module/options.ts";

/** The options of the models' constructors. */
export interface ModelOptions {
  /** Generator of the initial weights and of dropout's seeds. @default that of `manualSeed` */
  readonly rng?: Random;
}

/** The options of a language model's `forward`. */
export interface DecodeOptions {
  /** Keys and values of the tokens before `ids`; those of `ids` are added to it. Use it inside `noGrad`. @default none */
  readonly cache?: KeyValueCache;
  /**
   * 1 for tokens, 0 for padding, on either side: [batch, time], with a cache [batch, cached + time]. No token attends to
   * padding, so that each row's logits at its tokens are those that it has alone; what stands at padding means nothing,
   * and is finite.
   * @default all are tokens
   */
  readonly attentionMask?: IndexLike;
  /**
   * Position of each token, [time] or [batch, time]. @default counted from the end of the cache; under an attentionMask
   * with padding, each row's tokens count from 0, as in the `generate` of transformers
   */
  readonly positions?: IndexLike;
  /**
   * True: logits of the last position only, [batch, 1, vocab]; in a row that ends with padding they mean nothing.
   * @default false
   */
  readonly lastOnly?: boolean;
}

/** A causal language model: the logits at a position depend on the tokens up to this position. */
export interface LanguageModel extends Module {
  /** Most tokens of an input. */
  readonly contextLength: number;
  /** ids [batch, time] → logits [batch, time, vocab]. */
  forward(ids: IndexLike, options?: DecodeOptions): Tensor;
  /**
   * ids [batch, time] → the hidden states [batch, time, d] before the head. A class that defines it guarantees that its
   * `forward` is `lm_head` of them; then the loss computes the logits in chunks and never holds all of them.
   */
  hiddenStates?(ids: IndexLike, options?: DecodeOptions): Tensor;
  readonly lm_head?: Head;
}

/** A language model, or an object with one as its `model`, such as a model with adapters. */
export type LanguageModelHolder = LanguageModel | { readonly model: LanguageModel };

/** The language model itself. @param who the calling function, for messages @throws ArgumentError when there is none */
export function languageModelIn(who: string, holder: LanguageModelHolder): LanguageModel {
  const isModel = (value: unknown): value is LanguageModel =>
    typeof (value as Partial<LanguageModel> | null | undefined)?.forward === "function" &&
    typeof (value as LanguageModel).contextLength === "number";
  if (isModel(holder)) return holder;
  const inner: unknown = (holder as { model?: unknown } | null | undefined)?.model;
  if (isModel(inner)) return inner;
  throw new ArgumentError(
    who,
    "a language model, with contextLength and forward, or what holds one as its model",
    {
      model: (holder as object | null | undefined)?.constructor?.name ?? holder,
    },
  );
}

/** The options of `nextTokenLoss`. */
export interface NextTokenLossOptions extends LinearCrossEntropyOptions {
  /** 1 for tokens, 0 for padding, [batch, time]. @default all are tokens */
  readonly attentionMask?: IndexLike;
}

/**
 * The mean of −log p(labels[t + 1] | ids[… t]): each position predicts the next, as in transformers.
 *
 * Under an `attentionMask` padding counts neither as a label nor as a position that predicts: the loss is the mean over the
 * labels that the rows have without their padding, and 0, with a warning, where none has any. (In transformers the
 * labels at padding are to be −100, and under left padding a row's first token then counts, predicted from padding.)
 *
 * @example
 * nextTokenLoss(model, [[1, 2, 3, 4]]).backward();
 * nextTokenLoss(model, [[0, 1, 2], [3, 4, 5]], undefined, { attentionMask: [[0, 1, 1], [1, 1, 1]] }).backward();
 * @param ids [batch, time]. The last token is only a label, so that time may be contextLength + 1
 * @param labels [batch, time]; labels equal to `ignoreIndex` (by default −100) do not count
 * @param given `attentionMask`, and options of the cross-entropy; see `linearCrossEntropy`, which computes it for a model
 *   with `hiddenStates`
 * @throws ArgumentError when `holder` is no language model; ShapeError when ids have fewer than 2 tokens, or labels or
 *   attentionMask another shape
 */
export function nextTokenLoss(
  holder: LanguageModelHolder,
  ids: IndexLike,
  labels: IndexLike = ids,
  given: NextTokenLossOptions = {},
): Tensor {
  const model = languageModelIn("loss", holder);
  checkLayer("loss", given, ["attentionMask", "chunkBytes", "ignoreIndex", "labelSmoothing", "reduction"]);
  const { attentionMask, ...options } = given;
  const [tokens, targets] = [namedIndices("loss: ids", ids), namedIndices("loss: labels", labels)];
  if (tokens.shape.length !== 2 || tokens.shape[1] < 2 || !sameShape(tokens.shape, targets.shape)) {
    throw new ShapeError("loss", "ids [batch, time] of at least 2 tokens, and labels of the same shape", {
      ids: tokens.shape,
      labels: targets.shape,
    });
  }
  const time = tokens.shape[1];
  const mask = checkMask("loss", attentionMask, tokens);
  const read = columns(tokens, 0, time - 1);
  const next = mask ? labelsUnder(mask, targets, options.ignoreIndex ?? -100) : columns(targets, 1, time);
  const decode: DecodeOptions = mask ? { attentionMask: columns(mask, 0, time - 1) } : {};
  const head = headOf(model);
  if (head) return linearCrossEntropy(head.states(read, decode), head.layer, next, options);
  const { chunkBytes: _, ...rest } = options;
  return crossEntropy(model.forward(read, decode), next, rest);
}

/**
 * The head with which `forward` computes logits from `hiddenStates`; null when that is not certain, because a subclass or
 * the object itself overrides one of the two methods.
 */
function headOf(
  model: LanguageModel,
): { states(ids: IndexLike, options: DecodeOptions): Tensor; layer: Head } | null {
  let owner = Object.getPrototypeOf(model);
  while (owner && !Object.hasOwn(owner, "hiddenStates")) owner = Object.getPrototypeOf(owner);
  if (!owner || !Object.hasOwn(owner, "forward")) return null;
  const own = model.forward === owner.forward && model.hiddenStates === owner.hiddenStates;
  const { lm_head: layer } = model;
  if (!own || typeof layer?.outFeatures !== "number") return null;
  return { states: (ids, options) => owner.hiddenStates.call(model, ids, options), layer };
}

/** ids[:, start … end − 1]. */
function columns({ data, shape: [rows, n] }: Indices, start: number, end: number): Indices {
  const width = end - start;
  const part = new Int32Array(rows * width);
  for (let row = 0; row < rows; row++) part.set(data.subarray(row * n + start, row * n + end), row * width);
  return { data: part, shape: [rows, width] };
}

/** What a decoder reads in one call. */
export interface DecoderInput {
  /** [batch, time] */
  readonly tokens: Indices;
  /** The position of each token, [time] or [batch, time]. */
  readonly at: Indices;
  /** What to add to the attention scores, [batch, 1, 1 or time, keys]; undefined where there is no padding. */
  readonly mask: Tensor | undefined;
  /** Number of tokens of the longest row, those in the cache included. */
  readonly length: number;
}

/**
 * Token ids, the position of each, and the mask that hides padding.
 * @throws ShapeError unless ids has two axes and at least one token, and on positions or a mask of another shape;
 *   ArgumentError past the context's end, and without a mask when the cache holds padding
 */
export function tokensAndPositions(
  who: string,
  ids: IndexLike,
  options: DecodeOptions,
  contextLength: number,
): DecoderInput {
  checkLayer(who, options, ["cache", "attentionMask", "positions", "lastOnly"]);
  const { cache, attentionMask, positions } = options;
  const tokens = namedIndices(`${who}: ids`, ids);
  if (tokens.shape.length !== 2 || tokens.shape[1] === 0)
    throw new ShapeError(who, "ids [batch, time] with at least one token", { ids: tokens.shape });
  const [batch, time] = tokens.shape;
  const before = cache?.length ?? 0;
  const mask = checkMask(who, attentionMask, tokens, before);
  if (cache?.hasPadding && attentionMask === undefined)
    throw new ArgumentError(who, "attentionMask [batch, cached + time], since the cache holds padding", {
      attentionMask,
      "in the cache": before,
    });
  const at = namedIndices(
    `${who}: positions`,
    positions ?? (mask ? positionsUnder(mask, time) : Array.from({ length: time }, (_, t) => before + t)),
  );
  if (!sameShape(at.shape, [time]) && !sameShape(at.shape, [batch, time]))
    throw new ShapeError(who, "positions [time] or [batch, time]", {
      positions: at.shape,
      ids: tokens.shape,
    });
  const length = mask ? longestRow(mask) : before + time;
  if (length > contextLength) {
    throw new ArgumentError(who, `at most ${contextLength} tokens, those in the cache included`, {
      time,
      "in the cache": before,
    });
  }
  if (cache && mask) cache.hasPadding = true;
  return { tokens, at, mask: mask ? causalPaddingScores(mask, time) : undefined, length };
}

/** The last position of x [batch, time, d], as [batch, 1, d]. */
export const lastPosition = (x: Tensor): Tensor => slice(x, 1, x.shape[1] - 1);
