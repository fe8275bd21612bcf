// Outcomes as aligned text.

import type { Outcome } from "./outcome.ts";

/** Columns padded to the same width; the first one to the left, the rest to the right. */
export function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]);
  return rows.map((row) => `  ${row.map(pad).join("  ")}`).join("\n");
}

/** Milliseconds with three significant digits. */
export function milliseconds(seconds: number): string {
  const ms = seconds * 1000;
  return `${ms.toFixed(Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(ms)))))} ms`;
}

/** A factor with two digits after the point, none where it is large. */
export const times = (factor: number): string => `${factor.toFixed(factor < 100 ? 2 : 0)}×`;

/**
 * One line a contestant: median, half the distance between the quartiles in percent of it, an `extra` column, and how
 * many times as long it takes as the `base`line (the fastest one where that is missing).
 */
export function outcomeTable(
  outcomes: readonly Outcome[],
  base: string,
  extra: { title: string; cell(outcome: Outcome): string },
): string {
  const timed = outcomes.filter((outcome) => outcome.timing);
  const fastest = timed.toSorted((a, b) => a.timing!.median - b.timing!.median)[0];
  const unit = timed.find(({ name }) => name === base) ?? fastest;
  const lines = timed.map((outcome) => {
    const { median, lowerQuartile, upperQuartile } = outcome.timing!;
    const spread = (50 * (upperQuartile - lowerQuartile)) / median;
    const ratio = times(median / unit.timing!.median);
    return [outcome.name, milliseconds(median), `±${spread.toFixed(0)}%`, extra.cell(outcome), ratio];
  });
  const failures = outcomes.filter((o) => o.failure).map((o) => `  ${o.name}: ${o.failure}`);
  const head = ["", "median", "spread", extra.title, unit ? `time / ${unit.name}` : ""];
  return [align([head, ...lines]), ...failures].join("\n");
}
