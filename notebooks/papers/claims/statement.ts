/** @file A statement that people repeat about LoRA, with the number that decides it. */
import type { Judgement } from "../../support/experiments/verdicts.ts";

export interface Statement {
  /** The statement, as it is usually made. */
  readonly said: string;
  /** The number that decides it, with its unit: "9,285 ×". */
  readonly number: string;
  /** What that number is of: "GPT-3 175B, r = 4 on q and v". */
  readonly of: string;
  /** What the number depends on, in a sentence; where the statement is not true in general, when it is. */
  readonly depends: string;
  /** A boolean where arithmetic or a law decides, and a judgement where measurements do. */
  readonly verdict: Judgement | boolean;
  /** The page that says more, by its name. */
  readonly more?: string;
}

/** Whether `value` is within `tolerance` of `said`, relative. */
export const near = (value: number, said: number, tolerance: number): boolean =>
  Math.abs(value - said) <= tolerance * said;

export const grouped = (value: number): string => Math.round(value).toLocaleString("en");
