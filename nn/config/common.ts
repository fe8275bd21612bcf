/** @file What the readers of several configurations share: names of activation functions, and widths that must divide. */

import { ArgumentError } from "../../core/index.ts";
import type { Fields } from "./fields.ts";
import { type ActivationName, activations } from "./types.ts";

/** Other names of the same functions in transformers. */
const synonyms: Readonly<Record<string, ActivationName>> = {
  gelu_accurate: "gelu_new",
  gelu_fast: "gelu_new",
  gelu_python: "gelu",
  gelu_python_tanh: "gelu_pytorch_tanh",
  swish: "silu",
};

export function readActivation(f: Fields, name: string, fallback: ActivationName): ActivationName {
  const others = [...activations, ...Object.keys(synonyms)].filter((other) => other !== fallback);
  const given = f.oneOf<string>(name, [fallback, ...others]);
  return synonyms[given] ?? (given as ActivationName);
}

/** Refuses `whole` unless `part` divides it; each is given as { name: value }. */
export function checkMultiple(
  whole: Readonly<Record<string, number>>,
  part: Readonly<Record<string, number>>,
): void {
  const [[wholeName, w]] = Object.entries(whole);
  const [[partName, p]] = Object.entries(part);
  if (w % p !== 0) {
    throw new ArgumentError("modelConfig", `${wholeName} to be a multiple of ${partName}`, {
      ...whole,
      ...part,
    });
  }
}
