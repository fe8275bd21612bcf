/** @file The singular values of ΔW, a panel for each adapted matrix: blocks from left to right, kinds from top to bottom. */
import * as Plot from "@observablehq/plot";
import type { Matrix, Measured } from "../../engine/types.ts";
import { frame } from "./common.ts";

/** "block 1, W_q" → ["block 1", "W_q"] */
const placeOf = ({ title }: Matrix): [string, string] => {
  const [block, kind] = title.split(", ");
  return [block, kind ?? ""];
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
  return Plot.plot({
    ...frame(width, 40 + 64 * kinds.length),
    marginRight: 4,
    marginLeft: 56,
    fx: { label: null, axis: "top" },
    fy: { label: null, axis: "left", domain: kinds },
    x: { axis: null, type: "band", domain: Array.from({ length: most }, (_, i) => i + 1), padding: 0.15 },
    y: { axis: null, domain: [0, largest] },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      Plot.barY(values, {
        fx: "block",
        fy: "kind",
        x: "i",
        y: "value",
        fill: ({ i }) => (i <= rank ? "#4269d0" : "#e0662b"),
      }),
    ],
  });
}
