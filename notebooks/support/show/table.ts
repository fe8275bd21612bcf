/** @file Tables: one set of rows, shown as aligned text, as Markdown and as HTML. */

import type { MimeBundle, Verdict } from "../notebook/session.ts";
import { decimalsFor, formatNumber, isSpread, type Spread } from "./format.ts";
import { asText } from "./table-text.ts";

export type CellValue = string | number | bigint | boolean | Spread | null | undefined;

export interface Column<Row> {
  readonly key: keyof Row & string;
  /** The heading; by default the key. */
  readonly label?: string;
  /** By default numbers stand right and all else left. */
  readonly align?: "left" | "right";
  /** Decimals; by default as many as show the column's smallest number with three significant digits. */
  readonly digits?: number;
  /** Writes the value out itself. */
  readonly format?: (value: unknown, row: Row) => string;
}

export interface TableOptions<Row> {
  readonly title?: string;
  /** Which columns, in which order; by default every key of the rows, as first met. */
  readonly columns?: readonly ((keyof Row & string) | Column<Row>)[];
  /** A line below the table: how it was scaled, what the columns mean. */
  readonly note?: string;
  /** Columns whose values differ from run to run (times, the machine), or `true` for all: not checked against a run before. */
  readonly volatile?: readonly (keyof Row & string)[] | true;
  /**
   * By how much numbers without a spread may differ from those of a run before, relatively; by default not at all. For
   * numbers from training, where another machine's roundings add up.
   */
  readonly tolerance?: number;
}

/** A table ready to show: `display(table(rows, { title: "Table 6" }))`. */
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

/** What is left of a table once its values are text. */
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

export class Table {
  readonly grid: Grid;
  /** The verdicts on claims that the table holds, if it is a table of claims. */
  readonly verdicts: readonly Verdict[];

  constructor(grid: Grid, verdicts: readonly Verdict[] = []) {
    this.grid = grid;
    this.verdicts = verdicts;
  }

  toString(): string {
    return asText(this.grid);
  }

  /** As text in at most `columns` columns, where its numbers allow that; by default in as many as it takes. */
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
  const decimals = digits ?? decimalsFor(values.filter((value) => typeof value === "number"));
  return values.map((value, i) =>
    (format ? format(value, rows[i]) : cellText(value, decimals, digits)).replace(/\s*\n\s*/g, " "),
  );
}

function cellText(value: unknown, decimals: number, given: number | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return formatNumber(value, decimals);
  if (typeof value === "bigint") return formatNumber(value, 0);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (isSpread(value)) return value.format(given);
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

/** The attributes `data-volatile` and `data-tolerance` are for `npm run notebooks:check`. */
function asHtml({ title, note, header, align, rows, volatile, tolerance }: Grid): string {
  const cells = (tag: "th" | "td", texts: readonly string[], marks?: readonly boolean[]) =>
    texts
      .map((text, j) => {
        const mark = marks?.[j] ? " data-volatile" : "";
        return `<${tag} align="${align[j]}"${mark}>${escapeHtml(text)}</${tag}>`;
      })
      .join("");
  return [
    tolerance > 0 ? `<table data-tolerance="${tolerance}">` : "<table>",
    ...(title ? [`<caption><b>${escapeHtml(title)}</b></caption>`] : []),
    `<thead><tr>${cells("th", header)}</tr></thead>`,
    "<tbody>",
    ...rows.map((row, i) => `<tr>${cells("td", row, volatile[i])}</tr>`),
    "</tbody>",
    "</table>",
    ...(note ? [`<p><small>${escapeHtml(note)}</small></p>`] : []),
  ].join("\n");
}

function escapeMarkdown(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\|/g, "\\|");
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
