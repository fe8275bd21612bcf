/** @file What a sweep found: its cells grouped over seeds, with mean and spread, and the cells that are missing or failed. */

import { equalJson } from "../../../../core/index.ts";
import type { CellValues } from "./file.ts";
import type { CellRecord, Results } from "./results.ts";

/** Cells that differ in their seed only. */
export interface Group {
  /** The options that vary in the sweep, without the seed. */
  readonly values: CellValues;
  /** Cells of the grid. */
  readonly cells: number;
  /** Cells that are done with a finite loss. */
  readonly done: number;
  /** Cells whose loss after training is not finite. */
  readonly diverged: number;
  /** The losses after training, of those that are finite, by cell. */
  readonly losses: readonly number[];
  /** Their mean; null when there are none. */
  readonly mean: number | null;
  /** Their standard deviation, with n − 1 in the denominator; null below two. */
  readonly spread: number | null;
  /** Means over the same cells. */
  readonly before: number | null;
  readonly seconds: number | null;
  /** Numbers that the adapter trains. */
  readonly trainable: number | null;
}

/** A cell without a result. */
export interface Absent {
  readonly index: number;
  readonly values: CellValues;
  /** Why it failed; undefined when it has not run. */
  readonly error?: string;
}

/** All that a sweep has found so far. */
export interface Summary {
  readonly cells: number;
  readonly done: number;
  readonly failed: readonly Absent[];
  readonly missing: readonly Absent[];
  /** The options that have more than one value, without the seed. */
  readonly axes: readonly string[];
  /** Options of the grid with one value, the same in all cells. */
  readonly fixed: CellValues;
  /** What the losses are of. Both: cells differ in whether anything was held out. */
  readonly of: "validation" | "training" | "validation or training";
  /** Those with the lowest mean loss first, those without a result last. */
  readonly groups: readonly Group[];
}

/** Summarizes results. */
export function summarize(results: Results): Summary {
  const records = results.cells.map((_, index) => results.read(index));
  const names = [...new Set(results.cells.flatMap((values) => Object.keys(values)))];
  const varies = (name: string): boolean =>
    results.cells.some((values) => !equalJson(values[name], results.cells[0][name]));
  const axes = names.filter((name) => name !== "seed" && varies(name));
  const fixed = names.filter((name) => name !== "seed" && !varies(name));
  const groups = new Map<string, { values: CellValues; records: (CellRecord | undefined)[] }>();
  results.cells.forEach((values, index) => {
    const own = pick(values, axes);
    const key = JSON.stringify(axes.map((name) => own[name] ?? null));
    const group = groups.get(key) ?? { values: own, records: [] };
    groups.set(key, group);
    group.records.push(records[index]);
  });
  const absent = (isOne: (record: CellRecord | undefined) => boolean): Absent[] =>
    results.cells.flatMap((values, index) =>
      isOne(records[index])
        ? [{ index, values, ...(records[index] && { error: records[index].error }) }]
        : [],
    );
  const kinds = new Set(records.flatMap((record) => record?.result?.of ?? []));
  return {
    cells: records.length,
    done: records.filter((record) => record?.status === "done").length,
    failed: absent((record) => record?.status === "failed"),
    missing: absent((record) => record === undefined),
    axes,
    fixed: pick(results.cells[0] ?? {}, fixed),
    of: kinds.size > 1 ? "validation or training" : ([...kinds][0] ?? "training"),
    groups: Array.from(groups.values(), groupOf).sort((a, b) => (a.mean ?? Infinity) - (b.mean ?? Infinity)),
  };
}

const pick = (values: CellValues, names: readonly string[]): CellValues =>
  Object.fromEntries(names.filter((name) => name in values).map((name) => [name, values[name]]));

function groupOf({ values, records }: { values: CellValues; records: (CellRecord | undefined)[] }): Group {
  const done = records.flatMap((record) => (record?.status === "done" && record.result ? [record] : []));
  const finite = done.filter(({ result }) => typeof result?.after === "number");
  const losses = finite.map(({ result }) => result?.after as number);
  const mean = meanOf(losses);
  const square = losses.reduce((sum, loss) => sum + (loss - (mean ?? 0)) ** 2, 0);
  return {
    values,
    cells: records.length,
    done: finite.length,
    diverged: done.length - finite.length,
    losses,
    mean,
    spread: losses.length > 1 ? Math.sqrt(square / (losses.length - 1)) : null,
    before: meanOf(finite.flatMap(({ result }) => result?.before ?? [])),
    seconds: meanOf(finite.map(({ seconds }) => seconds)),
    trainable: finite[0]?.result?.trainable ?? null,
  };
}

const meanOf = (numbers: readonly number[]): number | null =>
  numbers.length > 0 ? numbers.reduce((sum, n) => sum + n, 0) / numbers.length : null;
