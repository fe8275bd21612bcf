/**
 * @file Plots made with Observable Plot, each also with a text form for the terminal. `linePlot`, `scatterPlot`,
 * `barPlot`, `dotPlot` and `heatmap` plot rows of data; `plot` takes any options of Observable Plot.
 */
import type * as Plot from "@observablehq/plot";
import { Picture, type PlotText } from "../plots/picture.ts";

export { barPlot, dotPlot } from "../plots/bar-plot.ts";
export { heatmap } from "../plots/heatmap.ts";
export { linePlot, scatterPlot } from "../plots/line-plot.ts";
export { Picture } from "../plots/picture.ts";

/**
 * A plot with any options of Observable Plot.
 *
 * @example plot({ marks: [Plot.dot(rows, { x: "m", y: "v" })] }, { title, text })
 */
export function plot(options: Plot.PlotOptions, text: PlotText = {}): Picture {
  return new Picture(options, text);
}
