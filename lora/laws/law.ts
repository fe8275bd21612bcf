/** @file What a law is: a sentence, its equation, and a check of it on a trial. */

import type { Method } from "../methods.ts";

/** The layer, the adapter and the numbers that a law is tried on. */
export interface Trial {
  readonly method: Method;
  readonly site: "linear" | "conv1d" | "embedding" | "conv2d";
  readonly out: number;
  /** Inputs of a linear layer, rows of a table, channels of an image. */
  readonly in: number;
  readonly rank: number;
  readonly alpha: number;
  /** Rows of the batch. */
  readonly batch: number;
  /**
   * "real": uniform on ±1. "dyadic": the quarters from −1 to 1; with α/r a power of two, every product and sum of a small
   * layer is a float32 then, and nothing is ever rounded.
   */
  readonly values: "real" | "dyadic";
  readonly seed: number;
}

/** What a check found: the law holds where error ≤ bound. */
export interface Finding {
  readonly holds: boolean;
  /** The largest distance between what should be equal. */
  readonly error: number;
  /** What rounding may make of it, derived in the check; 0 where it must be equal to the last bit. */
  readonly bound: number;
}

export interface Law {
  readonly name: string;
  /** In words. */
  readonly statement: string;
  readonly equation: string;
  /** The methods of which it is true. */
  readonly methods: readonly Method[];
  /** Whether it speaks of exact numbers; trials with values of the other kind do not concern it. */
  readonly values?: Trial["values"];
  /** @throws AdapterError on a trial that the law does not speak of (see `concerns`), and on one that is none */
  check(trial: Trial): Finding;
}

/** error ≤ bound, and both numbers. */
export const within = (error: number, bound: number): Finding => ({ holds: error <= bound, error, bound });

/** True or not: error 0 or infinite. */
export const exactly = (holds: boolean): Finding => within(holds ? 0 : Number.POSITIVE_INFINITY, 0);

/** All of these hold: the finding of one that does not, else of the one with the largest bound. */
export const together = (...findings: readonly Finding[]): Finding =>
  findings.find(({ holds }) => !holds) ?? findings.reduce((a, b) => (b.bound > a.bound ? b : a));
