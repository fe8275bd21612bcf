/** @file The picture of the idea: the weight, and beside it the two thin matrices. */
import * as Plot from "@observablehq/plot";
import { type Picture, plot } from "../../support/index.ts";

/** Of the page's ink, so that the words on it can be read in the dark. */
const FROZEN = "currentColor";
const TRAINED = "#4269d0";

/** W₀ [d, d] beside B [d, r] and A [r, d], with areas in proportion to the numbers that they hold. */
export function thinProduct(d: number, r: number): Picture {
  const gap = d / 3;
  const parts = [
    { x1: 0, x2: d, y1: 0, y2: d, fill: FROZEN },
    { x1: d + gap, x2: d + gap + r, y1: 0, y2: d, fill: TRAINED },
    { x1: d + 1.3 * gap + r, x2: 2 * d + 1.3 * gap + r, y1: d - r, y2: d, fill: TRAINED },
  ];
  const middle = d + 1.3 * gap + r + d / 2;
  const words = [
    { x: d / 2, y: d / 2 + d / 16, text: "W₀, frozen" },
    { x: d / 2, y: d / 2 - d / 16, text: `${d} × ${d} = ${(d * d).toLocaleString("en")} numbers` },
    { x: d + gap + r / 2, y: -d / 12, text: `B, ${d} × ${r}` },
    { x: middle, y: d - r - d / 12, text: `A, ${r} × ${d}` },
    { x: middle, y: d / 2 - d / 16, text: `B and A: ${(2 * d * r).toLocaleString("en")} numbers, trained` },
  ];
  const share = ((100 * 2 * r) / d).toPrecision(3);
  return plot(
    {
      width: 640,
      aspectRatio: 1,
      margin: 10,
      x: { domain: [-2, 2 * d + 1.3 * gap + r + 2], axis: null },
      y: { domain: [-d / 7, d + 2], axis: null },
      marks: [
        Plot.rect(parts, {
          x1: "x1",
          x2: "x2",
          y1: "y1",
          y2: "y2",
          fill: "fill",
          fillOpacity: (part) => (part.fill === FROZEN ? 0.15 : 1),
        }),
        Plot.text(words.slice(0, 2), { x: "x", y: "y", text: "text", fontSize: 13, fill: "#1f2328" }), // on grey
        Plot.text(words.slice(2), { x: "x", y: "y", text: "text", fontSize: 13 }),
        Plot.text([{ x: d + gap / 2, y: d / 2, text: "+" }], { x: "x", y: "y", text: "text", fontSize: 26 }),
      ],
    },
    {
      title: "A linear layer and its update, drawn to scale",
      caption: `At r = ${r} the two factors hold ${share} % as many numbers as W₀. Their product B A is as large as W₀ itself, but its rank is at most ${r}.`,
      text: `W₀ [${d} × ${d}] + B [${d} × ${r}] · A [${r} × ${d}]`,
    },
  );
}
