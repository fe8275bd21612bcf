/** @file AdaLoRA: the budget by step, and the rank of every matrix now. */
import * as Plot from "@observablehq/plot";
import type { Matrix, Stepped } from "../../engine/types.ts";
import { frame, ticksIn } from "./common.ts";

export function budgetChart(steps: readonly Stepped[], width: number): Element {
  const data = steps.flatMap(({ step, budget }) => (budget ? [{ step, total: budget.total }] : []));
  return Plot.plot({
    ...frame(width, 170),
    x: { label: "step", ticks: ticksIn(width) },
    y: { label: "budget b(t), triplets of the model", grid: true, zero: true },
    marks: [
      Plot.areaY(data, { x: "step", y: "total", fill: "#3ca951", fillOpacity: 0.25 }),
      Plot.lineY(data, { x: "step", y: "total", stroke: "#3ca951" }),
    ],
  });
}

export function ranksChart(
  matrices: readonly Matrix[],
  ranks: readonly number[],
  most: number,
  width: number,
): Element {
  const cells = matrices.map(({ title }, k) => {
    const [block, kind] = title.split(", ");
    return { block, kind: (kind ?? "").replace("W_", ""), rank: ranks[k] ?? 0 };
  });
  const kinds = [...new Set(cells.map(({ kind }) => kind))];
  return Plot.plot({
    ...frame(width, 32 + 30 * kinds.length),
    marginLeft: 60,
    marginBottom: 8,
    x: { label: null, axis: "top" },
    y: { label: null, domain: kinds },
    color: { domain: [0, most], range: ["#d9efdc", "#3ca951"] },
    marks: [
      Plot.cell(cells, { x: "block", y: "kind", fill: "rank", inset: 1 }),
      Plot.text(cells, { x: "block", y: "kind", text: "rank", fill: "black" }),
    ],
  });
}
