/** @file Plots in plain text for the terminal: points and lines on a grid, bars, a shaded matrix. */
import { decimalsFor, extent, formatNumber, shortNumber } from "../show/format.ts";

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Scales {
  /** @default "linear" */
  readonly xScale?: "linear" | "log";
  /** @default "linear" */
  readonly yScale?: "linear" | "log";
}

export interface TextLinesOptions extends Scales {
  /** Whether no points are joined. @default false */
  readonly scattered?: boolean;
}

const WIDTH = 60;
const HEIGHT = 12;
const MARKS = "●○▲△■□◆◇";

/** A line plot: each series has its own mark, dots join the points of up to three series, and a key stands below. */
export function textLines(
  series: readonly Series[],
  { xScale, yScale, scattered = false }: TextLinesOptions = {},
): string {
  const points = series.flatMap((s) => s.points).filter(([, y]) => Number.isFinite(y));
  if (points.length === 0) return "(no points)";
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const column = toGrid(xs, WIDTH - 1, xScale);
  const row = toGrid(ys, HEIGHT - 1, yScale);

  const grid = Array.from({ length: HEIGHT }, () => Array<string>(WIDTH).fill(" "));
  const put = (c: number, r: number, mark: string) => {
    if (Number.isFinite(c) && Number.isFinite(r)) grid[HEIGHT - 1 - Math.round(r)][Math.round(c)] = mark;
  };
  for (const { points } of series.length <= 3 && !scattered ? series : []) {
    const at = points.map(([x, y]) => [column(x), row(y)]);
    for (let i = 1; i < at.length; i++) joinDots(at[i - 1], at[i], put);
  }
  series.forEach(({ points }, s) => {
    for (const [x, y] of points) put(column(x), row(y), MARKS[s % MARKS.length]);
  });

  const labels = extent(ys)
    .reverse()
    .map((y) => formatNumber(y, decimalsFor(ys)));
  const margin = Math.max(...labels.map((label) => label.length));
  const lines = grid.map((cells, r) => {
    const label = r === 0 ? labels[0] : r === HEIGHT - 1 ? labels[1] : "";
    return `${label.padStart(margin)} │${cells.join("")}`.trimEnd();
  });
  const [left, right] = extent(xs).map((x) => formatNumber(x, decimalsFor(xs)));
  const axis = `${" ".repeat(margin)} └${"─".repeat(WIDTH)}`;
  const ends = `${" ".repeat(margin + 2)}${left}${right.padStart(WIDTH - left.length)}`;
  const key = series.map(({ name }, s) => `${MARKS[s % MARKS.length]} ${name}`).join("   ");
  return [...lines, axis, ends, ...(series.length > 1 ? [`${" ".repeat(margin + 2)}${key}`] : [])].join("\n");
}

/** One bar per label, from zero, followed by its value. */
export function textBars(
  bars: readonly { readonly label: string; readonly value: number; readonly text?: string }[],
): string {
  const [, largest] = extent([...bars.map(({ value }) => Math.abs(value)), Number.MIN_VALUE]);
  const [, margin] = extent([...bars.map(({ label }) => label.length), 0]);
  return bars
    .map(({ label, value, text = shortNumber(value) }) => {
      const eighths = Math.round((8 * 40 * Math.abs(value)) / largest) || 0;
      const bar = "█".repeat(eighths >> 3) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths & 7];
      return `${label.padStart(margin)} ${value < 0 ? "-" : ""}${bar} ${text}`;
    })
    .join("\n");
}

/**
 * A matrix with each value shaded between the smallest and the largest; values[i][j] is in row i, column j.
 *
 * @param missing what "?" means, a value that is not finite
 */
export function textHeat(
  rows: readonly string[],
  columns: readonly string[],
  values: readonly (readonly number[])[],
  missing = "no value",
): string {
  const all = values.flat().filter((value) => Number.isFinite(value));
  if (all.length === 0) return "(no values)";
  const [low, high] = extent(all);
  const [, margin] = extent(rows.map((label) => label.length));
  const cell = Math.max(2, ...columns.map((label) => label.length)) + 1;
  const shade = (value: number) => {
    if (!Number.isFinite(value)) return "?";
    const level = high > low ? (value - low) / (high - low) : 1;
    return "·░▒▓█"[Math.min(4, Math.floor(level * 5))];
  };
  const lines = values.map((row, i) => {
    const cells = row.map((value) => ` ${shade(value).repeat(cell - 1)}`).join("");
    return `${rows[i].padStart(margin)}${cells}`;
  });
  const header = " ".repeat(margin) + columns.map((label) => label.padStart(cell)).join("");
  const [from, to] = [low, high].map((value) => formatNumber(value, decimalsFor([low, high])));
  const lost = values.flat().length > all.length ? `   ? ${missing}` : "";
  return [header, ...lines, `${" ".repeat(margin)} · ${from}   █ ${to}${lost}`].join("\n");
}

/** A function that maps the range of `values` to 0 … `cells`. */
function toGrid(
  values: readonly number[],
  cells: number,
  scale: "linear" | "log" = "linear",
): (value: number) => number {
  const f = scale === "log" ? Math.log : (value: number) => value;
  const finite = values.map(f).filter((value) => Number.isFinite(value));
  const [low, high] = extent(finite);
  return (value) => (high > low ? ((f(value) - low) / (high - low)) * cells : cells / 2);
}

function joinDots(
  [c0, r0]: readonly number[],
  [c1, r1]: readonly number[],
  put: (c: number, r: number, mark: string) => void,
): void {
  const steps = Math.ceil(Math.max(Math.abs(c1 - c0) / 2, Math.abs(r1 - r0)));
  if (!Number.isFinite(steps)) return;
  for (let s = 1; s < steps; s++) put(c0 + ((c1 - c0) * s) / steps, r0 + ((r1 - r0) * s) / steps, "·");
}
