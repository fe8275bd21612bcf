/** @file What all plots of the page share: size of letters, margins, the ground. */
import type * as Plot from "@observablehq/plot";

/** Options of every plot; `height` in pixels. */
export const frame = (width: number, height: number): Plot.PlotOptions => ({
  width,
  height,
  marginLeft: 44,
  marginRight: 12,
  marginTop: 24,
  marginBottom: 34,
  style: { background: "none", fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
});

/** As many ticks as a width has room for. */
export const ticksIn = (width: number): number => Math.max(3, Math.min(8, Math.round(width / 90)));
