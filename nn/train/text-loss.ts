/**
 * @file textLoss: how well a language model predicts a text of any length, in windows that overlap.
 *
 *     tokens        0 1 2 3 4 5 6 7 8 9
 *     window 1      · 1 2 3 4 5              length 6, stride 3: each window scores the tokens that are new in it,
 *     window 2            · · · 6 7 8        with at least length − stride tokens before them
 *     window 3                  · · · 9
 */

import { noGrad } from "../../autograd/index.ts";
import {
  ArgumentError,
  checkOptions,
  type IndexLike,
  type Indices,
  indices,
  ShapeError,
  scope,
} from "../../core/index.ts";
import { type LanguageModelHolder, languageModelIn, nextTokenLoss } from "../models/language-model.ts";
import { evaluated } from "../module/evaluated.ts";

/** The options of `textLoss`. */
export interface TextLossOptions {
  /** Tokens of a window. @default the model's context */
  readonly length?: number;
  /** Tokens by which the next window begins later: 1 gives every token the most context, length − 1 is fastest. @default half of length */
  readonly stride?: number;
  /** Windows that are computed at once. @default 8 */
  readonly batch?: number;
  /** Called after each batch with the number of windows that are done, and of all. */
  readonly onProgress?: (done: number, windows: number) => void;
}

/** What `textLoss` returns. */
export interface TextLoss {
  /** Number of tokens that were predicted: all but the first. */
  readonly tokens: number;
  /** The mean of −log p(token | tokens before), in nats. */
  readonly loss: number;
  /** Standard error of the mean: the standard deviation over √tokens. Neighbours are not independent, so it is a lower bound. */
  readonly standardError: number;
  /** e to the loss. */
  readonly perplexity: number;
  /** −log p of each token but the first, [tokens]. */
  readonly losses: Float64Array;
}

const names = ["length", "stride", "batch", "onProgress"];
const elsewhere = { max_length: "length", maxLength: "length", batch_size: "batch", batchSize: "batch" };

/**
 * The loss of a text: every token after the first is predicted once, from the tokens before it in its window. The windows
 * are those of transformers' guide to perplexity, and a text that fits into one has the loss of `nextTokenLoss`.
 *
 * @example
 * const { perplexity } = textLoss(model, tokenizer.encode(text), { stride: 256 });
 * @param holder the model, or an object with one as its `model`, such as a model with adapters
 * @param ids the text's token ids, [n], n ≥ 2
 * @throws ShapeError when ids is no list of 2 or more; ArgumentError when length is not from 2 to the model's context,
 *   stride not from 1 to length − 1, or an id is out of the vocabulary
 */
export function textLoss(
  holder: LanguageModelHolder,
  ids: IndexLike,
  options: TextLossOptions = {},
): TextLoss {
  const model = languageModelIn("textLoss", holder);
  checkOptions("textLoss", options, names, elsewhere);
  const { data, shape } = indices(ids);
  const n = shape[0];
  if (shape.length !== 1 || n < 2)
    throw new ShapeError("textLoss", "ids [n] of at least 2 tokens", { ids: shape });
  const { length = model.contextLength, batch = 8, onProgress } = options;
  checkWhole("length", length, 2, model.contextLength);
  const { stride = Math.max(1, Math.floor(length / 2)) } = options;
  checkWhole("stride", stride, 1, length - 1);
  checkWhole("batch", batch, 1, Number.MAX_SAFE_INTEGER);

  const windows = windowsOver(n, length, stride);
  const losses = new Float64Array(n - 1);
  evaluated(model, () => {
    for (let done = 0; done < windows.length; ) {
      const size = windows[done].end - windows[done].start;
      const rows = windows.slice(done, done + batch).filter(({ start, end }) => end - start === size);
      scope(() => noGrad(() => scoreInto(losses, model, data, rows)));
      done += rows.length;
      onProgress?.(done, windows.length);
    }
  });
  const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
  const squares = losses.reduce((sum, value) => sum + (value - loss) ** 2, 0);
  const standardError = losses.length > 1 ? Math.sqrt(squares / (losses.length - 1) / losses.length) : 0;
  return { tokens: losses.length, loss, standardError, perplexity: Math.exp(loss), losses };
}

/** A window [start, end), which scores the tokens from `fresh` on. */
interface Window {
  readonly start: number;
  readonly end: number;
  readonly fresh: number;
}

/** The windows over n tokens; only the last may be shorter than the others. */
function windowsOver(n: number, length: number, stride: number): Window[] {
  const windows: Window[] = [];
  let fresh = 1;
  for (let start = 0; fresh < n; start += stride) {
    const end = Math.min(start + length, n);
    windows.push({ start, end, fresh });
    fresh = end;
  }
  return windows;
}

/** Computes the losses of windows of one length, and puts those of their fresh tokens into their places. */
function scoreInto(
  losses: Float64Array,
  model: LanguageModelHolder,
  data: Int32Array,
  rows: readonly Window[],
): void {
  const size = rows[0].end - rows[0].start;
  const ids: Indices = { data: new Int32Array(rows.length * size), shape: [rows.length, size] };
  for (const [row, { start, end }] of rows.entries()) ids.data.set(data.subarray(start, end), row * size);
  const each = nextTokenLoss(model, ids, ids, { reduction: "none" }).value.data; // [rows, size − 1]
  for (const [row, { start, end, fresh }] of rows.entries()) {
    for (let at = fresh; at < end; at++) losses[at - 1] = each[row * (size - 1) + at - start - 1];
  }
}

function checkWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const upTo = most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`;
  throw new ArgumentError("textLoss", `${name} a whole number from ${least}${upTo}`, { [name]: value });
}
