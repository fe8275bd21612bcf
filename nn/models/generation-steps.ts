/** @file The steps of a generation: reads what is new, chooses each row's next token, until all rows have ended. */

import type { Tensor } from "../../autograd/index.ts";
import {
  checkIndices,
  type FloatArray,
  type Indices,
  type Random,
  random,
  ShapeError,
  scope,
  synchronous,
} from "../../core/index.ts";
import { KeyValueCache } from "../layers/cache.ts";
import type { LanguageModel } from "./language-model.ts";
import type { PromptRows } from "./prompts.ts";
import { choose, type SamplingOptions } from "./sampling.ts";

/** The options that the steps need, of `GenerateOptions`. */
interface StepOptions extends SamplingOptions {
  readonly maxNewTokens: number;
  readonly useCache?: boolean;
  readonly rng?: Random;
  readonly seed?: number;
}

/** A generation whose arguments are checked. */
export interface GenerationTask {
  readonly model: LanguageModel;
  readonly prompts: PromptRows;
  readonly options: StepOptions;
  /** Whether a row ends with its last token. */
  readonly isEnd: (prompt: readonly number[], continuation: readonly number[]) => boolean;
}

/** Yields each step's tokens, null for rows that have ended. To be run inside `evaluated`. */
export function* generationSteps({
  model,
  prompts,
  options,
  isEnd,
}: GenerationTask): Generator<(number | null)[], void, void> {
  const { maxNewTokens, useCache = true, rng = random(options.seed ?? 0) } = options;
  const rows = prompts.rows.map((row) => [...row]);
  const length = Math.max(0, ...rows.map((row) => row.length));
  const padding = rows.map((row) => length - row.length);
  const isPadded = padding.some((n) => n > 0); // else what follows a row's end needs no mask: nobody reads it
  const ended = rows.map((row) => row.length === 0 || row.length >= model.contextLength);
  const cache = useCache ? new KeyValueCache() : undefined;

  for (let n = 0; n < maxNewTokens && ended.includes(false); n++) {
    const end = length + n;
    const start = cache?.length ?? 0;
    const next = scope(() => {
      const unread = columnsOf(rows, padding, start, end);
      const masked = isPadded ? { attentionMask: maskOf(rows, padding, end) } : {};
      const logits = model.forward(unread, { cache, lastOnly: true, ...masked });
      const last = lastLogits(logits, rows.length, end - start);
      if (n === 0) checkIndices("generate: ids", unread, last[0].length);
      return last.map((row, i) => (rows[i].length === 0 ? 0 : choose(row, options, rng, rows[i])));
    });
    const step = next.map((token, i) => (ended[i] ? null : token));
    for (const [i, token] of step.entries()) {
      if (token === null) continue;
      rows[i].push(token);
      const isFull = rows[i].length >= model.contextLength;
      ended[i] = isFull || isEnd(prompts.rows[i], rows[i].slice(prompts.rows[i].length));
    }
    yield step;
  }
}

type Rows = readonly (readonly number[])[];

/** The columns start … end − 1 of rows with so much padding before each: zeros; after a row's end its last token. */
function columnsOf(rows: Rows, padding: readonly number[], start: number, end: number): Indices {
  const width = end - start;
  const data = Int32Array.from({ length: rows.length * width }, (_, i) => {
    const row = Math.floor(i / width);
    const at = start + (i % width) - padding[row];
    return at < 0 ? 0 : (rows[row][at] ?? rows[row].at(-1) ?? 0);
  });
  return { data, shape: [rows.length, width] };
}

/** The mask [batch, keys] of rows with so much padding before each. */
function maskOf(rows: Rows, padding: readonly number[], keys: number): Indices {
  const data = new Int32Array(rows.length * keys);
  for (const [i, row] of rows.entries())
    data.fill(1, i * keys + padding[i], Math.min(i * keys + padding[i] + row.length, (i + 1) * keys));
  return { data, shape: [rows.length, keys] };
}

/** The logits of each row's last position, from [batch, 1, vocab], or from [batch, time, vocab] of a model that returns all. */
function lastLogits(logits: Tensor, batch: number, time: number): FloatArray[] {
  const result = synchronous("generate: forward", logits);
  const [rows, positions, vocab] = result?.shape ?? [];
  const fits = rows === batch && (positions === 1 || positions === time) && vocab > 0;
  if (!fits || result.shape.length !== 3) {
    throw new ShapeError("generate", `logits [${batch}, 1, vocab] or [${batch}, ${time}, vocab] of forward`, {
      logits: result?.shape,
    });
  }
  const { data } = result.value;
  return Array.from({ length: batch }, (_, row) => {
    const end = (row + 1) * positions * vocab;
    return data.subarray(end - vocab, end);
  });
}
