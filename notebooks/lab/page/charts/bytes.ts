/** @file Bytes by category, measured above predicted. */
import * as Plot from "@observablehq/plot";
import { bytes } from "../parts/format.ts";
import { frame } from "./common.ts";

export interface BytesRow {
  readonly run: string;
  readonly which: "measured" | "formula";
  readonly category: string;
  readonly bytes: number;
}

const palette: Readonly<Record<string, string>> = {
  weights: "#8a8f98",
  quantized: "#0f9ba8",
  adapters: "#4269d0",
  gradients: "#ff725c",
  optimizer: "#d99a00",
  saved: "#3ca951",
  workspace: "#a463f2",
};

export const categoryColors = (categories: readonly string[]): { domain: string[]; range: string[] } => ({
  domain: [...categories],
  range: categories.map((category) => palette[category] ?? "#9c6b4e"),
});

export function bytesChart(rows: readonly BytesRow[], categories: readonly string[], width: number): Element {
  const runs = new Set(rows.map(({ run }) => run)).size;
  return Plot.plot({
    ...frame(width, 56 + 74 * runs),
    marginLeft: 70,
    marginTop: runs > 1 ? 30 : 12,
    color: categoryColors(categories),
    x: {
      label: "bytes at the peak of a step",
      tickFormat: bytes,
      ticks: Math.max(2, Math.round(width / 140)),
      grid: true,
    },
    y: { label: null, domain: ["measured", "formula"] },
    fy: { label: null, axis: null },
    marks: [
      Plot.barX(rows, {
        x: "bytes",
        y: "which",
        fy: "run",
        fill: "category",
        order: [...categories],
        insetTop: 2,
        insetBottom: 2,
      }),
      runs > 1
        ? Plot.text(
            rows,
            Plot.selectFirst({
              text: "run",
              fy: "run",
              z: "run",
              frameAnchor: "top-left",
              dy: -12,
              fontWeight: 600,
            }),
          )
        : null,
      Plot.ruleX([0]),
    ],
  });
}
