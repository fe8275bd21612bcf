/**
 * @file Renders tables as aligned text. In a terminal of limited width, text first wraps inside its column; columns that
 * still do not fit go below, in further parts that repeat the first column. Numbers are never cut.
 */

import { pad, width, words, wrap } from "../terminal/text.ts";
import type { Grid } from "./table.ts";

const GAP = 2;
/** Width that a column of text gets, if there is a choice. */
const COMFORT = 14;

/** The table as text, at most `columns` wide as far as its numbers allow. */
export function asText(grid: Grid, columns = Infinity): string {
  const { title, note, header, rows } = grid;
  const natural = header.map((label, j) => Math.max(width(label), ...rows.map((row) => width(row[j]))));
  const parts =
    total(natural) <= columns ? [natural.map((w, j) => [j, w] as const)] : split(grid, natural, columns);
  const around = (text: string): readonly string[] =>
    text === "" ? [] : columns === Infinity ? [text] : wrap(text, columns);
  const body = parts.flatMap((part, i) => (i > 0 ? ["", ...lines(grid, part)] : lines(grid, part)));
  return [...around(title), ...body, ...around(note)].join("\n");
}

/** Columns that stand side by side, with their widths. */
type Part = readonly (readonly [column: number, width: number])[];

const total = (widths: readonly number[]): number =>
  widths.reduce((sum, w) => sum + w, 0) + GAP * (widths.length - 1);

/** Divides the columns into parts of at most `most` characters each. */
function split(grid: Grid, natural: readonly number[], most: number): Part[] {
  const first = leastWidth(grid, natural, 0, Math.max(COMFORT, Math.floor(most / 3)));
  const beside = Math.max(COMFORT, most - GAP - first);
  const least = natural.map((_, j) => (j === 0 ? first : leastWidth(grid, natural, j, beside)));
  const parts: number[][] = [[0]];
  for (let j = 1; j < natural.length; j++) {
    const part = parts.at(-1) as number[];
    if (part.length === 1 || total([...part, j].map((k) => least[k])) <= most) part.push(j);
    else parts.push([0, j]);
  }
  return parts.map((part) => {
    const widths = share(
      part.map((j) => least[j]),
      part.map((j) => natural[j]),
      most,
    );
    return part.map((j, i) => [j, widths[i]] as const);
  });
}

/** Smallest width of a column: numbers are never broken, text needs its longest word, up to `most`. */
function leastWidth(
  { header, align, rows }: Grid,
  natural: readonly number[],
  j: number,
  most: number,
): number {
  const longest = (text: string): number => Math.max(0, ...words(text).map(width));
  const cells = rows.map((row) => row[j]);
  if (align[j] === "right") return Math.max(Math.min(most, longest(header[j])), ...cells.map(width));
  return Math.min(most, Math.max(Math.min(natural[j], COMFORT), longest(header[j]), ...cells.map(longest)));
}

/** Widths between `least` and `natural`: spare characters go, one by one, to the narrowest column that needs more. */
function share(least: readonly number[], natural: readonly number[], most: number): readonly number[] {
  const widths = [...least];
  for (let room = most - total(widths); room > 0; room--) {
    const wanting = widths.flatMap((w, i) => (w < natural[i] ? [i] : []));
    if (wanting.length === 0) break;
    widths[wanting.reduce((a, b) => (widths[b] < widths[a] ? b : a))]++;
  }
  return widths;
}

function lines({ header, align, rows }: Grid, part: Part): readonly string[] {
  const rule = part.map(([, w]) => "─".repeat(w)).join("─".repeat(GAP));
  const show = (texts: readonly string[]): readonly string[] => {
    const cells = part.map(([j, w]) => (width(texts[j]) <= w ? [texts[j]] : wrap(texts[j], w)));
    const height = Math.max(...cells.map((cell) => cell.length));
    return Array.from({ length: height }, (_, i) =>
      part
        .map(([j, w], k) => pad(cells[k][i] ?? "", w, align[j]))
        .join(" ".repeat(GAP))
        .trimEnd(),
    );
  };
  const body = rows.map(show);
  const airy = body.some((row) => row.length > 1);
  const shown = body.flatMap((row, i) => (airy && i > 0 ? ["", ...row] : row));
  return [rule, ...show(header), rule, ...(rows.length > 0 ? shown : ["(no rows)"]), rule];
}
