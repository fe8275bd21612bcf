/** @file Curves of several arms in panels side by side. The ranks of LoRA are shades of its colour, from pale to dark. */
import * as Plot from "@observablehq/plot";
import { colorsOf } from "./colors.ts";
import { type Picture, plot } from "./plot.ts";
import { textLines } from "./plot-text.ts";

const SHADES = ["#9dbaf2", "#7c9fe8", "#5d84db", "#4269d0", "#2f4fa8", "#1d3478"];
const RANK = /^LoRA, r = \d+/;

/** One shade of blue for each rank of LoRA, and for others the colours of their names. */
export function shadesOf(arms: readonly string[]): string[] {
  const ranks = arms.filter((arm) => RANK.test(arm));
  const plain = colorsOf(arms.filter((arm) => !RANK.test(arm)));
  return arms.map((arm) => {
    const at = ranks.indexOf(arm);
    if (at < 0) return plain.shift() ?? "black";
    return SHADES[ranks.length === 1 ? 3 : Math.round((at * (SHADES.length - 1)) / (ranks.length - 1))];
  });
}

/** A point of a curve: its panel and its arm. */
export interface Point {
  readonly panel: string;
  readonly arm: string;
  readonly x: number;
  readonly y: number;
}

export interface Panels {
  readonly title: string;
  readonly caption: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xTicks?: readonly number[];
  readonly xScale?: "log" | "linear";
  readonly yScale?: "log" | "linear";
  readonly yDomain?: readonly [number, number];
  /** Dots at the highest points, at the lowest, at all points, or at none. */
  readonly dots?: "highest" | "lowest" | "all" | "none";
}

/** Curves in panels side by side on common axes. */
export function panels(points: readonly Point[], options: Panels): Picture {
  const { title, caption, xLabel, yLabel, xTicks, xScale = "log", yScale = "linear", dots = "all" } = options;
  const shown = points.filter(({ y }) => Number.isFinite(y) && (!options.yDomain || y >= options.yDomain[0]));
  const names = [...new Set(points.map(({ panel }) => panel))];
  const arms = [...new Set(points.map(({ arm }) => arm))];
  const best = dots === "highest" ? 1 : -1;
  const marked =
    dots === "all"
      ? shown
      : names.flatMap((panel) =>
          arms.flatMap((arm) => {
            const own = shown.filter((one) => one.panel === panel && one.arm === arm);
            return dots === "none" || own.length === 0
              ? []
              : [own.reduce((a, b) => (best * b.y > best * a.y ? b : a))];
          }),
        );
  const facet = names.length > 1 ? { fx: "panel" } : {};
  return plot(
    {
      width: 720,
      height: 300,
      marginLeft: 50,
      grid: true,
      ...(names.length > 1 ? { fx: { label: null, domain: names } } : {}),
      x: { type: xScale, label: xLabel, ticks: xTicks as number[] | undefined, tickFormat: String },
      y: {
        type: yScale,
        label: yLabel,
        ticks: 5,
        tickFormat: (y: number) => String(Number(y.toPrecision(2))),
        ...(options.yDomain ? { domain: options.yDomain as [number, number] } : {}),
      },
      color: { type: "categorical", domain: arms, range: shadesOf(arms) },
      marks: [
        Plot.line(shown, { ...facet, x: "x", y: "y", z: "arm", stroke: "arm", strokeWidth: 1.7 }),
        Plot.dot(marked, { ...facet, x: "x", y: "y", fill: "arm", r: dots === "all" ? 2.5 : 4.5 }),
      ],
    },
    {
      title,
      caption,
      legend: true,
      text: names
        .map((panel) => {
          const series = arms.map((name) => ({
            name,
            points: shown
              .filter((p) => p.arm === name && p.panel === panel)
              .map(({ x, y }) => [x, y] as const),
          }));
          return `${panel}: ${yLabel} against ${xLabel}\n${textLines(series, { xScale, yScale })}`;
        })
        .join("\n\n"),
    },
  );
}
