/** @file Controls compared, changed together, and found by the words of a refusal. */
import { suggested } from "../../engine/controls.ts";
import type { Controls } from "../../engine/types.ts";

/** The controls without what does not count in them. */
export const effective = (controls: Controls): Controls =>
  controls.target === "own" ? controls : { ...controls, text: "" };

export const same = (a: Controls, b: Controls): boolean =>
  JSON.stringify(effective(a)) === JSON.stringify(effective(b));

/**
 * What a change of the method takes along: the learning rate that suits it, unless the visitor has chosen one, and the
 * base's format where the method works with some only.
 */
export function suggestedWith({ method }: Partial<Controls>, now: Controls): Partial<Controls> {
  if (!method || !suggested[method] || method === now.method) return {};
  const [before, after] = [suggested[now.method], suggested[method]];
  return {
    ...(now.rate === before.rate && { rate: after.rate }),
    ...((after.rank ?? before.rank) && { rank: after.rank ?? 4 }),
    ...(method === "full" && { format: "float32" }),
    ...(method === "loftq" && now.format === "float32" && { format: "nf4" }),
  };
}

/** The controls by the words with which a refusal begins. */
const parts: Readonly<Record<string, string>> = {
  "Rank r": "rank",
  α: "alpha",
  "Learning rate": "rate",
  "η_B/η_A": "ratio",
  "Block size": "block",
  Seed: "seed",
  Steps: "steps",
  "Full fine-tuning": "format",
  LoftQ: "format",
  "Your text": "text",
};

/** The control that a refusal is about, by its `data-part`. */
export const partOf = (sentence: string): string | undefined =>
  Object.entries(parts).find(([words]) => sentence.startsWith(words))?.[1];
