/** @file The prompts of a generation: rows of equal or unequal length, with or without a mask. */

import { ArgumentError, type IndexLike, type Indices, ShapeError } from "../../core/index.ts";
import { checkMask } from "../layers/padding.ts";
import { namedIndices } from "../module/options.ts";

/** Prompts: ids [batch, time], or a list with the tokens of each row, which may be of unequal length. */
export type Prompts = IndexLike | readonly (readonly number[] | Int32Array)[];

/** Prompts in order. */
export interface PromptRows {
  /** The tokens of each row, without padding; none for a row of padding only. */
  readonly rows: readonly (readonly number[])[];
  /** [batch, time], as given; of unequal length: with zeros on the left. */
  readonly grid: Indices;
}

/**
 * @throws ShapeError unless there are two axes, the second of length 1 or more, and on a mask of another shape;
 *   ArgumentError on an empty prompt, and on a mask beside prompts of unequal length
 */
export function readPrompts(who: string, ids: Prompts, attentionMask: IndexLike | undefined): PromptRows {
  const unequal = raggedRows(who, ids);
  if (unequal) {
    const empty = unequal.findIndex((row) => row.length === 0);
    if (empty >= 0)
      throw new ArgumentError(who, "a token in each prompt at least", { [`prompt ${empty}`]: [] });
    if (attentionMask !== undefined)
      throw new ArgumentError(
        who,
        "attentionMask only with ids [batch, time]: prompts of unequal length need none",
        {
          lengths: unequal.map((row) => row.length),
        },
      );
    return { rows: unequal, grid: leftPadded(unequal) };
  }
  const grid = namedIndices(`${who}: ids`, ids as IndexLike);
  const { data, shape } = grid;
  if (shape.length !== 2 || shape[1] === 0)
    throw new ShapeError(who, "ids [batch, time] with at least one token", { ids: shape });
  const mask = checkMask(who, attentionMask, grid);
  const [batch, time] = shape;
  const rows = Array.from({ length: batch }, (_, row) =>
    Array.from(data.subarray(row * time, (row + 1) * time)).filter(
      (_, t) => mask === null || mask.data[row * time + t] === 1,
    ),
  );
  return { rows, grid };
}

/** Rows of unequal length; null where they are something else. @throws ArgumentError on what is no 32-bit integer */
function raggedRows(who: string, ids: Prompts): number[][] | null {
  if (!Array.isArray(ids)) return null;
  const lists: readonly unknown[] = ids;
  if (!lists.every((list) => Array.isArray(list) || ArrayBuffer.isView(list))) return null;
  const rows = lists as readonly (readonly number[] | Int32Array)[];
  if (rows.every((row) => row.length === rows[0].length)) return null;
  return rows.map((row, i) => Array.from(namedIndices(`${who}: prompt ${i}`, row as readonly number[]).data));
}

/** Rows with zeros before them, as long as the longest. */
function leftPadded(rows: readonly (readonly number[])[]): Indices {
  const time = Math.max(0, ...rows.map((row) => row.length));
  const data = new Int32Array(rows.length * time);
  for (const [i, row] of rows.entries()) data.set(row, (i + 1) * time - row.length);
  return { data, shape: [rows.length, time] };
}
