/** @file Refusals: what cannot be done is answered with one sentence for the visitor, never with an exception. */
import type { Refused } from "./types.ts";

/** A reason not to go on, as the visitor reads it. */
export class Refusal extends Error {}

/** @throws Refusal in the form: control, what was expected, what was given */
export function refuse(control: string, expected: string, given: unknown): never {
  throw new Refusal(`${control}: expected ${expected}; got ${show(given)}.`);
}

const show = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  return typeof value === "number" && Math.abs(value) >= 1000 && Number.isInteger(value)
    ? withCommas(value)
    : String(value);
};

/** 1234567 as "1,234,567". */
export const withCommas = (value: number): string => value.toLocaleString("en-US");

/** What `act` returns, or the refusal for what it throws. */
export function answered<T>(act: () => T): T | Refused {
  try {
    return act();
  } catch (error) {
    return { refused: sentenceOf(error) };
  }
}

/** What the library and the browser say, in words for who stands before the page. */
const fromBelow: readonly (readonly [RegExp, (reason: string) => string])[] = [
  [
    /no room for an array of (\S+ \w+)/,
    (size) => `The browser gave no more memory, not even ${size}; remove a run or take a smaller rank.`,
  ],
  [
    /out of memory|allocation failed|invalid (?:typed )?array (?:buffer )?length/i,
    (reason) => `The browser gave no more memory (${reason}); remove a run or take a smaller rank.`,
  ],
  [
    /^cpu: no WebAssembly memory of (\d+ MiB)/,
    (size) =>
      `The browser gave no memory for WebAssembly, not even ${size}; close other tabs and press Step.`,
  ],
  [
    /^cpu: WebAssembly.* does not work here \((.*)\)/,
    (reason) =>
      `This browser has no WebAssembly with SIMD (${reason}); open the page in a newer one, or choose WebGL 2 as the device.`,
  ],
  [
    /^(?:loadGpu|gpu:webgl2): (.*)/,
    (reason) =>
      `WebGL 2 does not work in this browser (${reason.replace(/\.$/, "")}); choose the device cpu.`,
  ],
  [
    /^gpu:webgpu: (.*)/,
    (reason) => `WebGPU does not work in this page (${reason.replace(/\.$/, "")}); choose the device cpu.`,
  ],
];

/** The error as one sentence. */
export function sentenceOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Refusal) return message;
  for (const [pattern, sentence] of fromBelow) {
    const found = pattern.exec(message);
    if (found) return sentence(found[1] ?? message);
  }
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
