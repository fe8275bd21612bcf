/** @file `barPlot` and `dotPlot`: one value, or one of each series, beside each name. */
import * as Plot from "@observablehq/plot";
import { colorsOf, methodOf } from "../show/colors.ts";
import { isSpread, type Spread, shortNumber } from "../show/format.ts";
import { type Axis, axis, place, textWidth } from "./axes.ts";
import type { Key } from "./line-plot.ts";
import { type Frame, HALO, type Reference } from "./marks.ts";
import { Picture, type Size } from "./picture.ts";
import type { Drawing } from "./plot-image.ts";
import { textBars } from "./plot-text.ts";

export interface BarPlotOptions<Row> {
  /** The column that names the bars. */
  readonly label: Key<Row>;
  /** The column of the values: numbers, or Spreads, which are drawn with their deviation. */
  readonly value: Key<Row>;
  /** The column whose values stand beside each other under each name, told apart by colour: before and after. */
  readonly series?: Key<Row>;
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  readonly valueLabel?: string;
  /** Vertical lines to compare with, their names written above the plot. */
  readonly references?: readonly Reference[];
  readonly plot?: Omit<Plot.PlotOptions, keyof Frame>;
}

export interface DotPlotOptions<Row> extends BarPlotOptions<Row> {
  /** @default "linear" */
  readonly xScale?: "linear" | "log";
}

interface Bar {
  readonly label: string;
  readonly series: string;
  readonly value: number;
  readonly std: number;
  readonly text: string;
}

/** Horizontal bars from zero in the order of the rows, each with its value. */
export function barPlot<Row extends object>(rows: readonly Row[], options: BarPlotOptions<Row>): Picture {
  return namedPlot(rows, options, "bars", "linear");
}

/** Points instead of bars: for values whose differences are small beside their size, or on a log axis. */
export function dotPlot<Row extends object>(rows: readonly Row[], options: DotPlotOptions<Row>): Picture {
  return namedPlot(rows, options, "dots", options.xScale ?? "linear");
}

function namedPlot<Row extends object>(
  rows: readonly Row[],
  options: BarPlotOptions<Row>,
  kind: "bars" | "dots",
  scale: "linear" | "log",
): Picture {
  const { label, value, series, title, caption, valueLabel = value, references = [] } = options;
  const bars = rows.map((row): Bar => {
    const v = row[value] as number | Spread;
    const text = isSpread(v) ? v.toString() : shortNumber(v);
    const [name, part] = [label, series].map((key) => (key ? String(row[key]) : ""));
    return { label: name, series: part, value: Number(v), std: isSpread(v) ? v.std : 0, text };
  });
  const named = series ? bars.map((bar) => ({ ...bar, label: `${bar.label}, ${bar.series}` })) : bars;
  const lines = references.map(({ x, name }) => `${name}: ${x}`);
  return new Picture((size) => drawing(bars, size, { ...options, valueLabel }, kind, scale), {
    title,
    caption,
    text: [valueLabel, textBars(named), ...lines].join("\n"),
  });
}

function drawing<Row extends object>(
  bars: readonly Bar[],
  { width, fontSize }: Size,
  { series, valueLabel, references = [], plot: more = {} }: BarPlotOptions<Row>,
  kind: "bars" | "dots",
  scale: "linear" | "log",
): Drawing {
  const labels = unique(bars.map((bar) => bar.label));
  const parts = unique(bars.map((bar) => bar.series));
  const [labelColors, partColors] = [labels, parts].map(colorsOf);
  const plain = colorsOf([...labels.filter(methodOf), "other"]).at(-1) as string; // no method's that is here
  const colorOf = (bar: Bar): string => {
    if (series) return partColors[parts.indexOf(bar.series)];
    return methodOf(bar.label) ? labelColors[labels.indexOf(bar.label)] : plain;
  };
  const grouped = series !== undefined && kind === "bars";
  const facet = grouped ? { fy: "label" } : {};
  const y = grouped ? "series" : "label";
  const texts = kind === "bars" || !series;
  const card = width < 500;
  const marginLeft = Math.min(
    0.5 * width,
    16 + Math.max(0, ...labels.map((label) => textWidth(label, fontSize))),
  );
  const marginRight = texts
    ? (kind === "dots" ? 26 : 14) + Math.max(20, ...bars.map((bar) => textWidth(bar.text, fontSize)))
    : 20;
  const shown = bars.filter(({ value }) => Number.isFinite(value));
  const ends = shown.flatMap(({ value, std }) => [
    value,
    value + std,
    ...(scale === "linear" || value > std ? [value - std] : []),
  ]);
  const x: Axis = axis({
    values: [...ends, ...references.flatMap((one) => one.x ?? []), ...(kind === "bars" ? [0] : [])],
    scale,
    length: width - marginLeft - marginRight - 10,
    fontSize,
    along: "x",
    nice: true,
  });
  const row = grouped ? Math.max(16, 1.5 * fontSize) * parts.length + 10 : card ? 24 : 28;
  const top = references.length > 0 ? 1.8 * fontSize : 6;
  const marginBottom = 3.1 * fontSize;
  return {
    legend: series
      ? parts.map((name, i) => ({ name, color: partColors[i], sign: grouped ? "■" : "●" }))
      : undefined,
    options: {
      width,
      marginLeft,
      marginRight,
      marginTop: top,
      marginBottom,
      height: top + marginBottom + row * labels.length,
      x: { type: scale, domain: x.domain as [number, number] },
      y: grouped
        ? { domain: parts, axis: null, padding: 0.12 }
        : { domain: labels, label: null, padding: 0.25 },
      ...(grouped ? { fy: { domain: labels, label: null, axis: null, padding: 0.18 } } : {}),
      insetLeft: kind === "dots" ? 8 : 0,
      insetRight: 8,
      ...more,
      marks: [
        Plot.gridX(x.ticks, { stroke: "currentColor", strokeOpacity: 0.12 }),
        Plot.axisX(x.ticks, {
          text: x.text,
          label: `${valueLabel} →`,
          labelArrow: "none",
          labelAnchor: "right",
          tickSize: 4,
        }),
        ...(grouped
          ? [Plot.axisFy({ label: null, anchor: "left", tickPadding: 6 })]
          : [Plot.axisY({ label: null, tickSize: 0, tickPadding: 6 })]),
        ...references.map(({ x: at }) =>
          Plot.ruleX([at!], { stroke: "currentColor", strokeDasharray: "5 4", strokeOpacity: 0.65 }),
        ),
        ...references.map(({ x: at, name }) =>
          Plot.text([name], {
            ...(grouped ? { fy: () => labels[0] } : {}),
            x: () => at!,
            frameAnchor: "top",
            dy: -0.9 * fontSize,
            textAnchor: place(at!, x) > 0.7 ? "end" : place(at!, x) < 0.2 ? "start" : "middle",
          }),
        ),
        ...(kind === "bars"
          ? [Plot.barX(shown, { x: "value", y, fill: colorOf, ...facet }), Plot.ruleX([0])]
          : [Plot.gridY(labels, { stroke: "currentColor", strokeOpacity: 0.08 })]),
        Plot.ruleY(
          shown.filter(({ std }) => std > 0),
          {
            y,
            x1: (b) => Math.max(b.value - b.std, scale === "log" ? x.domain[0] : -Infinity),
            x2: (b) => b.value + b.std,
            stroke: kind === "bars" ? "currentColor" : colorOf,
            strokeWidth: kind === "bars" ? 1 : 2,
            ...facet,
          },
        ),
        ...(kind === "dots" ? [Plot.dot(shown, { x: "value", y, fill: colorOf, r: 4.5 })] : []),
        ...(texts
          ? [
              kind === "bars"
                ? Plot.text(shown, {
                    ...HALO,
                    x: (b) => b.value + b.std,
                    y,
                    text: "text",
                    dx: 8,
                    textAnchor: "start",
                    ...facet,
                  })
                : Plot.text(shown, { y, text: "text", frameAnchor: "right", dx: 10, textAnchor: "start" }),
            ]
          : []),
        ...((more.marks ?? []) as Plot.Markish[]),
      ],
    },
  };
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
