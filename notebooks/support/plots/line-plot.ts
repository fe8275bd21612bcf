/** @file `linePlot` and `scatterPlot`: points with and without lines between them, in one panel or several. */
import * as Plot from "@observablehq/plot";
import { colorsOf } from "../show/colors.ts";
import { extent, isSpread } from "../show/format.ts";
import { type Axis, axis, textWidth } from "./axes.ts";
import {
  axisMarks,
  type EndLabel,
  endLabelMarks,
  endLabels,
  type Frame,
  labelWidth,
  leftMargin,
  type Reference,
  referenceMarks,
} from "./marks.ts";
import { Picture, type Size } from "./picture.ts";
import type { Drawing, LegendEntry } from "./plot-image.ts";
import { type Scales, type Series, textLines } from "./plot-text.ts";

export type Key<Row> = keyof Row & string;

export interface PointPlotOptions<Row> extends Scales {
  readonly x: Key<Row>;
  /** The column of the values: numbers, or Spreads, which are drawn with their deviation. */
  readonly y: Key<Row>;
  /** The column whose values distinguish the lines, by colour. Methods keep their colour on every page. */
  readonly series?: Key<Row>;
  /** The column whose values are panels beside each other, on common axes. */
  readonly panels?: Key<Row>;
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** Lines to compare with, their names written on them. */
  readonly references?: readonly Reference[];
  /** The ends of the vertical axis; points beyond it are drawn as ▲ at its edge, as are those that are not finite. */
  readonly yDomain?: readonly [number, number];
  /** The only ticks of an axis. */
  readonly xTicks?: readonly number[];
  readonly yTicks?: readonly number[];
  readonly height?: number;
  /** Further options of Observable Plot, but for the size: they take precedence, their marks are drawn on top. */
  readonly plot?: Omit<Plot.PlotOptions, keyof Frame>;
}

export interface ScatterPlotOptions<Row> extends PointPlotOptions<Row> {
  /** Whether to draw the least-squares line of each series. @default false */
  readonly fit?: boolean;
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly std: number;
  readonly name: string;
  readonly panel: string;
}

/** Lines through points: a training curve, loss against rank. */
export function linePlot<Row extends object>(rows: readonly Row[], options: PointPlotOptions<Row>): Picture {
  return pointPlot(rows, options, (points, beyond, stroke) => {
    const few = points.length <= 20 * unique(points.map(({ name, panel }) => name + panel)).length;
    const panel = options.panels ? { fx: "panel" } : {};
    return [
      Plot.line(
        [...points, ...beyond].sort((a, b) => a.x - b.x),
        { x: "x", y: "y", z: "name", stroke, strokeWidth: 2, clip: true, ...panel },
      ),
      ...(few ? [Plot.dot(points, { x: "x", y: "y", fill: stroke, r: 3, ...panel })] : []),
    ];
  });
}

/** Points alone, optionally with the line that fits those of each series. */
export function scatterPlot<Row extends object>(
  rows: readonly Row[],
  options: ScatterPlotOptions<Row>,
): Picture {
  const panel = options.panels ? { fx: "panel" } : {};
  return pointPlot(
    rows,
    options,
    (points, _, stroke) => [
      Plot.dot(points, { x: "x", y: "y", fill: stroke, fillOpacity: 0.75, r: 3.5, ...panel }),
      ...(options.fit
        ? [Plot.linearRegressionY(points, { x: "x", y: "y", z: "name", stroke, ci: 0, clip: true, ...panel })]
        : []),
    ],
    true,
  );
}

/** @param beyond points above the axis, to which lines may lead */
type Draw = (points: readonly Point[], beyond: readonly Point[], stroke: string) => Plot.Markish[];

function pointPlot<Row extends object>(
  rows: readonly Row[],
  options: PointPlotOptions<Row>,
  draw: Draw,
  scattered = false,
): Picture {
  const { series, panels, title, caption, xLabel = options.x, yLabel = options.y, references = [] } = options;
  const { xScale = "linear", yScale = "linear" } = options;
  const points = rows.map((row): Point => {
    const y = row[options.y];
    const [name, panel] = [series, panels].map((key) => (key ? String(row[key]) : ""));
    return { x: Number(row[options.x]), y: Number(y), std: isSpread(y) ? y.std : 0, name, panel };
  });
  const names = unique(points.map(({ name }) => name));
  const panelNames = unique(points.map(({ panel }) => panel));
  return new Picture((size) => drawing(points, names, panelNames, size, options, draw, scattered), {
    title,
    caption,
    text: `${yLabel} against ${xLabel}\n${textForm()}`,
  });

  function textForm(): string {
    const parts = panelNames.map((panel) => {
      const lines: Series[] = names.map((name) => ({
        name,
        points: points.flatMap((p) => (p.name === name && p.panel === panel ? [[p.x, p.y] as const] : [])),
      }));
      const text = textLines(lines, { xScale, yScale, scattered });
      return panels ? `${panel}\n${text}` : text;
    });
    const lines = references.map(
      ({ x, y, name }) => `${name}: ${x === undefined ? y : `${options.x} = ${x}`}`,
    );
    return [...parts, ...lines].join("\n");
  }
}

function drawing<Row extends object>(
  points: readonly Point[],
  names: readonly string[],
  panelNames: readonly string[],
  size: Size,
  options: PointPlotOptions<Row>,
  draw: Draw,
  scattered: boolean,
): Drawing {
  const { series, panels, xLabel = options.x, yLabel = options.y, references = [] } = options;
  const { xScale = "linear", yScale = "linear", yDomain } = options;
  const { width, fontSize } = size;
  const colors = colorsOf(names);
  const colorOf = (name: string): string => (series ? colors[names.indexOf(name)] : "#4269d0");
  const height = size.width < 500 ? size.height : (options.height ?? (panels ? 300 : size.height));
  const panelWidth = (width - 5 * fontSize) / (1.16 * panelNames.length);
  const nameLines = Math.max(
    ...panelNames.map((name) => Math.ceil((1.15 * textWidth(name, fontSize)) / panelWidth)),
  );
  const around = {
    marginTop: panels ? (1.1 + 1.1 * nameLines) * fontSize : 10,
    marginBottom: 3.1 * fontSize,
  };
  const ys = points.flatMap(({ y, std }) => (std > 0 ? [y, y - std, y + std] : [y]));
  const y = axis({
    values: [...ys, ...references.flatMap((one) => one.y ?? [])],
    scale: yScale,
    length: height - around.marginTop - around.marginBottom - 16,
    fontSize,
    along: "y",
    domain: yDomain ?? (yScale === "log" ? logRange(points, references) : undefined),
    ticks: options.yTicks,
  });
  const frameFor = (marginRight: number): Frame => ({
    ...around,
    width,
    height,
    marginLeft: Math.max(leftMargin(y, fontSize), 1.2 * fontSize),
    marginRight,
  });
  const xAxis = (frame: Frame): Axis =>
    axis({
      values: [...points.map((p) => p.x), ...references.flatMap((one) => one.x ?? [])],
      scale: xScale,
      length: (width - frame.marginLeft - frame.marginRight) / (1.1 * panelNames.length) - 16,
      fontSize,
      along: "x",
      ticks: options.xTicks,
    });

  const shown = points.filter((p) => Number.isFinite(p.y));
  const ends = names.flatMap((name) => {
    const last = shown
      .filter((p) => p.name === name)
      .sort((a, b) => a.x - b.x)
      .at(-1);
    return last ? [{ name, x: last.x, y: last.y, color: colorOf(name) }] : [];
  });
  let frame = frameFor(2 * fontSize);
  let labels: EndLabel[] | null = null;
  if (series && !panels && !scattered && names.length > 1) {
    const wide = frameFor(labelWidth(ends, fontSize));
    labels = endLabels(ends, xAxis(wide), y, inset(wide), fontSize);
    if (labels) frame = wide;
  }
  const x = xAxis(frame);
  const beyond = points.filter((p) => !(p.y <= y.domain[1] * (1 + 1e-9)));
  const spreads = shown.filter(({ std }) => std > 0);
  const named = !panels; // in panels the names of the references would stand on the lines
  const many = spreads.length > 40 * names.length;
  const facet = panels ? { fx: "panel" } : {};
  const low = (p: Point): number => Math.max(p.y - p.std, yScale === "log" ? y.domain[0] : -Infinity);
  const legend: LegendEntry[] = [
    ...(series && !labels && names.length > 1 ? names.map((name) => ({ name, color: colorOf(name) })) : []),
    ...(named ? [] : references.map(({ name }) => ({ name, color: "currentColor", sign: "╌" }))),
    ...(beyond.length > 0 ? [{ name: "above the axis, or diverged", color: "currentColor", sign: "▲" }] : []),
  ];
  const { marks = [], ...more } = options.plot ?? {};
  return {
    legend,
    yLabel,
    options: {
      ...frame,
      insetLeft: 8,
      insetRight: 8,
      insetBottom: 8,
      insetTop: 8,
      x: { type: xScale, domain: x.domain as [number, number] },
      y: { type: yScale, domain: y.domain as [number, number] },
      color: { type: "categorical", domain: names, range: series ? colors : ["#4269d0"] },
      ...(panels ? { fx: { domain: panelNames, axis: null, padding: width < 500 ? 0.16 : 0.08 } } : {}),
      ...more,
      marks: [
        ...axisMarks(x, y, xLabel),
        ...(panels
          ? [
              Plot.axisFx({
                anchor: "top",
                label: null,
                tickSize: 0,
                tickPadding: 6,
                lineWidth: panelWidth / fontSize,
              }),
            ]
          : []),
        ...referenceMarks(references, shown, { x, y }, named),
        many
          ? Plot.areaY(spreads, {
              x: "x",
              y1: low,
              y2: (p) => p.y + p.std,
              fill: "name",
              fillOpacity: 0.2,
              z: "name",
              clip: true,
              ...facet,
            })
          : Plot.ruleX(spreads, {
              x: "x",
              y1: low,
              y2: (p) => p.y + p.std,
              stroke: "name",
              strokeWidth: 1.5,
              strokeOpacity: 0.6,
              clip: true,
              ...facet,
            }),
        ...draw(
          shown.filter((p) => !beyond.includes(p)),
          beyond.filter((p) => Number.isFinite(p.y)),
          "name",
        ),
        Plot.dot(beyond, { x: "x", y: () => y.domain[1], fill: "name", symbol: "triangle", r: 5, ...facet }),
        ...(labels ? endLabelMarks(labels, frame, fontSize) : []),
        ...(marks as Plot.Markish[]),
      ],
    },
  };
}

/** The frame within the plot's insets, where points are. */
const inset = (frame: Frame): Frame => ({
  ...frame,
  marginTop: frame.marginTop + 8,
  marginBottom: frame.marginBottom + 8,
});

/** The ends of a log axis: those of the values, and of their deviations where these are above zero. */
function logRange(points: readonly Point[], references: readonly Reference[]): [number, number] | undefined {
  const values = points.flatMap(({ y, std }) => [y, y + std, ...(y - std > y / 4 ? [y - std] : [])]);
  const all = [...values, ...references.flatMap(({ y }) => y ?? [])].filter(
    (y) => Number.isFinite(y) && y > 0,
  );
  if (all.length === 0) return undefined;
  const [low, high] = extent(all);
  return low === high ? [low / 2, high * 2] : [low, high];
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
