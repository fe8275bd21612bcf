/**
 * @file The colours of the plots: one for each method and each number format, the same on every page. They can be told
 * apart with the common forms of colour blindness and read on white and on black.
 */

const COLORS: Readonly<Record<string, string>> = {
  "full fine-tuning": "#8a8f98",
  base: "#8a8f98",
  LoRA: "#4269d0",
  rsLoRA: "#6cc5b0",
  "LoRA+": "#d99a00",
  DoRA: "#ff725c",
  AdaLoRA: "#3ca951",
  "LoRA-FA": "#a463f2",
  PiSSA: "#2a9fd6",
  VeRA: "#c2579c",
  BitFit: "#9c6b4e",
  adapters: "#ff8ab7",
  prefix: "#97bbf5",
  float32: "#8a8f98",
  bfloat16: "#b0a18b",
  NF4: "#0f9ba8",
  FP4: "#e0662b",
  E2M1: "#e0662b",
  E3M0: "#c9a227",
  Int4: "#b04fc4",
  int8: "#6f8f2a",
};

/** For names that are no method's. */
const OTHERS = ["#4269d0", "#ff725c", "#3ca951", "#d99a00", "#a463f2", "#6cc5b0", "#ff8ab7", "#9c6b4e"];

/** The method whose name `label` begins with: "LoRA" for "LoRA, r = 8", "LoRA+" for "LoRA+ (16)". */
export function methodOf(label: string): string | undefined {
  const text = label.toLowerCase();
  return Object.keys(COLORS)
    .filter((name) => new RegExp(`^${escaped(name.toLowerCase())}(?![\\w+-])`).test(text))
    .sort((a, b) => b.length - a.length)[0];
}

/** One colour for each label: its method's, or in order those of no method. */
export function colorsOf(labels: readonly string[]): string[] {
  let next = 0;
  return labels.map((label) => COLORS[methodOf(label) ?? ""] ?? OTHERS[next++ % OTHERS.length]);
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
