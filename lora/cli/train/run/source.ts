/** @file What a run learns from, as examples by number: windows of a text's tokens, or examples cut to a length. */

import { LowrankError, type Random } from "../../../../core/index.ts";
import { type Example, IGNORED } from "./records.ts";

/** Examples by number. */
export interface Source {
  /** Number of examples in a pass over the data. */
  readonly size: number;
  /** Tokens in a pass. */
  readonly tokens: number;
  /** Most tokens of an example. */
  readonly length: number;
  /** What it holds, in a few words: "120 windows of 128 tokens". */
  readonly description: string;
  /** An example of a pass, by its number. */
  at(index: number, pass: number): Example;
}

/**
 * Windows of a stream of tokens, each token in one of them. The windows of each pass begin at another place, so that
 * boundaries fall elsewhere.
 * @param name of the text, for messages
 * @throws LowrankError when there are fewer tokens than a window has
 */
export function windowSource(name: string, tokens: Int32Array, length: number, rng: Random): Source {
  if (tokens.length < length)
    throw new LowrankError(
      `${name}: ${tokens.length} tokens, and a window has ${length}: expected more text, or a smaller --length`,
    );
  const size = Math.floor(tokens.length / length);
  const offsetOf = (pass: number): number =>
    pass === 0 ? 0 : rng.split(pass).integer((tokens.length % length) + 1);
  return {
    size,
    length,
    tokens: size * length,
    description: `${size} ${size === 1 ? "window" : "windows"} of ${length} tokens`,
    at(index, pass) {
      const start = offsetOf(pass) + index * length;
      const ids = tokens.slice(start, start + length);
      return { ids, labels: ids };
    },
  };
}

/** Examples as they are. */
export function exampleSource(examples: readonly Example[]): Source {
  const length = Math.max(...examples.map(({ ids }) => ids.length));
  return {
    size: examples.length,
    length,
    tokens: examples.reduce((sum, { ids }) => sum + ids.length, 0),
    description: `${examples.length} ${examples.length === 1 ? "example" : "examples"} of up to ${length} tokens`,
    at: (index) => examples[index],
  };
}

/** Examples that were cut to `length` tokens, and how many were cut, or left out because nothing in them counts. */
export interface Cut {
  readonly examples: readonly Example[];
  readonly cut: number;
  readonly leftOut: number;
}

/** Cuts the end of examples that are longer than `length`, and leaves those out in which nothing counts then. */
export function cutExamples(examples: readonly Example[], length: number): Cut {
  const short = examples.map(({ ids, labels }) =>
    ids.length > length ? { ids: ids.slice(0, length), labels: labels.slice(0, length) } : { ids, labels },
  );
  const counting = short.filter((example) => countOf(example) > 0);
  return {
    examples: counting,
    cut: examples.filter(({ ids }) => ids.length > length).length,
    leftOut: short.length - counting.length,
  };
}

/** The number of tokens that the loss counts. The first is never predicted. */
export function countOf({ labels }: Example): number {
  let count = 0;
  for (let i = 1; i < labels.length; i++) if (labels[i] !== IGNORED) count++;
  return count;
}
