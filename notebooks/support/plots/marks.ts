/** @file What line and scatter plots share: axes, references with their names, labels at the ends of lines, panels. */
import * as Plot from "@observablehq/plot";
import { type Axis, place, textWidth } from "./axes.ts";

/** A line across the plot that the points are to be compared with: chance, full fine-tuning, a bound. */
export interface Reference {
  /** A horizontal line; or `x`, for a vertical one. */
  readonly y?: number;
  readonly x?: number;
  /** Written on the line. */
  readonly name: string;
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly marginLeft: number;
  readonly marginRight: number;
  readonly marginTop: number;
  readonly marginBottom: number;
}

const INK = "currentColor";
/** Around text on a plot, in the colour of the ground, so that it can be read on a line. */
export const HALO = { fill: INK, stroke: "white", strokeWidth: 4 };

/** Grid lines, and one label for each tick. */
export function axisMarks(x: Axis, y: Axis, xLabel: string): Plot.Markish[] {
  return [
    Plot.gridY(y.ticks, { stroke: INK, strokeOpacity: 0.12 }),
    Plot.axisY(y.ticks, { text: y.text, label: null, tickSize: 0, tickPadding: 6 }),
    Plot.axisX(x.ticks, {
      text: x.text,
      label: `${xLabel} →`,
      labelAnchor: "right",
      labelArrow: "none",
      tickSize: 4,
    }),
  ];
}

/** Space for the labels of y. */
export const leftMargin = (y: Axis, fontSize: number): number =>
  14 + Math.max(0, ...y.ticks.map((tick) => textWidth(y.text(tick), fontSize)));

/** Dashed lines with their names, each at the end where fewer points are near. */
export function referenceMarks(
  references: readonly Reference[],
  points: readonly { readonly x: number; readonly y: number }[],
  { x, y }: { readonly x: Axis; readonly y: Axis },
  named: boolean,
): Plot.Markish[] {
  return references.flatMap(({ x: at, y: level, name }) => {
    const style = { stroke: INK, strokeDasharray: "5 4", strokeOpacity: 0.65 };
    if (level === undefined)
      return [
        Plot.ruleX([at!], style),
        ...(named
          ? [
              Plot.text([name], {
                ...HALO,
                x: () => at!,
                frameAnchor: "top",
                dx: 5,
                dy: 6,
                textAnchor: "start",
              }),
            ]
          : []),
      ];
    const near = points.filter((p) => Math.abs(place(p.y, y) - place(level, y)) < 0.12);
    const left = near.filter((p) => place(p.x, x) < 0.45).length;
    const right = near.filter((p) => place(p.x, x) > 0.55).length;
    const atRight = right <= left;
    const label = Plot.text([name], {
      ...HALO,
      y: () => level,
      frameAnchor: atRight ? "right" : "left",
      textAnchor: atRight ? "end" : "start",
      dx: atRight ? -4 : 4,
      dy: place(level, y) > 0.93 ? 9 : -8,
    });
    return [Plot.ruleY([level], style), ...(named ? [label] : [])];
  });
}

export interface End {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly color: string;
}

/** A label at the end of a line; `at` is its height in pixels, which may be off the line's where labels are close. */
export interface EndLabel extends End {
  readonly at: number;
  readonly from: number;
}

/**
 * Places names beside the ends of lines. Null where a legend is better: names too long, lines that end too close
 * together or not at the right.
 */
export function endLabels(
  ends: readonly End[],
  x: Axis,
  y: Axis,
  frame: Frame,
  fontSize: number,
): EndLabel[] | null {
  const height = frame.height - frame.marginTop - frame.marginBottom;
  const line = 1.2 * fontSize;
  if (ends.length > Math.min(10, height / line)) return null;
  if (ends.some((end) => !Number.isFinite(end.y) || place(end.x, x) < 0.9)) return null;
  if (labelWidth(ends, fontSize) > 0.3 * frame.width) return null;
  const heightOf = (value: number): number => frame.marginTop + (1 - clamp(place(value, y))) * height;
  const sorted = ends.map((end) => ({ ...end, from: heightOf(end.y) })).sort((a, b) => a.from - b.from);
  const at = spread(
    sorted.map(({ from }) => from),
    line,
    frame.marginTop,
    frame.height - frame.marginBottom,
  );
  if (sorted.some(({ from }, i) => Math.abs(at[i] - from) > 4 * line)) return null;
  return sorted.map((end, i) => ({ ...end, at: at[i] }));
}

export const labelWidth = (ends: readonly { readonly name: string }[], fontSize: number): number =>
  26 + Math.max(0, ...ends.map(({ name }) => textWidth(name, fontSize)));

const clamp = (share: number): number => Math.min(1, Math.max(0, share));

/** Sorted heights moved as little as needed so that they are at least `gap` apart, within `low` and `high`. */
export function spread(heights: readonly number[], gap: number, low: number, high: number): number[] {
  const groups: { members: number[]; top: number }[] = [];
  for (const height of heights) {
    groups.push({ members: [height], top: height });
    for (;;) {
      const last = groups.at(-1)!;
      const size = (last.members.length - 1) * gap;
      const middle = last.members.reduce((sum, h, i) => sum + h - i * gap, 0) / last.members.length;
      last.top = Math.min(Math.max(middle, low), Math.max(low, high - size));
      const before = groups.at(-2);
      if (!before || before.top + before.members.length * gap <= last.top) break;
      groups.pop();
      before.members.push(...last.members);
    }
  }
  return groups.flatMap(({ members, top }) => members.map((_, i) => top + i * gap));
}

/** The labels, with a thin line from the end of each line to its name. */
export function endLabelMarks(labels: readonly EndLabel[], frame: Frame, fontSize: number): Plot.Markish[] {
  const edge = frame.width - frame.marginRight;
  return [
    (
      _index: unknown,
      _scales: unknown,
      _values: unknown,
      _dimensions: unknown,
      context: { ownerSVGElement: SVGElement },
    ) => {
      const { ownerDocument } = context.ownerSVGElement;
      const make = (tag: string, attributes: Record<string, string | number>): Element => {
        const element = ownerDocument.createElementNS("http://www.w3.org/2000/svg", tag);
        for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
        return element;
      };
      const group = make("g", {});
      for (const { name, from, at, color } of labels) {
        const path = `M${edge - 4},${from}L${edge + 2},${from}L${edge + 12},${at}L${edge + 17},${at}`;
        group.append(make("path", { d: path, fill: "none", stroke: color, "stroke-width": 1.25 }));
        const text = make("text", {
          x: edge + 20,
          y: at + 0.35 * fontSize,
          fill: INK,
          "text-anchor": "start",
        });
        text.textContent = name;
        group.append(text);
      }
      return group as SVGElement;
    },
  ] as unknown as Plot.Markish[];
}
