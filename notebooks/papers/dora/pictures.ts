/** @file The pictures of DoRA's page: a row as an arrow, the toys, ΔM against ΔD. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../support/experiments/statistics.ts";
import { colorsOf } from "../../support/show/colors.ts";
import { linePlot, type Picture, plot } from "../../support/show/plot.ts";
import type { ToyResult } from "./planted.ts";

type Point = readonly [x: number, y: number];
const length = ([x, y]: Point): number => Math.hypot(x, y);

/** One row of a weight in the plane: what LoRA does to it, and what DoRA does. @param m the trained length */
export function rowPicture(w0: Point, change: Point, m: number): Picture {
  const V: Point = [w0[0] + change[0], w0[1] + change[1]];
  const w: Point = [(V[0] * m) / length(V), (V[1] * m) / length(V)];
  const [grey, blue, red] = colorsOf(["base", "LoRA", "DoRA"]);
  const right = 4.6; // where the second scene begins
  const arrows = [
    { from: [0, 0], to: w0, color: grey, name: "w₀", dx: 14, dy: 8 },
    { from: w0, to: V, color: blue, name: "B A", dx: 16, dy: 0 },
    { from: [0, 0], to: V, color: blue, name: "w₀ + B A", dx: -34, dy: 0 },
    { from: [right, 0], to: [right + w0[0], w0[1]], color: grey, name: "w₀", dx: 14, dy: 8 },
    { from: [right, 0], to: [right + V[0], V[1]], color: blue, name: "V′ = w₀ + B A", dx: 0, dy: -12 },
    { from: [right, 0], to: [right + w[0], w[1]], color: red, name: "w′ = m V′/‖V′‖", dx: -60, dy: -4 },
  ];
  const arc = (at: number, radius: number) =>
    Array.from({ length: 46 }, (_, i) => {
      const angle = (Math.PI / 90) * (i - 1);
      return [at + radius * Math.cos(angle), radius * Math.sin(angle)];
    });
  const titles = [
    { x: 0, text: "LoRA adds: the row turns, and its length follows" },
    { x: right, text: "DoRA: B A turns the row, m sets its length" },
  ];
  const dashed = { stroke: "currentColor", strokeDasharray: "3 4", strokeOpacity: 0.6 };
  const [low, high, widest] = [-0.35, 3.5, right + 3.9];
  return plot(
    {
      width: 640,
      height: Math.round((640 * (high - low)) / (widest + 0.4)),
      margin: 0,
      x: { domain: [-0.4, widest], axis: null },
      y: { domain: [low, high], axis: null },
      marks: [
        Plot.line(arc(0, length(w0)), dashed),
        Plot.line(arc(right, m), { ...dashed, stroke: red }),
        ...arrows.map(({ from, to, color }) =>
          Plot.arrow([{}], {
            x1: from[0],
            y1: from[1],
            x2: to[0],
            y2: to[1],
            stroke: color,
            strokeWidth: 2.5,
            headLength: 9,
          }),
        ),
        ...arrows.map(({ from, to, color, name, dx, dy }) => {
          const end = name === "B A" ? [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2] : to;
          return Plot.text([name], { x: end[0], y: end[1], dx, dy, fill: color, fontWeight: 600 });
        }),
        Plot.text(titles, { x: "x", y: 3.35, text: "text", textAnchor: "start" }),
      ],
    },
    {
      title: "One row of a weight",
      caption:
        "Left: LoRA's sum leaves the circle of the old length (dashed) whenever it turns. Right: DoRA keeps the direction of that sum alone and puts the arrow's tip on a circle of its own choice (dashed, red).",
      text: `w₀ = (${w0.join(", ")}), length ${length(w0).toFixed(2)}; w₀ + B A = (${V.map((v) => v.toFixed(1)).join(", ")}), length ${length(V).toFixed(2)}; DoRA's row has its direction and the length m = ${m}`,
    },
  );
}

/** Errors below this are drawn at it. */
const FLOOR = 1e-4;

/** The error left in the toys by rank, one panel for each kind; rings are the least errors of any update of rank r. */
export function toyPicture(toys: readonly ToyResult[]): Picture {
  const row = (one: ToyResult, errors: readonly number[]) => ({
    kind: one.kind,
    r: one.r,
    method: one.method,
    error: Math.max(FLOOR, mean(errors)),
  });
  const least = toys.filter(({ method }) => method === "LoRA").map((one) => row(one, one.bounds));
  return linePlot(
    toys.map((one) => row(one, one.errors)),
    {
      x: "r",
      y: "error",
      series: "method",
      panels: "kind",
      xScale: "log",
      yScale: "log",
      xTicks: [1, 2, 4, 8],
      xLabel: "rank r",
      yLabel: "error left (1 before training)",
      yDomain: [0.8 * FLOOR, 1.3],
      title: "Three goals: the error that training leaves, by rank",
      caption:
        "Rings: the least error that any update of rank r leaves (Eckart and Young). LoRA cannot go below them; DoRA can, where the lengths of rows change. Errors under 0.0001 are drawn at the bottom.",
      plot: {
        marks: [
          Plot.dot(least, {
            x: "r",
            y: "error",
            fx: "kind",
            r: 7,
            stroke: "currentColor",
            strokeOpacity: 0.6,
          }),
        ],
      },
    },
  );
}
