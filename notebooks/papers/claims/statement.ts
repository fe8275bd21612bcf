/** @file What the statements of the page share. */

export type { Statement } from "../../support/show/card.ts";

/** Whether `value` is within `tolerance` of `said`, relative. */
export const near = (value: number, said: number, tolerance: number): boolean =>
  Math.abs(value - said) <= tolerance * said;

/** "9,285". */
export const grouped = (value: number): string => Math.round(value).toLocaleString("en");
