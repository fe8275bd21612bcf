/** @file The singular values of ΔW, a panel for each adapted matrix: blocks from left to right, kinds from top to bottom. */
import * as Plot from "@observablehq/plot";
import type { Matrix, Measured } from "../../engine/types.ts";
import { frame } from "./common.ts";

/** "block 1, W_q" → ["block 1", "q"] */
const placeOf = ({ title }: Matrix): [string, string] => {
  const [block, kind = ""] = title.split(", ");
  return [block, kind.replace("W_", "")];
};

export function spectraChart(
  matrices: readonly Matrix[],
  { spectra }: Measured,
  rank: number,
  width: number,
): Element {
  const most = Math.min(32, Math.max(8, 2 * rank));
  const values = matrices.flatMap((matrix, k) => {
    const [block, kind] = placeOf(matrix);
    return (spectra[k] ?? []).slice(0, most).map((value, i) => ({ block, kind, i: i + 1, value }));
  });
  const kinds = [...new Set(matrices.map((matrix) => placeOf(matrix)[1]))];
  const largest = Math.max(1e-9, ...values.map(({ value }) => value));
  // The places that the rank keeps empty.
  const closed = matrices.flatMap((matrix) => {
    const [block, kind] = placeOf(matrix);
    return Array.from({ length: Math.max(0, most - rank) }, (_, i) => ({
      block,
      kind,
      i: rank + i + 1,
      value: largest,
    }));
  });
  return Plot.plot({
    ...frame(width, 32 + 60 * kinds.length),
    marginRight: 4,
    marginBottom: 8,
    marginLeft: 56,
    fx: { label: null, axis: "top" },
    fy: { label: null, axis: "left", domain: kinds },
    x: { axis: null, type: "band", domain: Array.from({ length: most }, (_, i) => i + 1), padding: 0.15 },
    y: { axis: null, domain: [0, largest] },
    marks: [
      Plot.barY(closed, { fx: "block", fy: "kind", x: "i", y: "value", fill: "#8a8f98", fillOpacity: 0.13 }),
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      Plot.barY(values, {
        fx: "block",
        fy: "kind",
        x: "i",
        y: "value",
        fill: "#4269d0",
      }),
    ],
  });
}
