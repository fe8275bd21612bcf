/** @file A table of text, no wider than the terminal: numbers to the right, long texts wrapped. */

import Table, { type Cell } from "cli-table3";
import type { createColors } from "picocolors";

/** A column: its title, or its title and where its cells stand. */
export type Column = string | { readonly title: string; readonly align: "left" | "right" };

const GAP = 2;
const NARROWEST = 8;

/**
 * The table as lines of text.
 *
 * @param rows cells; a number is printed with at most 4 significant digits, a whole one in full, null and undefined as –
 * @param width most characters of a line. Columns of text share what is there, and wrap
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly unknown[])[],
  width: number,
  colors: ReturnType<typeof createColors>,
): string {
  const titles = columns.map((column) => (typeof column === "string" ? column : column.title));
  const cells = rows.map((row) => titles.map((_, i) => cellText(row[i])));
  const isNumeric = (i: number): boolean =>
    rows.length > 0 && rows.every((row) => typeof row[i] === "number" || (row[i] ?? null) === null);
  const aligns = columns.map((column, i) =>
    typeof column === "string" ? (isNumeric(i) ? "right" : "left") : column.align,
  );
  const natural = titles.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i].length)));
  const widths = fitted(natural, width - GAP * (titles.length - 1));
  const out = new Table({
    chars: borderless,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    head: titles.map((title) => colors.bold(title)),
    colWidths: widths,
    colAligns: aligns,
    wordWrap: true,
  });
  const cell = (content: string, i: number): Cell => {
    const fits = content.split(" ").every((word) => word.length <= widths[i]);
    return { content, wrapOnWordBoundary: fits }; // a word that is longer than its column is cut, not left out
  };
  out.push(...cells.map((row) => row.map(cell)));
  const lines = out.toString().split("\n");
  return lines.map((line) => line.trimEnd()).join("\n");
}

const edges = [
  "top",
  "top-mid",
  "top-left",
  "top-right",
  "bottom",
  "bottom-mid",
  "bottom-left",
  "bottom-right",
];
const borderless = {
  ...Object.fromEntries(
    [...edges, "left", "left-mid", "mid", "mid-mid", "right", "right-mid"].map((e) => [e, ""]),
  ),
  middle: " ".repeat(GAP),
};

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  return Math.abs(value) >= 1e4
    ? Math.round(value).toLocaleString("en-US")
    : String(Number(value.toPrecision(4)));
}

/** Widths that fit into `space`: the widest columns give way first, none below NARROWEST. */
function fitted(natural: readonly number[], space: number): number[] {
  const widths = Array.from(natural);
  let excess = widths.reduce((total, width) => total + width, 0) - space;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest] <= NARROWEST) break;
    widths[widest]--;
    excess--;
  }
  return widths;
}
