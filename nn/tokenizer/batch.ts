/** @file Several texts as one batch of ids with its mask. */

import { ArgumentError, checkOptions } from "../../core/index.ts";
import type { Around } from "./parts/template.ts";
import type { EncodeBatchOptions, TokenBatch } from "./types.ts";

/** What `encodeBatch` needs of a tokenizer. */
interface Parts {
  readonly plain: (text: string) => readonly number[];
  readonly around: Around;
  readonly padding: number;
  readonly side: "left" | "right";
}

export function encodeBatch(parts: Parts, texts: readonly string[], options: EncodeBatchOptions): TokenBatch {
  checkOptions("encodeBatch", options, ["side", "length", "truncate", "addSpecialTokens"], {
    padding_side: "side",
    max_length: "length",
    truncation: "truncate",
    add_special_tokens: "addSpecialTokens",
  });
  const { side = parts.side, length, truncate = false, addSpecialTokens = true } = options;
  if (side !== "left" && side !== "right")
    throw new ArgumentError("encodeBatch", 'side "left" or "right"', { side });
  if (length !== undefined && !(Number.isSafeInteger(length) && length > 0))
    throw new ArgumentError("encodeBatch", "length a positive integer", { length });
  if (!Array.isArray(texts) || texts.length === 0)
    throw new ArgumentError("encodeBatch", "a list of one or more texts", { texts });
  const { before, after } = addSpecialTokens ? parts.around : { before: [], after: [] };
  const rows = texts.map((text, i) => {
    let ids = parts.plain(text);
    const room = (length ?? Number.POSITIVE_INFINITY) - before.length - after.length;
    if (ids.length > room) {
      if (!truncate || room < 0)
        throw new ArgumentError("encodeBatch", `texts of at most ${length} tokens (or truncate: true)`, {
          [`tokens of texts[${i}]`]: before.length + ids.length + after.length,
        });
      ids = ids.slice(0, room);
    }
    return [...before, ...ids, ...after];
  });
  const time = length ?? Math.max(...rows.map((row) => row.length));
  const shape = [rows.length, time];
  const ids = new Int32Array(rows.length * time).fill(parts.padding);
  const mask = new Int32Array(rows.length * time);
  rows.forEach((row, i) => {
    const start = i * time + (side === "left" ? time - row.length : 0);
    ids.set(row, start);
    mask.fill(1, start, start + row.length);
  });
  return { ids: { data: ids, shape }, mask: { data: mask, shape } };
}
