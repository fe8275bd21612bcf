/** @file The plot of the first step. */
import { linePlot, type Picture } from "../../support/index.ts";
import { type Measured, type Rule, relative } from "./first-step.ts";

/** Adam's first step by rank: the loss that it saves, its size, and the size by the formula; all relative to r = 1. */
export function firstStepPicture(rows: readonly Measured[], rule: Rule, width: number): Picture {
  const saved = relative(rows, rule, "saved");
  const size = (r: number): number => Math.sqrt(width / r + (2 / Math.PI) * (1 - 1 / r));
  const points = [
    ...saved.map(({ r, value }) => ({ r, value, what: "loss saved, −⟨G, ΔW₁⟩" })),
    ...relative(rows, rule, "size").map(({ r, value }) => ({ r, value, what: "size of the step, ‖ΔW₁‖" })),
    ...saved.map(({ r }) => ({ r, value: size(r) / size(saved[0].r), what: "the size by the formula" })),
  ];
  return linePlot(points, {
    x: "r",
    y: "value",
    series: "what",
    xScale: "log",
    yScale: "log",
    title: `${rule.optimizer}'s first step with ${rule.scaling}`,
    xLabel: "rank r",
    yLabel: "relative to r = 1",
    caption:
      "What the first step saves is the same at every rank. How far it goes is not: at low ranks most of the step is " +
      "noise at right angles to the gradient.",
  });
}
