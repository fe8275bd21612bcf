/** @file Text as data: a byte tokenizer, and windows of a token stream as batches. */

import { ArgumentError, type Indices, type Random } from "../core/index.ts";

/** Turns text into token ids and back. */
export interface Tokenizer {
  readonly vocabSize: number;
  encode(text: string): Int32Array;
  decode(ids: ArrayLike<number>): string;
}

/** One token per UTF-8 byte: 256 tokens, any text, nothing to train. Bytes that are no UTF-8 decode to U+FFFD. */
export const byteTokenizer: Tokenizer = {
  vocabSize: 256,
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
};

/** The windows of `length` tokens that begin at `starts`, as ids [starts, length]. */
export function windowsAt(tokens: Int32Array, length: number, starts: readonly number[]): Indices {
  const data = new Int32Array(starts.length * length);
  starts.forEach((start, row) => {
    if (!(start >= 0 && start + length <= tokens.length)) {
      throw new ArgumentError("windowsAt", `starts from 0 to ${tokens.length - length}`, { start });
    }
    data.set(tokens.subarray(start, start + length), row * length);
  });
  return { data, shape: [starts.length, length] };
}

/** `rows` windows at random places: a batch for training. With `length` = context + 1 the last token is only predicted. */
export function randomWindows(tokens: Int32Array, length: number, rows: number, rng: Random): Indices {
  checkLength("randomWindows", tokens, length);
  const starts = Array.from({ length: rows }, () => rng.integer(tokens.length - length + 1));
  return windowsAt(tokens, length, starts);
}

/** `rows` windows evenly spread over the stream: a batch for evaluation, the same at every call. */
export function evenWindows(tokens: Int32Array, length: number, rows: number): Indices {
  checkLength("evenWindows", tokens, length);
  const last = tokens.length - length;
  const starts = Array.from({ length: rows }, (_, i) => Math.floor((last * i) / Math.max(1, rows - 1)));
  return windowsAt(tokens, length, starts);
}

function checkLength(who: string, tokens: Int32Array, length: number): void {
  if (!Number.isSafeInteger(length) || length <= 0 || length > tokens.length) {
    throw new ArgumentError(who, `a window of 1 to ${tokens.length} tokens`, { length });
  }
}
