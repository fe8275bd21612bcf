/** @file The controls in the page's address, after the #: all of them, so that a link means the same when defaults change. */
import { firstControls } from "./controls.ts";
import type { Controls } from "./types.ts";

/** A pasted text of more characters than this is left out of the address. */
export const LONGEST_IN_ADDRESS = 30_000;

/** "#target=moby-dick&method=lora&…"; a pasted text only when it is short. */
export function addressOf(controls: Controls): string {
  const { text } = controls;
  const fields = Object.entries(controls)
    .filter(([name]) => name !== "text" || (controls.target === "own" && text.length <= LONGEST_IN_ADDRESS))
    .map(([name, value]) => [name, String(value)]);
  return `#${new URLSearchParams(fields)}`;
}

/**
 * The controls of an address, with the first ones for those that it leaves out. Values are taken as they stand: `open`
 * says what is wrong with one.
 */
export function fromAddress(address: string): Controls {
  const given = new URLSearchParams(address.replace(/^[?#]+/, ""));
  const entries = Object.entries(firstControls).map(([name, first]) => {
    const text = given.get(name);
    if (text === null) return [name, first];
    if (typeof first === "number") return [name, text.trim() === "" ? Number.NaN : Number(text)];
    return [name, typeof first === "boolean" ? text === "true" : text];
  });
  return Object.fromEntries(entries) as unknown as Controls;
}
