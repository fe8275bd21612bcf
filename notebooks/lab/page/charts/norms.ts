/** @file The norms of A and B and of their gradients, by step. */
import * as Plot from "@observablehq/plot";
import type { Stepped } from "../../engine/types.ts";
import { frame, ticksIn } from "./common.ts";

const names = { A: "‖A‖", B: "‖B‖", gradA: "‖∂L/∂A‖", gradB: "‖∂L/∂B‖" } as const;

/** `what`: the factors, or their gradients. */
export function normChart(
  steps: readonly Stepped[],
  what: "factors" | "gradients",
  last: number,
  width: number,
): Element {
  const keys = what === "factors" ? (["A", "B"] as const) : (["gradA", "gradB"] as const);
  const data = keys.flatMap((key) =>
    steps
      .filter(({ step }) => step <= last)
      .map(({ step, norms }) => ({ name: names[key], step, value: norms[key] })),
  );
  return Plot.plot({
    ...frame(width, 200),
    color: { domain: keys.map((key) => names[key]), range: ["#4269d0", "#e0662b"], legend: false },
    x: { label: "step", ticks: ticksIn(width), domain: [1, Math.max(2, Math.min(last, steps.length))] },
    y: {
      label: what === "factors" ? "norm after the step" : "norm of the gradient",
      grid: true,
      zero: true,
      nice: true,
    },
    marks: [
      Plot.ruleY([0]),
      Plot.lineY(data, { x: "step", y: "value", stroke: "name", z: "name", strokeWidth: 2 }),
      Plot.dot(data, { x: "step", y: "value", fill: "name", r: steps.length > 30 ? 0 : 3 }),
    ],
  });
}
