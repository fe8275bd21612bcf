/** @file What an erratum is, and how a printed number can come from the right one. */

export interface Erratum {
  /** The place in the paper, as a reader would look for it. */
  readonly place: string;
  /** What is printed there. */
  readonly printed: string;
  /** What follows from the paper's own definitions, tables or code, computed in this run. */
  readonly found: string;
  readonly kind: Kind;
  /** How the two are related, in a sentence; and what to use. */
  readonly why: string;
  /** Whether this run confirms that the printed form and the found one differ. */
  readonly differs: boolean;
}

/**
 * - *formula*: an equation that cannot be meant as it is printed
 * - *number*: a number that does not follow from the paper's own definitions
 * - *label*: the right number under a wrong name, or in the wrong place
 * - *rounding*: the right number, cut off where it should be rounded, or rounded twice
 * - *text and code*: the text describes one method and the authors' code runs another
 */
export type Kind = "formula" | "number" | "label" | "rounding" | "text and code";

export const KINDS: readonly Kind[] = ["formula", "number", "label", "rounding", "text and code"];

/** How the digits of `printed` come from `value`: rounded, cut off, or neither. */
export function printedFrom(value: number, printed: string): "rounded" | "cut off" | "neither" {
  const decimals = printed.split(".")[1]?.length ?? 0;
  if (value.toFixed(decimals) === printed) return "rounded";
  const cut = Math.floor(value * 10 ** decimals) / 10 ** decimals;
  return cut.toFixed(decimals) === printed ? "cut off" : "neither";
}

/** `value` in millions: "18.874 M". */
export const millions = (value: number, digits = 3): string => `${(value / 1e6).toFixed(digits)} M`;

/** `part` of `whole` in percent: "0.361 %". */
export const percent = (part: number, whole: number, digits = 3): string =>
  `${((100 * part) / whole).toFixed(digits)} %`;
