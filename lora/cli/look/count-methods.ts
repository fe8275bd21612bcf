/** @file The methods that `lowrank count` knows: the formula of each as text, and the options that it takes. */

import { LowrankError, nearest } from "../../../core/index.ts";
import { type CountMethod, countOptions } from "../../index.ts";

/** What each method trains on W [d_out, d_in] at rank r, or in a block of width d. */
export const formulaTexts: Readonly<Record<CountMethod, string>> = {
  lora: "r (d_in + d_out)",
  rslora: "r (d_in + d_out)",
  "lora-plus": "r (d_in + d_out)",
  "lora-fa": "r d_out",
  adalora: "r (d_in + d_out) + r",
  dora: "r (d_in + d_out) + d_out",
  vera: "r + d_out",
  dvora: "r + 2 d_out",
  full: "every parameter",
  "last-layers": "every parameter of the last blocks",
  bitfit: "every bias",
  adapter: "n (2 d r + r + d) a block, n = 2 for houlsby, else 1; lin with 2 d of a norm",
  "prefix-embedding": "d (prefix + infix)",
  "prefix-layer": "d (prefix + infix) a block",
};

export const countMethods = Object.keys(formulaTexts) as readonly CountMethod[];

/** The methods that words name; "all" is each of them. @throws LowrankError on another word */
export function methodsNamed(words: readonly string[]): CountMethod[] {
  const names = words.flatMap((word): readonly string[] => (word === "all" ? countMethods : [word]));
  return [...new Set(names)].map((name) => {
    if (Object.hasOwn(formulaTexts, name)) return name as CountMethod;
    const near = nearest(name, [...countMethods, "all"])
      .slice(0, 3)
      .join(", ");
    throw new LowrankError(
      `expected methods among ${countMethods.join(", ")}, or all; got ${name} (nearest: ${near})`,
    );
  });
}

/** The options of `spec` that the method takes, with values for those that it needs and that are not given. */
export function specFor(
  method: CountMethod,
  spec: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const takes = (name: string): boolean =>
    countOptions[method].includes(name) && !(method === "full" && name !== "config");
  const given = Object.entries(spec).filter(([, value]) => value !== undefined);
  const needed = Object.entries(defaults).filter(([name]) => {
    if (name === "target") return method !== "bitfit";
    return name !== "rank" || spec.budget === undefined || method !== "adalora";
  });
  return Object.fromEntries([...needed, ...given].filter(([name]) => takes(name)));
}

const defaults = { rank: 8, target: "all-linear", variant: "houlsby", blocks: 1, prefix: 8 } as const;

/** The name of a module without the numbers of blocks: model.layers.*.self_attn.q_proj. */
export const kindName = (name: string): string => name.replace(/(^|\.)\d+(?=\.|$)/g, "$1*");
