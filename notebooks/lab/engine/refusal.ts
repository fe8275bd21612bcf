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

/** The error as one sentence. */
export function sentenceOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Refusal) return message;
  if (/out of memory|allocation failed|invalid array (buffer )?length/i.test(message))
    return `The browser gave no more memory (${message}); close a run or take a smaller rank.`;
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
