/** @file The controls in the page's address, after the #, so that a link opens the page as it is. */
import type { Controls } from "../../engine/types.ts";

/** Longest pasted text that an address holds, in characters. */
const LONGEST_TEXT = 2000;

/** "#method=lora&rank=4&…" */
export function addressOf(controls: Controls): string {
  const fields = Object.entries(controls)
    .filter(([key, value]) => key !== "text" || (controls.target === "own" && value.length <= LONGEST_TEXT))
    .map(([key, value]) => [key, String(value)]);
  return `#${new URLSearchParams(fields)}`;
}

/** The controls that an address names, the others as in `defaults`. */
export function controlsIn(hash: string, defaults: Controls): Controls {
  const given = new URLSearchParams(hash.slice(1));
  const read = (key: keyof Controls): unknown => {
    const text = given.get(key);
    const before = defaults[key];
    if (text === null) return before;
    if (typeof before === "number") return Number(text);
    return typeof before === "boolean" ? text === "true" : text;
  };
  return Object.fromEntries(
    (Object.keys(defaults) as (keyof Controls)[]).map((key) => [key, read(key)]),
  ) as unknown as Controls;
}

export const hasControls = (hash: string): boolean => hash.includes("=");
