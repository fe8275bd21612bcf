/** @file Text as training data: a byte tokenizer, and batches of windows of a token stream. */

import { ArgumentError, type Indices, type Random } from "../../core/index.ts";

/** Converts text to token ids and back. */
export interface Tokenizer {
  /** Number of different tokens. */
  readonly vocabSize: number;
  encode(text: string): Int32Array;
  decode(ids: ArrayLike<number>): string;
}

/**
 * One token per UTF-8 byte: 256 tokens, for any text, without training. Bytes that are no UTF-8 decode to U+FFFD, and half
 * of a surrogate pair, which has no UTF-8, is encoded as U+FFFD.
 *
 * @example
 * byteTokenizer.decode(byteTokenizer.encode("Grüße")); // "Grüße"
 */
export const byteTokenizer: Tokenizer = {
  vocabSize: 256,
  encode(text) {
    if (typeof text !== "string") throw new ArgumentError("encode", "a string", { text });
    return Int32Array.from(new TextEncoder().encode(text));
  },
  /** @throws ArgumentError on an id that is no byte */
  decode(ids) {
    const isByte = (id: unknown): boolean =>
      Number.isInteger(id) && (id as number) >= 0 && (id as number) < 256;
    const wrong = Array.from(ids).findIndex((id) => !isByte(id));
    if (wrong >= 0) throw new ArgumentError("decode", "ids from 0 to 255", { [`ids[${wrong}]`]: ids[wrong] });
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(ids)); // ignoreBOM: true keeps the byte order mark
  },
};

/**
 * The windows of `length` tokens that begin at `starts`, as ids [starts.length, length].
 * @throws ArgumentError when a window is empty or not inside the stream
 */
export function windowsAt(tokens: Int32Array, length: number, starts: readonly number[]): Indices {
  checkLength("windowsAt", tokens, length);
  const data = new Int32Array(starts.length * length);
  starts.forEach((start, row) => {
    if (!Number.isSafeInteger(start) || start < 0 || start + length > tokens.length) {
      throw new ArgumentError("windowsAt", `starts from 0 to ${tokens.length - length}`, { start });
    }
    data.set(tokens.subarray(start, start + length), row * length);
  });
  return { data, shape: [starts.length, length] };
}

/**
 * `rows` windows at random places, a batch for training: ids [rows, length]. With a length of the model's context + 1, the
 * last token is a label only.
 *
 * @example
 * const tokens = byteTokenizer.encode(text);
 * fit(model, { batch: (step) => randomWindows(tokens, 65, 8, random(step)), loss: (ids) => model.loss(ids), … });
 * @throws ArgumentError when the stream is shorter than a window
 */
export function randomWindows(tokens: Int32Array, length: number, rows: number, rng: Random): Indices {
  checkLength("randomWindows", tokens, length);
  checkRows("randomWindows", rows);
  const starts = Array.from({ length: rows }, () => rng.integer(tokens.length - length + 1));
  return windowsAt(tokens, length, starts);
}

/** `rows` windows spread evenly over the stream, a batch for evaluation: the same ids [rows, length] at every call. */
export function evenWindows(tokens: Int32Array, length: number, rows: number): Indices {
  checkLength("evenWindows", tokens, length);
  checkRows("evenWindows", rows);
  const last = tokens.length - length;
  const starts = Array.from({ length: rows }, (_, i) => Math.floor((last * i) / Math.max(1, rows - 1)));
  return windowsAt(tokens, length, starts);
}

function checkLength(who: string, tokens: Int32Array, length: number): void {
  if (!Number.isSafeInteger(length) || length <= 0 || length > tokens.length) {
    throw new ArgumentError(who, `a window of 1 to ${tokens.length} tokens`, { length });
  }
}

function checkRows(who: string, rows: number): void {
  if (!Number.isSafeInteger(rows) || rows < 0)
    throw new ArgumentError(who, "rows a non-negative integer", { rows });
}
