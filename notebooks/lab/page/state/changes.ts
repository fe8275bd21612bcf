/** @file Controls compared, changed together, and found by the words of a refusal. */
import { firstControls, suggested, uses } from "../../engine/controls.ts";
import type { Controls } from "../../engine/types.ts";

/** The controls without what does not count in them. */
export const effective = (controls: Controls): Controls =>
  controls.target === "own" ? controls : { ...controls, text: "" };

/** Whether two runs with these controls take the same steps: what a method or a format does not use does not count. */
export const same = (a: Controls, b: Controls): boolean =>
  JSON.stringify(used(a)) === JSON.stringify(used(b));

function used(controls: Controls): Controls {
  const { method, format } = controls;
  const idle = [
    ...(["rank", "alpha", "ratio"] as const).filter((name) => !uses(name, method)),
    ...(format === "float32" ? (["blockSize", "doubleQuant"] as const) : []),
    ...(method === "full" ? (["place"] as const) : []),
  ];
  return { ...effective(controls), ...Object.fromEntries(idle.map((name) => [name, firstControls[name]])) };
}

/**
 * What a change of the method takes along: the learning rate that suits it, unless the visitor has chosen one, and the
 * base's format where the method works with some only.
 */
export function suggestedWith({ method }: Partial<Controls>, now: Controls): Partial<Controls> {
  if (!method || !suggested[method] || method === now.method) return {};
  const [before, after] = [suggested[now.method] ?? suggested.lora, suggested[method]]; // a link may name no method
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
