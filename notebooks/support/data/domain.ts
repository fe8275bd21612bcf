/**
 * @file Domains: batches of token ids for training, and held-out batches for validation. A text becomes windows at
 * random places; a generated task becomes rows of prompt and completion.
 */
import { createHash } from "node:crypto";
import type { Indices, Random } from "lowrank/core";
import { type Example, examples, split, type Task } from "./tasks.ts";
import { type HoldOut, holdOut } from "./text.ts";

/** Ids [rows, time + 1], and labels of the same shape, −100 where no prediction counts. */
export interface Batch {
  readonly ids: Indices;
  readonly labels: Indices;
}

export interface Domain {
  readonly name: string;
  /** A hash of the text or of the examples. */
  readonly hash: string;
  /** A training batch of `rows` rows, drawn with `random`. */
  batch(rows: number, random: Random): Batch;
  /** The held-out batches. */
  readonly validation: readonly Batch[];
}

/** Symbols of the texts here: the line feed and the 95 printable ASCII characters. */
export const VOCABULARY = 96;

/** The label of a position whose prediction does not count. */
export const IGNORED = -100;
const VALIDATION_ROWS = 32; // rows of a validation batch

/** The ids of `text`: 0 for the line feed, 1 … 95 for space … ~. @throws RangeError on any other character */
export function encode(text: string): Int32Array {
  return Int32Array.from({ length: text.length }, (_, i) => {
    const code = text.charCodeAt(i);
    if (code === 10) return 0;
    if (code < 32 || code > 126)
      throw new RangeError(`encode: expected printable ASCII; got code ${code} at ${i}`);
    return code - 31;
  });
}

/** The characters of `ids`. */
export function decode(ids: ArrayLike<number>): string {
  return Array.from(ids, (id) => (id === 0 ? "\n" : String.fromCharCode(id + 31))).join("");
}

export interface TextOptions {
  /** Tokens of a window less one. */
  readonly time: number;
  /** Number of validation windows, evenly spaced in the held-out part; no two overlap. */
  readonly windows: number;
  /** The ids of a text. @default one for each character, as in `encode` */
  readonly encode?: (text: string) => Int32Array;
  /** How the text is divided. @default every tenth block of 2,000 characters is held out */
  readonly held?: HoldOut;
}

/**
 * A text as windows of `time` + 1 tokens, at random places of its larger part for training.
 *
 * @throws RangeError if the text is too short for that
 */
export function textDomain(
  name: string,
  text: string,
  { time, windows, encode: idsOf = encode, held: how }: TextOptions,
): Domain {
  const { train, validation } = holdOut(text, how);
  const [learned, held] = [idsOf(train), idsOf(validation)];
  const width = time + 1;
  const spacing = Math.floor(held.length / windows);
  if (spacing < width || learned.length < width)
    throw new RangeError(
      `${name}: expected a text with ${windows} windows of ${width} tokens in its held-out part of ${held.length}`,
    );
  const at = (ids: Int32Array, starts: readonly number[]): Batch => {
    const data = new Int32Array(starts.length * width);
    starts.forEach((start, row) => {
      data.set(ids.subarray(start, start + width), row * width);
    });
    const rows = { data, shape: [starts.length, width] };
    return { ids: rows, labels: rows };
  };
  return {
    name,
    hash: hashOf(text),
    batch: (rows, random) =>
      at(
        learned,
        Array.from({ length: rows }, () => random.integer(learned.length - width + 1)),
      ),
    validation: inBatches(
      Array.from({ length: windows }, (_, i) => i * spacing),
      (starts) => at(held, starts),
    ),
  };
}

/**
 * A task as rows of fresh examples, none of which has a prompt of the validation examples. Only predictions of the
 * completion count. Rows are filled up with line feeds.
 *
 * @param options.test number of validation examples
 * @throws RangeError when an example does not fit into `time` + 1 characters
 */
export function taskDomain(
  task: Task,
  { time, test, random }: { readonly time: number; readonly test: number; readonly random: Random },
): Domain {
  const held = split(task, { train: 0, test }, random).test;
  const kept = new Set(held.map(({ prompt }) => prompt));
  const fresh = (source: Random): Example => {
    let example = task.sample(source);
    while (kept.has(example.prompt)) example = task.sample(source);
    return example;
  };
  const rows = (list: readonly Example[]): Batch => {
    const shape = [list.length, time + 1];
    const ids = new Int32Array(shape[0] * shape[1]); // line feeds
    const labels = new Int32Array(ids.length).fill(IGNORED);
    list.forEach(({ prompt, completion }, row) => {
      const line = encode(prompt + completion);
      if (line.length > shape[1])
        throw new RangeError(
          `${task.name}: expected at most ${shape[1]} characters; got ${line.length}: ${prompt}`,
        );
      ids.set(line, row * shape[1]);
      labels.set(line.subarray(prompt.length), row * shape[1] + prompt.length);
    });
    return { ids: { data: ids, shape }, labels: { data: labels, shape } };
  };
  return {
    name: task.name,
    hash: hashOf(JSON.stringify([held, examples(task, 1000, random)])),
    batch: (count, source) => rows(Array.from({ length: count }, () => fresh(source))),
    validation: inBatches(held, rows),
  };
}

/** Number of labels of a batch that count; the first of a row does not, since no position predicts it. */
export function countedLabels({ labels: { data, shape } }: Batch): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) if (i % shape[1] > 0 && data[i] !== IGNORED) count++;
  return count;
}

function inBatches<T>(list: readonly T[], make: (part: readonly T[]) => Batch): Batch[] {
  const count = Math.ceil(list.length / VALIDATION_ROWS);
  return Array.from({ length: count }, (_, i) =>
    make(list.slice(i * VALIDATION_ROWS, (i + 1) * VALIDATION_ROWS)),
  );
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
