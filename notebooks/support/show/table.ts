/** @file Tables of rows, shown as aligned text, as Markdown and as HTML. */

import type { MimeBundle, Verdict } from "../notebook/session.ts";
import {
  decimalsFor,
  formatNumber,
  isSpread,
  isWide,
  type Spread,
  significant,
  spreadsDecimals,
} from "./format.ts";
import { subscripts } from "./subscripts.ts";
import { asText } from "./table-text.ts";

export type CellValue = string | number | bigint | boolean | Spread | null | undefined;

export interface Column<Row> {
  readonly key: keyof Row & string;
  /**
   * The heading.
   * @default `key`
   */
  readonly label?: string;
  /** @default "right" for numbers, otherwise "left" */
  readonly align?: "left" | "right";
  /**
   * Number of decimals. By default the column's smallest number gets three significant digits, or each its own three if
   * they differ by more than a decade.
   */
  readonly digits?: number;
  /** Formats the value, instead of the default rules. */
  readonly format?: (value: unknown, row: Row) => string;
}

export interface TableOptions<Row> {
  readonly title?: string;
  /** The columns, in order. By default every key of the rows, in order of first appearance. */
  readonly columns?: readonly ((keyof Row & string) | Column<Row>)[];
  /** A line below the table, for scaling or the meaning of columns. */
  readonly note?: string;
  /**
   * Columns whose values differ from run to run (times, the machine), or `true` for all columns. They are not compared
   * with earlier runs.
   */
  readonly volatile?: readonly (keyof Row & string)[] | true;
  /**
   * Largest relative difference to an earlier run, for numbers without a spread. Meant for numbers from training, where
   * the roundings of another machine add up.
   *
   * @default 0
   */
  readonly tolerance?: number;
}

/**
 * A table of `rows`.
 *
 * @example display(table(rows, { title: "Table 6" }))
 */
export function table<Row extends object>(rows: readonly Row[], options: TableOptions<Row> = {}): Table {
  const columns = (options.columns ?? keysOf(rows)).map((column) =>
    typeof column === "string" ? { key: column } : column,
  ) as Column<Row>[];

  const { title = "", note = "", volatile = [], tolerance = 0 } = options;
  const texts = columns.map((column) => columnTexts(rows, column));
  const changing = columns.map(({ key }) => volatile === true || volatile.includes(key));
  return new Table({
    title,
    note,
    tolerance,
    header: columns.map(({ key, label = key }) => label),
    align: columns.map(
      ({ key, align }) => align ?? (rows.some((row) => isNumeric(row[key])) ? "right" : "left"),
    ),
    rows: rows.map((_, i) => texts.map((column) => column[i])),
    volatile: rows.map(() => changing),
  });
}

/** A table whose values have been turned into text. */
export interface Grid {
  readonly title: string;
  readonly note: string;
  readonly header: readonly string[];
  readonly align: readonly ("left" | "right")[];
  readonly rows: readonly (readonly string[])[];
  /** volatile[i][j]: whether rows[i][j] differs from run to run. */
  readonly volatile: readonly (readonly boolean[])[];
  readonly tolerance: number;
}

/** A table in all of its forms; `table` makes it. */
export class Table {
  readonly grid: Grid;
  /** The verdicts of a table of claims; empty for other tables. */
  readonly verdicts: readonly Verdict[];

  constructor(grid: Grid, verdicts: readonly Verdict[] = []) {
    this.grid = grid;
    this.verdicts = verdicts;
  }

  toString(): string {
    return asText(this.grid);
  }

  /** The table as text, at most `columns` wide as far as its numbers allow. By default the width is not limited. */
  toText(columns?: number): string {
    return asText(this.grid, columns);
  }

  toMime(): MimeBundle {
    return {
      "text/html": asHtml(this.grid),
      "text/markdown": asMarkdown(this.grid),
      "text/plain": asText(this.grid),
    };
  }
}

function keysOf<Row extends object>(rows: readonly Row[]): (keyof Row & string)[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))] as (keyof Row & string)[];
}

function columnTexts<Row extends object>(
  rows: readonly Row[],
  { key, digits, format }: Column<Row>,
): string[] {
  const values = rows.map((row) => row[key] as unknown);
  const numbers = values.filter((value) => typeof value === "number");
  const spreads = values.filter(isSpread);
  const number: (value: number) => string =
    digits === undefined && isWide(numbers)
      ? significant
      : (value) => formatNumber(value, digits ?? decimalsFor(numbers));
  const wide = digits === undefined && isWide(spreads.flatMap(({ mean, std }) => (std > 0 ? [mean] : [])));
  const decimals = digits ?? (wide ? undefined : spreadsDecimals(spreads));
  return values.map((value, i) =>
    (format ? format(value, rows[i]) : cellText(value, number, decimals)).replace(/\s*\n\s*/g, " "),
  );
}

function cellText(value: unknown, number: (value: number) => string, decimals: number | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return number(value);
  if (typeof value === "bigint") return formatNumber(value, 0);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (isSpread(value)) return value.format(decimals);
  return String(value);
}

function isNumeric(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" || isSpread(value);
}

function asMarkdown({ title, note, header, align, rows }: Grid): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(" | ")} |`;
  const rule = `| ${align.map((side) => (side === "right" ? "---:" : "---")).join(" | ")} |`;
  const parts = [title && `**${title}**`, [line(header), rule, ...rows.map(line)].join("\n"), note];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** HTML; `npm run notebooks:check` reads the attributes `data-volatile` and `data-tolerance`. */
function asHtml({ title, note, header, align, rows, volatile, tolerance }: Grid): string {
  const cells = (tag: "th" | "td", texts: readonly string[], marks?: readonly boolean[]) =>
    texts
      .map((text, j) => {
        const mark = marks?.[j] ? " data-volatile" : "";
        return `<${tag} align="${align[j]}"${mark}>${withSubscripts(text)}</${tag}>`;
      })
      .join("");
  return [
    tolerance > 0 ? `<table data-tolerance="${tolerance}">` : "<table>",
    ...(title ? [`<caption><b>${withSubscripts(title)}</b></caption>`] : []),
    `<thead><tr>${cells("th", header)}</tr></thead>`,
    "<tbody>",
    ...rows.map((row, i) => `<tr>${cells("td", row, volatile[i])}</tr>`),
    "</tbody>",
    "</table>",
    ...(note ? [`<p><small>${withSubscripts(note)}</small></p>`] : []),
  ].join("\n");
}

function escapeMarkdown(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\|/g, "\\|");
}

/** The text as HTML, `W_q` with a subscript. */
const withSubscripts = (text: string): string =>
  subscripts(text)
    .map(({ text: part, sub }) => (sub ? `<sub>${escapeHtml(part)}</sub>` : escapeHtml(part)))
    .join("");

export function escapeHtml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
