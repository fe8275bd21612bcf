/**
 * @file Plots made with Observable Plot, each also with a text form for the terminal. `linePlot`, `barPlot` and
 * `heatmap` plot rows of data; `plot` takes any options of Observable Plot.
 */
import * as Plot from "@observablehq/plot";
import type { MimeBundle } from "../notebook/session.ts";
import { colorsOf, methodOf } from "./colors.ts";
import { extent, formatNumber, isSpread, type Spread, shortNumber } from "./format.ts";
import { type Heading, renderPng, renderSvg } from "./plot-image.ts";
import { type Scales, type Series, textBars, textHeat, textLines } from "./plot-text.ts";

export interface PlotText extends Heading {
  /** The form for the terminal: a text plot, or a sentence. */
  readonly text?: string;
}

/** A plot with its text form; it is drawn when it is displayed. */
export class Picture {
  readonly options: Plot.PlotOptions;
  readonly heading: Heading;
  readonly text: string;

  constructor(options: Plot.PlotOptions, { text = "(plot)", ...heading }: PlotText = {}) {
    this.options = options;
    this.heading = heading;
    this.text = text;
  }

  toString(): string {
    return this.heading.title ? `${this.heading.title}\n${this.text}` : this.text;
  }

  toMime(): MimeBundle {
    const svg = renderSvg({ ariaLabel: this.heading.title, ...this.options }, this.heading);
    const png = renderPng(svg);
    return {
      "image/svg+xml": svg,
      ...(png ? { "image/png": png.toString("base64") } : {}),
      "text/plain": this.toString(),
    };
  }
}

/**
 * A plot with any options of Observable Plot.
 *
 * @example plot({ marks: [Plot.dot(rows, { x: "m", y: "v" })] }, { title, text })
 */
export function plot(options: Plot.PlotOptions, text: PlotText = {}): Picture {
  return new Picture(options, text);
}

type Key<Row> = keyof Row & string;

export interface LinePlotOptions<Row> extends Scales {
  readonly x: Key<Row>;
  /** The column of the values: numbers, or Spreads, which are drawn with their deviation. */
  readonly y: Key<Row>;
  /** The column whose values distinguish the lines. */
  readonly series?: Key<Row>;
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** Further options of Observable Plot; they take precedence. */
  readonly plot?: Plot.PlotOptions;
}

/** Lines through points: a training curve, loss against rank. */
export function linePlot<Row extends object>(rows: readonly Row[], options: LinePlotOptions<Row>): Picture {
  const { x, y, series, title, caption, xLabel = x, yLabel = y } = options;
  const { xScale = "linear", yScale = "linear" } = options;
  const points = rows.map((row) => ({
    x: Number(row[x]),
    y: Number(row[y]),
    std: isSpread(row[y]) ? row[y].std : 0,
    name: series ? String(row[series]) : "",
  }));
  const names = unique(points.map(({ name }) => name));
  const color = series ? "name" : "#4269d0";
  const spread = points.filter(({ std }) => std > 0);
  const ticks = xScale === "log" ? logTicks(points.map((p) => p.x)) : undefined;
  const marks: Plot.Markish[] = [
    ...(ticks ? [Plot.axisX(ticks, { text: tickFormat, label: xLabel })] : []), // a log scale labels only some ticks by itself
    Plot.ruleX(spread, {
      x: "x",
      y1: (p) => p.y - p.std,
      y2: (p) => p.y + p.std,
      stroke: color,
      strokeOpacity: 0.5,
    }),
    Plot.line(points, { x: "x", y: "y", z: "name", stroke: color }),
    ...(points.length <= 20 * names.length
      ? [Plot.dot(points, { x: "x", y: "y", fill: color, r: 2.5 })]
      : []),
  ];
  const chart: Plot.PlotOptions = {
    grid: true,
    x: {
      type: xScale,
      label: xLabel,
      ticks,
      tickFormat,
    },
    y: { type: yScale, label: yLabel, nice: true },
    color: { type: "categorical", domain: names, range: colorsOf(names) },
    marks,
    ...options.plot,
  };
  const lines: Series[] = names.map((name) => ({
    name,
    points: points.filter((p) => p.name === name).map((p) => [p.x, p.y] as const),
  }));
  return new Picture(chart, {
    title,
    caption,
    legend: series !== undefined,
    text: `${yLabel} against ${xLabel}\n${textLines(lines, { xScale, yScale })}`,
  });
}

export interface BarPlotOptions<Row> {
  /** The column that names the bars. */
  readonly label: Key<Row>;
  /** The column of the values: numbers, or Spreads, which are drawn with their deviation. */
  readonly value: Key<Row>;
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  readonly valueLabel?: string;
  readonly plot?: Plot.PlotOptions;
}

/** Horizontal bars in the order of the rows, each with its value. */
export function barPlot<Row extends object>(rows: readonly Row[], options: BarPlotOptions<Row>): Picture {
  const { label, value, title, caption, valueLabel = value } = options;
  const bars = rows.map((row) => {
    const v = row[value] as number | Spread;
    const text = isSpread(v) ? v.toString() : shortNumber(v);
    return { label: String(row[label]), value: Number(v), std: isSpread(v) ? v.std : 0, text };
  });
  const fills = bars.map(({ label }) => (methodOf(label) ? colorsOf([label])[0] : "#4269d0"));
  const spread = bars.filter(({ std }) => std > 0);
  const [, longest] = extent([...bars.map((bar) => bar.label.length), 0]);
  const [, widest] = extent([...bars.map((bar) => bar.text.length), 0]);
  const chart: Plot.PlotOptions = {
    marginLeft: 20 + 6 * longest,
    marginRight: 20 + 6 * widest,
    x: { label: valueLabel, grid: true, nice: true },
    y: { label: null, domain: unique(bars.map((bar) => bar.label)) },
    height: 60 + 28 * bars.length,
    marks: [
      Plot.barX(bars, { x: "value", y: "label", fill: (_, i) => fills[i] }),
      Plot.ruleY(spread, {
        y: "label",
        x1: (b) => b.value - b.std,
        x2: (b) => b.value + b.std,
        stroke: "black",
      }),
      Plot.text(bars, { x: (b) => b.value + b.std, y: "label", text: "text", dx: 6, textAnchor: "start" }),
      Plot.ruleX([0]),
    ],
    ...options.plot,
  };
  return new Picture(chart, { title, caption, text: `${valueLabel}\n${textBars(bars)}` });
}

export interface HeatmapOptions<Row> {
  readonly x: Key<Row>;
  readonly y: Key<Row>;
  readonly value: Key<Row>;
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** Decimals of the numbers in the cells. By default 2, and no numbers at all above 12 columns. */
  readonly digits?: number;
  /**
   * The values of the palest and the darkest colour.
   * @default the smallest and the largest value
   */
  readonly domain?: readonly [number, number];
  readonly plot?: Plot.PlotOptions;
}

/** A matrix of shaded cells, with rows and columns in the order of the data: subspace similarity, a grid of rates. */
export function heatmap<Row extends object>(rows: readonly Row[], options: HeatmapOptions<Row>): Picture {
  const { x, y, value, title, caption, xLabel = x, yLabel = y, digits } = options;
  const cells = rows.map((row) => ({ x: String(row[x]), y: String(row[y]), value: Number(row[value]) }));
  const xs = unique(cells.map((cell) => cell.x));
  const ys = unique(cells.map((cell) => cell.y));
  const finite = cells.map((cell) => cell.value).filter(Number.isFinite);
  const [low, high] = options.domain ?? extent(finite);
  const labels = digits !== undefined || xs.length <= 12;
  const chart: Plot.PlotOptions = {
    padding: 0,
    marginLeft: 34 + 6 * extent([...ys.map((label) => label.length), 0])[1],
    x: { domain: xs, label: xLabel },
    y: { domain: ys, label: yLabel },
    color: { scheme: "blues", domain: [low, high] },
    marks: [
      Plot.cell(cells, { x: "x", y: "y", fill: "value", inset: 0.5 }),
      ...(labels
        ? [
            Plot.text(cells, {
              x: "x",
              y: "y",
              text: (cell) => formatNumber(cell.value, digits ?? 2),
              fill: (cell) => (cell.value > low + 0.7 * (high - low) ? "white" : "black"), // the better contrast on "blues"
            }),
          ]
        : []),
    ],
    ...options.plot,
  };
  const matrix = ys.map((row) =>
    xs.map((column) => cells.find((cell) => cell.x === column && cell.y === row)?.value ?? Number.NaN),
  );
  return new Picture(chart, {
    title,
    caption,
    text: `${yLabel} (down) by ${xLabel} (across)\n${textHeat(ys, xs, matrix)}`,
  });
}

/** The values themselves as ticks, if there are at most 12: ranks 1, 2, 4, 8. */
function logTicks(values: readonly number[]): number[] | undefined {
  const distinct = unique(values);
  return distinct.length <= 12 ? distinct : undefined;
}

function tickFormat(value: number): string {
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(0)
    : String(value);
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
