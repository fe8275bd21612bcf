/** @file The values of a number format on the histogram of a matrix, each weight divided by its block's largest. */
import * as Plot from "@observablehq/plot";
import { frame, ticksIn } from "./common.ts";

export function codebookChart(values: Float32Array, histogram: Float32Array, width: number): Element {
  const bins = Array.from(histogram, (share, i) => ({
    from: -1 + (2 * i) / histogram.length,
    to: -1 + (2 * (i + 1)) / histogram.length,
    share,
  }));
  return Plot.plot({
    ...frame(width, 230),
    x: { label: "weight / largest of its block", domain: [-1, 1], ticks: ticksIn(width) },
    y: { label: "share of the weights", axis: null, zero: true },
    marks: [
      Plot.rectY(bins, { x1: "from", x2: "to", y: "share", fill: "#8a8f98", fillOpacity: 0.45, inset: 0 }),
      Plot.ruleX(Array.from(values), { stroke: "#0f9ba8", strokeWidth: 1.5 }),
      Plot.dot(Array.from(values), { x: (value) => value, y: 0, fill: "#0f9ba8", r: 3.5 }),
      Plot.ruleY([0]),
    ],
  });
}
