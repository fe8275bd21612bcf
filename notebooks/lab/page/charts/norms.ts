/** @file The norms of A and B and of their gradients, by step. */
import * as Plot from "@observablehq/plot";
import type { Stepped } from "../../engine/types.ts";
import { frame, ticksIn } from "./common.ts";

const names = { A: "‖A‖", B: "‖B‖", gradA: "‖∂L/∂A‖", gradB: "‖∂L/∂B‖" } as const;

/** Whole numbers up to `to`, about as many as `count`. */
function whole(count: number, to: number): number[] {
  const apart = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((one) => to / one <= count) ?? 1000;
  return Array.from({ length: Math.floor(to / apart) + 1 }, (_, i) => i * apart);
}

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
  const from = what === "factors" ? 0 : 1;
  const to = Math.max(from + 2, Math.min(last, steps.at(-1)?.step ?? 0));
  return Plot.plot({
    ...frame(width, 200),
    color: { domain: keys.map((key) => names[key]), range: ["#4269d0", "#e0662b"], legend: false },
    x: {
      label: "step",
      ticks: whole(ticksIn(width), to).filter((step) => step >= from),
      tickFormat: "d",
      domain: [from, to],
    },
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
