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
  indices,
  type Random,
  ShapeError,
  sameShape,
} from "../../core/index.ts";
import type { KeyValueCache } from "../layers/cache.ts";
import type { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";

/** The options of the models' constructors. */
export interface ModelOptions {
  /** Generator of the initial weights and of dropout's seeds. @default that of `manualSeed` */
  readonly rng?: Random;
}

/** The options of a language model's `forward`. */
export interface DecodeOptions {
  /** Keys and values of the tokens before `ids`; those of `ids` are added to it. Use it inside `noGrad`. @default none */
  readonly cache?: KeyValueCache;
  /** Position of each token, [time] or [batch, time]. @default counted from the end of the cache */
  readonly positions?: IndexLike;
  /** True: logits of the last position only, [batch, 1, vocab]. @default false */
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

/**
 * The mean of −log p(labels[t + 1] | ids[… t]): each position predicts the next, as in transformers.
 *
 * @example
 * nextTokenLoss(model, [[1, 2, 3, 4]]).backward();
 * @param ids [batch, time]. The last token is only a label, so that time may be contextLength + 1
 * @param labels [batch, time]; labels equal to `ignoreIndex` (by default −100) do not count
 * @param options of the cross-entropy; see `linearCrossEntropy`, which computes it for a model with `hiddenStates`
 * @throws ArgumentError when `holder` is no language model; ShapeError when ids have fewer than 2 tokens, or labels another
 *   shape
 */
export function nextTokenLoss(
  holder: LanguageModelHolder,
  ids: IndexLike,
  labels: IndexLike = ids,
  options: LinearCrossEntropyOptions = {},
): Tensor {
  const model = languageModelIn("loss", holder);
  checkLayer("loss", options, ["chunkBytes", "ignoreIndex", "labelSmoothing", "reduction"]);
  const [tokens, targets] = [indices(ids), indices(labels)];
  if (tokens.shape.length !== 2 || tokens.shape[1] < 2 || !sameShape(tokens.shape, targets.shape)) {
    throw new ShapeError("loss", "ids [batch, time] of at least 2 tokens, and labels of the same shape", {
      ids: tokens.shape,
      labels: targets.shape,
    });
  }
  const time = tokens.shape[1];
  const [read, next] = [columns(tokens, 0, time - 1), columns(targets, 1, time)];
  const head = headOf(model);
  if (head) return linearCrossEntropy(head.states(read), head.layer, next, options);
  const { chunkBytes: _, ...rest } = options;
  return crossEntropy(model.forward(read), next, rest);
}

/**
 * The head with which `forward` computes logits from `hiddenStates`; null when that is not certain, because a subclass or
 * the object itself overrides one of the two methods.
 */
function headOf(model: LanguageModel): { states(ids: IndexLike): Tensor; layer: Head } | null {
  let owner = Object.getPrototypeOf(model);
  while (owner && !Object.hasOwn(owner, "hiddenStates")) owner = Object.getPrototypeOf(owner);
  if (!owner || !Object.hasOwn(owner, "forward")) return null;
  const own = model.forward === owner.forward && model.hiddenStates === owner.hiddenStates;
  const { lm_head: layer } = model;
  if (!own || typeof layer?.outFeatures !== "number") return null;
  return { states: (ids) => owner.hiddenStates.call(model, ids), layer };
}

/** ids[:, start … end − 1]. */
function columns({ data, shape: [rows, n] }: Indices, start: number, end: number): Indices {
  const width = end - start;
  const part = new Int32Array(rows * width);
  for (let row = 0; row < rows; row++) part.set(data.subarray(row * n + start, row * n + end), row * width);
  return { data: part, shape: [rows, width] };
}

/**
 * Token ids [batch, time], and the position of each.
 * @throws ShapeError unless ids has two axes and at least one token; ArgumentError past the context's end
 */
export function tokensAndPositions(
  who: string,
  ids: IndexLike,
  options: DecodeOptions,
  contextLength: number,
): { tokens: Indices; at: Indices } {
  checkLayer(who, options, ["cache", "positions", "lastOnly"]);
  const { cache, positions } = options;
  const tokens = indices(ids);
  if (tokens.shape.length !== 2 || tokens.shape[1] === 0)
    throw new ShapeError(who, "ids [batch, time] with at least one token", { ids: tokens.shape });
  const [batch, time] = tokens.shape;
  const before = cache?.length ?? 0;
  const at = indices(positions ?? Array.from({ length: time }, (_, t) => before + t));
  if (!sameShape(at.shape, [time]) && !sameShape(at.shape, [batch, time]))
    throw new ShapeError(who, "positions [time] or [batch, time]", {
      positions: at.shape,
      ids: tokens.shape,
    });
  if (before + time > contextLength) {
    throw new ArgumentError(who, `at most ${contextLength} tokens, those in the cache included`, {
      time,
      "in the cache": before,
    });
  }
  return { tokens, at };
}

/** The last position of x [batch, time, d], as [batch, 1, d]. */
export const lastPosition = (x: Tensor): Tensor => slice(x, 1, x.shape[1] - 1);
