/** @file The controls in the page's address: those that differ from the first ones, as a query string. */
import { firstControls } from "./controls.ts";
import type { Controls } from "./types.ts";

/** A pasted text of more characters than this is left out of the address. */
export const LONGEST_IN_ADDRESS = 2000;

/** "method=dora&rank=8", empty for the first controls. */
export function toAddress(controls: Controls): string {
  const changed = Object.entries(controls).filter(([name, value]) => {
    if (name === "text")
      return controls.target === "own" && value.length <= LONGEST_IN_ADDRESS && value !== "";
    return value !== firstControls[name as keyof Controls];
  });
  return new URLSearchParams(changed.map(([name, value]) => [name, String(value)])).toString();
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
