/** @file Batches of examples of unequal length, in an order that follows from the seed and the step alone. */

import { type Indices, type Random, random } from "../../../../core/index.ts";
import { type Example, IGNORED } from "./records.ts";
import type { Source } from "./source.ts";

/** Examples as rows, those that are shorter filled up on the right. */
export interface Batch {
  readonly ids: Indices; // [rows, time]
  /** −100 where nothing counts: at padding, and where the example says so. */
  readonly labels: Indices; // [rows, time]
}

/**
 * Examples as a batch. Padding on the right needs no attention mask in a model whose tokens see only those before them.
 * @param padding the id that stands where there is no token
 */
export function batchOf(examples: readonly Example[], padding: number): Batch {
  const time = Math.max(...examples.map(({ ids }) => ids.length));
  const shape = [examples.length, time];
  const ids = new Int32Array(examples.length * time).fill(padding);
  const labels = new Int32Array(ids.length).fill(IGNORED);
  examples.forEach((example, row) => {
    ids.set(example.ids, row * time);
    labels.set(example.labels, row * time);
  });
  return { ids: { data: ids, shape }, labels: { data: labels, shape } };
}

/** How a step is put together. */
export interface BatchOptions {
  readonly batchSize: number;
  readonly accumulate: number;
  readonly seed: number;
}

/**
 * The examples of part `part` of step `step`. Each pass over the data goes through all examples in an order of its own.
 */
export function order(
  source: Source,
  { batchSize, accumulate, seed }: BatchOptions,
): (step: number, part: number) => Example[] {
  const rng = random(seed).split("order");
  const permutation = remembered((pass: number) => rng.split(pass).permutation(source.size));
  return (step, part) =>
    Array.from({ length: batchSize }, (_, row) => {
      const n = (step * accumulate + part) * batchSize + row;
      const pass = Math.floor(n / source.size);
      return source.at(permutation(pass)[n % source.size], pass);
    });
}

/** The last few results of a function of a number. */
function remembered<T>(fn: (n: number) => T): (n: number) => T {
  const known = new Map<number, T>();
  return (n) => {
    const before = known.get(n);
    if (before !== undefined) return before;
    if (known.size > 3) known.clear();
    const value = fn(n);
    known.set(n, value);
    return value;
  };
}

/** The generator of the places at which a pass's windows begin. */
export const windowRandom = (seed: number): Random => random(seed).split("windows");
