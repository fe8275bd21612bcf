/** @file `heatmap`: a matrix of shaded cells with its scale. */
import * as Plot from "@observablehq/plot";
import { extent, formatNumber, shortNumber } from "../show/format.ts";
import { numbersText, textWidth } from "./axes.ts";
import type { Key } from "./line-plot.ts";
import type { Frame } from "./marks.ts";
import { Picture, type Size } from "./picture.ts";
import type { Drawing } from "./plot-image.ts";
import { textHeat } from "./plot-text.ts";

export interface HeatmapOptions<Row> {
  readonly x: Key<Row>;
  readonly y: Key<Row>;
  readonly value: Key<Row>;
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** What the colours stand for, beside their scale. @default `value` */
  readonly valueLabel?: string;
  /** Decimals of the numbers in the cells. By default three significant digits, and no numbers where they do not fit. */
  readonly digits?: number;
  /**
   * The values of the palest and the darkest colour; values beyond have the same.
   * @default the smallest and the largest value
   */
  readonly domain?: readonly [number, number];
  /** @default "linear" */
  readonly scale?: "linear" | "log";
  /** What a cell without a finite value means. @default "diverged" */
  readonly missing?: string;
  readonly height?: number;
  readonly plot?: Omit<Plot.PlotOptions, keyof Frame>;
}

interface Cell {
  readonly x: string;
  readonly y: string;
  readonly value: number;
}

/** Cells without a value: told from all of the scale's colours, on white and on black. */
const NONE = "#c9a9a6";

/** A matrix of shaded cells, with rows and columns in the order of the data: subspace similarity, a grid of rates. */
export function heatmap<Row extends object>(rows: readonly Row[], options: HeatmapOptions<Row>): Picture {
  const { x, y, value, title, caption, xLabel = x, yLabel = y } = options;
  const labels = (key: Key<Row>): ((row: Row) => string) => {
    const text = numbersText(rows.flatMap((row) => (typeof row[key] === "number" ? [row[key]] : [])));
    return (row) => (typeof row[key] === "number" ? text(row[key]) : String(row[key]));
  };
  const [xOf, yOf] = [labels(x), labels(y)];
  const cells = rows.map((row): Cell => ({ x: xOf(row), y: yOf(row), value: Number(row[value]) }));
  const [xs, ys] = [unique(cells.map((cell) => cell.x)), unique(cells.map((cell) => cell.y))];
  const at = new Map(cells.map((cell) => [`${cell.x}\n${cell.y}`, cell.value]));
  const matrix = ys.map((row) => xs.map((column) => at.get(`${column}\n${row}`) ?? Number.NaN));
  return new Picture((size) => drawing(cells, xs, ys, size, { ...options, xLabel, yLabel }), {
    title,
    caption,
    text: `${yLabel} (down) by ${xLabel} (across)\n${textHeat(ys, xs, matrix, options.missing ?? "diverged")}`,
  });
}

function drawing<Row extends object>(
  cells: readonly Cell[],
  xs: readonly string[],
  ys: readonly string[],
  { width, height: most, fontSize }: Size,
  options: HeatmapOptions<Row>,
): Drawing {
  const { xLabel = "", yLabel = "", digits, scale = "linear", missing = "diverged" } = options;
  const shown = cells.filter(({ value }) => Number.isFinite(value) && (scale === "linear" || value > 0));
  const lost = cells.filter((cell) => !shown.includes(cell));
  const given = options.domain ?? extent(shown.map(({ value }) => value));
  const [low, high] = given[0] < given[1] ? given : [given[0] - 0.5, given[0] + 0.5];
  const level = (value: number): number => {
    const f = scale === "log" ? Math.log : (v: number): number => v;
    return Math.min(1, Math.max(0, (f(value) - f(low)) / (f(high) - f(low))));
  };
  const marginLeft = 14 + Math.max(0, ...ys.map((label) => textWidth(label, fontSize)));
  const marginBottom = 3.1 * fontSize;
  const wide = (width - marginLeft - 20) / xs.length;
  const tall = Math.min(46, Math.max(4, wide));
  const height =
    options.height ?? Math.min(1.4 * most, Math.max(5 * fontSize, tall * ys.length) + marginBottom + 6);
  const high1 = (height - marginBottom - 6) / ys.length;
  const texts = shown.map(({ value }) =>
    digits === undefined ? shortNumber(value) : formatNumber(value, digits),
  );
  const room =
    Math.max(0, ...texts.map((text) => textWidth(text, fontSize))) + 6 <= wide && high1 >= 1.3 * fontSize;
  const every = (labels: readonly string[], cell: number, need: number): string[] => {
    const step = Math.ceil(need / cell);
    return labels.filter((_, i) => i % step === 0);
  };
  const xTicks = every(xs, wide, 8 + Math.max(...xs.map((label) => textWidth(label, fontSize))));
  const yTicks = every(ys, high1, 1.3 * fontSize);
  return {
    yLabel,
    bar: {
      ends: [low, high].map((end) =>
        digits === undefined ? shortNumber(end) : formatNumber(end, digits),
      ) as [string, string],
      colors: Array.from({ length: 24 }, (_, i) => colorAt(i / 23)),
      label: options.valueLabel ?? options.value,
      entries: lost.length > 0 ? [{ name: missing, color: NONE, sign: "■" }] : [],
    },
    options: {
      width,
      height,
      padding: 0,
      marginLeft,
      marginBottom,
      marginTop: 6,
      marginRight: 20,
      x: { type: "band", domain: xs, round: false },
      y: { type: "band", domain: ys, round: false },
      ...options.plot,
      marks: [
        Plot.axisX(xTicks, {
          label: `${xLabel} →`,
          labelArrow: "none",
          labelAnchor: "right",
          tickSize: 0,
          tickPadding: 6,
        }),
        Plot.axisY(yTicks, { label: null, tickSize: 0, tickPadding: 6 }),
        Plot.cell(shown, {
          x: "x",
          y: "y",
          fill: (cell) => colorAt(level(cell.value)),
          inset: wide > 12 ? 0.5 : 0,
        }),
        Plot.cell(lost, { x: "x", y: "y", fill: NONE, inset: 0.5 }),
        ...(room
          ? [
              Plot.text(shown, {
                x: "x",
                y: "y",
                text: (_, i) => texts[i],
                fill: (cell) => inkOn(level(cell.value)),
              }),
              Plot.text(lost, { x: "x", y: "y", text: () => "–", fill: "black" }),
            ]
          : []),
        ...((options.plot?.marks ?? []) as Plot.Markish[]),
      ],
    },
  };
}

/** From pale to dark blue: the scheme "blues" (ColorBrewer) without its almost white end. */
const BLUES = ["#dbe9f6", "#bad6eb", "#89bedc", "#539ecd", "#2b7bba", "#0b559f", "#08306b"];

function colorAt(level: number): string {
  const at = level * (BLUES.length - 1);
  const [from, to] = [BLUES[Math.floor(at)], BLUES[Math.ceil(at)]].map((color) =>
    [1, 3, 5].map((i) => Number.parseInt(color.slice(i, i + 2), 16)),
  );
  const mixed = from.map((part, i) => Math.round(part + (to[i] - part) * (at % 1)));
  return `#${mixed.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Text that can be read on the colour. */
const inkOn = (level: number): string => (level > 0.55 ? "white" : "black");

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
