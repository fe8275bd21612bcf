/** @file Arbitrary facts as rows of ids, all in one batch: what a model knows of them can be counted in bits. */
import { createHash } from "node:crypto";
import { type Indices, random } from "lowrank/core";
import { type Domain, encode, IGNORED } from "./domain.ts";
import { type Facts, facts } from "./tasks.ts";

/** Facts as rows `qvx?407`, of which the three digits are predicted. */
export interface FactRows {
  readonly known: Facts;
  readonly ids: Indices;
  readonly labels: Indices;
}

/** Digits of an answer. */
export const DIGITS = 3;

/** `count` facts, drawn with `seed`. */
export function factRows(count: number, seed: number): FactRows {
  const known = facts({ count }, random(seed));
  const lines = known.all.map(({ prompt, completion }) => encode(prompt + completion.trimEnd()));
  const width = lines[0].length;
  const ids = Int32Array.from(lines.flatMap((line) => [...line]));
  const labels = ids.map((id, i) => (i % width < width - DIGITS ? IGNORED : id));
  const shape = [count, width];
  return { known, ids: { data: ids, shape }, labels: { data: labels, shape } };
}

/** Facts to be learned by heart: every batch is all of them, and so is validation, since nothing can be inferred. */
export function factDomain(count: number, seed: number): Domain {
  const rows = factRows(count, seed);
  return {
    name: `${count} facts`,
    hash: createHash("sha256").update(rows.ids.data.join()).digest("hex").slice(0, 16),
    batch: () => rows,
    validation: [rows],
  };
}
