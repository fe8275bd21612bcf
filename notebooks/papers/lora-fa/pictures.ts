/** @file The pictures of LoRA-FA's page: which arrays live until backward, and quality against memory. */
import * as Plot from "@observablehq/plot";
import { colorsOf } from "../../support/show/colors.ts";
import { type Picture, plot } from "../../support/show/plot.ts";

interface Box {
  readonly x: number;
  readonly y: number;
  readonly high: number;
  readonly name: string;
  readonly kept: boolean;
}

/** The arrays of one adapted layer as bars, as high as they have numbers for each token; filled if backward needs them. */
export function arraysPicture(into: number, r: number): Picture {
  const [blue, purple] = colorsOf(["LoRA", "LoRA-FA"]);
  const rows = [
    { name: "LoRA", y: 3.2, color: blue, x: true },
    { name: "LoRA-FA", y: 0.7, color: purple, x: false },
  ];
  const boxes = rows.flatMap(({ y, x, color }): (Box & { color: string })[] => [
    { x: 1.5, y, high: 1.7, name: `x: ${into}`, kept: x, color },
    { x: 4.1, y, high: Math.max(0.16, (1.7 * r) / into), name: `z = A x: ${r}`, kept: true, color },
    { x: 6.7, y, high: 1.7, name: "B z", kept: false, color },
  ]);
  const steps = rows.flatMap(({ y }) => [
    { x: 2.9, y, text: "· A" },
    { x: 5.5, y, text: "· B" },
  ]);
  return plot(
    {
      width: 640,
      height: 300,
      margin: 0,
      x: { domain: [0, 8.6], axis: null },
      y: { domain: [-0.65, 4.75], axis: null },
      marks: [
        Plot.rect(boxes, {
          x1: (b) => b.x - 0.32,
          x2: (b) => b.x + 0.32,
          y1: (b) => b.y - b.high / 2,
          y2: (b) => b.y + b.high / 2,
          fill: (b) => (b.kept ? b.color : "none"),
          stroke: "color",
          strokeWidth: 1.5,
        }),
        Plot.text(boxes, { x: "x", y: (b) => b.y - 1.05, text: "name" }),
        Plot.arrow(steps, {
          x1: (s) => s.x - 0.7,
          x2: (s) => s.x + 0.7,
          y1: "y",
          y2: "y",
          stroke: "currentColor",
          headLength: 7,
        }),
        Plot.text(steps, { x: "x", y: "y", text: "text", dy: -10 }),
        Plot.text(rows, {
          x: 0.1,
          y: "y",
          text: "name",
          fill: "color",
          fontWeight: 600,
          textAnchor: "start",
        }),
      ],
    },
    {
      title: "Numbers for each token, in a layer's adapter",
      caption:
        "Filled: kept until the backward pass. LoRA keeps the layer's whole input x, since the gradient of A needs it; LoRA-FA keeps A x alone.",
      text: `LoRA keeps x (${into} numbers for each token) and A x (${r}); LoRA-FA keeps A x (${r})`,
    },
  );
}

export interface Outcome {
  readonly method: string;
  /** Held-out loss. */
  readonly loss: number;
  /** KiB saved for backward. */
  readonly saved: number;
}

/** Held-out loss against what backward keeps, a point for each method. */
export function outcomePicture(outcomes: readonly Outcome[], title: string): Picture {
  const losses = outcomes.map(({ loss }) => loss);
  const span = Math.max(...losses) - Math.min(...losses) || 1;
  const most = Math.max(...outcomes.map(({ saved }) => saved));
  const named = outcomes.map((one) => ({
    ...one,
    color: colorsOf([one.method])[0],
  }));
  const label = { x: "saved", y: "loss", text: "method", fill: "color", fontWeight: 600 } as const;
  return plot(
    {
      width: 640,
      height: 330,
      marginLeft: 52,
      marginBottom: 42,
      grid: true,
      x: { domain: [0, 1.1 * most], label: "saved for backward, KiB →", labelArrow: "none", ticks: 5 },
      y: {
        domain: [Math.min(...losses) - 0.2 * span, Math.max(...losses) + 0.2 * span],
        label: "held-out loss, nats per token",
        ticks: 5,
      },
      marks: [
        Plot.dot(named, { x: "saved", y: "loss", fill: "color", r: 6 }),
        Plot.text(named, { ...label, dx: -11, textAnchor: "end" }),
      ],
    },
    {
      title,
      caption: "Left is less memory, down is a lower loss. Lower left would be better in both.",
      text: outcomes
        .map(({ method, loss, saved }) => `${method}: ${loss.toFixed(3)} nats, ${saved.toFixed(0)} KiB`)
        .join("\n"),
    },
  );
}
