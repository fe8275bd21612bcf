/** @file What the factors of a method are called, and the equation and the library's lines that make its ΔW. */
import type { MethodName } from "../../engine/types.ts";
import type { LineKey } from "../lines.ts";

export interface Factors {
  /** The names of what stands left and above ΔW. */
  readonly B: string;
  readonly A: string;
  readonly equation: string;
  readonly lines: readonly LineKey[];
  /** What is said of a method without factors. */
  readonly none?: string;
}

const lora: Factors = {
  B: "B",
  A: "A",
  equation: String.raw`\Delta W = \frac{\alpha}{r} B A, \qquad \frac{\partial L}{\partial B} = \frac{\alpha}{r}\, G (A x)^\top, \qquad \frac{\partial L}{\partial A} = \frac{\alpha}{r}\, B^\top G\, x^\top`,
  lines: ["start", "lora"],
};

const others: Readonly<Partial<Record<MethodName, Factors>>> = {
  full: {
    ...lora,
    equation: String.raw`\Delta W = W - W_0`,
    lines: [],
    none: "Every weight is trained, so ΔW has no factors A and B: it is all that training has changed.",
  },
  bitfit: {
    ...lora,
    equation: "h = W_0 x + b",
    lines: [],
    none: "BitFit trains biases alone: it has no A and B, and ΔW stays zero.",
  },
  rslora: {
    ...lora,
    equation: String.raw`\Delta W = \frac{\alpha}{\sqrt r} B A`,
    lines: ["scaling", "lora"],
  },
  "lora-fa": { ...lora, equation: String.raw`\Delta W = \frac{\alpha}{r} B A_0`, lines: ["start", "frozen"] },
  dora: {
    ...lora,
    equation: String.raw`\Delta W = m\, \frac{W_0 + \frac{\alpha}{r} BA}{\lVert W_0 + \frac{\alpha}{r} BA \rVert} - W_0`,
    lines: ["start", "dora"],
  },
  adalora: {
    ...lora,
    B: "P",
    A: "Q",
    equation: String.raw`\Delta W = \frac{\alpha}{r} P \Lambda Q`,
    lines: ["adalora"],
  },
  vera: { ...lora, equation: String.raw`\Delta W = \Lambda_b B \Lambda_d A`, lines: ["vera"] },
  pissa: { ...lora, lines: ["pissa", "lora"] },
  olora: { ...lora, lines: ["olora", "lora"] },
  loftq: { ...lora, lines: ["loftq", "lora"] },
};

export const factorsOf = (method: MethodName): Factors => others[method] ?? lora;
