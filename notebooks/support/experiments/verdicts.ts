/**
 * @file Verdicts: what paired measurements say about a claim, as supported, on a par, contradicted or cannot tell. Each
 * rests on the 95 % interval of a mean difference (Student's t), so a claim about nothing is seldom supported.
 */
import type { Verdict } from "../notebook/session.ts";
import { mean, sum } from "./statistics.ts";

/** A 95 % confidence interval of a mean. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Number of values. */
  readonly n: number;
  /** `−0.012 (−0.015 to −0.009)`. */
  toString(): string;
}

/** A verdict with the interval that it rests on. */
export interface Judgement {
  readonly verdict: Verdict;
  /** The interval of the differences, or of the values less the threshold, and δ: for the column *this run*. */
  readonly why: string;
}

/** Two-sided 95 % quantiles of Student's t by degrees of freedom, from 1 on. */
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** The 95 % interval of the mean of `values`. A single value says nothing of its spread: its interval is (−∞, ∞). */
export function interval(values: readonly number[]): Interval {
  const n = values.length;
  if (n === 0) throw new RangeError("interval: expected at least one value; got none");
  const center = mean(values);
  const deviation = Math.sqrt(sum(values.map((value) => (value - center) ** 2)) / (n - 1));
  const half = n === 1 ? Number.POSITIVE_INFINITY : ((T[n - 2] ?? 1.96) * deviation) / Math.sqrt(n);
  const [low, high] = [center - half, center + half];
  const text = n === 1 ? short(center) : `${short(center)} (${short(low)} to ${short(high)})`;
  return { mean: center, low, high, n, toString: () => text };
}

/** What a claim is decided by. */
export interface Decision {
  /** δ: differences within ±δ count as none. In the unit of the values; 0 if any difference counts. */
  readonly par: number;
}

/**
 * Judges "the first is lower than the second" from one value of each per seed, made with the same seed:
 * *on a par* if the interval of the differences lies within ±δ, else *supported* if it lies below zero, *contradicted*
 * if it lies above, else *cannot tell*.
 *
 * @throws RangeError unless both have the same number of values
 */
export function lower(first: readonly number[], second: readonly number[], { par }: Decision): Judgement {
  const { low, high, why } = compared(first, second, par);
  if (low >= -par && high <= par) return { verdict: "on a par", why };
  if (high < 0) return { verdict: "supported", why };
  return { verdict: low > 0 ? "contradicted" : "cannot tell", why };
}

function compared(first: readonly number[], second: readonly number[], par: number) {
  if (first.length !== second.length)
    throw new RangeError(`expected pairs of values; got ${first.length} and ${second.length}`);
  const between = interval(first.map((value, i) => value - second[i]));
  const { low, high } = between;
  return { low, high, why: `difference ${between}${par > 0 ? `, δ = ${short(par)}` : ""}` };
}

/** Judges "the first is higher than the second", as `lower`. */
export function higher(first: readonly number[], second: readonly number[], decision: Decision): Judgement {
  const { verdict } = lower(second, first, decision);
  return { verdict, why: lower(first, second, decision).why };
}

/**
 * Judges "the first is no worse than the second", where lower is better, as `lower` does, but *on a par* also if the
 * interval of the differences is not known to lie below zero and ends below δ: no worse by more than δ.
 */
export function noWorse(first: readonly number[], second: readonly number[], { par }: Decision): Judgement {
  const { low, high, why } = compared(first, second, par);
  if (high < 0 && low < -par) return { verdict: "supported", why };
  if (high <= par) return { verdict: "on a par", why };
  return { verdict: low > 0 ? "contradicted" : "cannot tell", why };
}

/** Judges "the mean of `values` is above `threshold`", as `higher`. */
export function above(
  values: readonly number[],
  threshold: number,
  decision: Decision = { par: 0 },
): Judgement {
  return higher(
    values,
    values.map(() => threshold),
    decision,
  );
}

/** Judges "the mean of `values` is below `threshold`", as `lower`. */
export function below(
  values: readonly number[],
  threshold: number,
  decision: Decision = { par: 0 },
): Judgement {
  return lower(
    values,
    values.map(() => threshold),
    decision,
  );
}

/**
 * The judgement on a claim that has several parts, or that is tried on several bases: *contradicted* if one part is,
 * else *cannot tell* if one part is, else *on a par* if one is, else *supported*.
 */
export function every(parts: readonly Judgement[]): Judgement {
  const order: readonly Verdict[] = ["contradicted", "cannot tell", "on a par", "supported"];
  const verdict = order.find((one) => parts.some((part) => part.verdict === one));
  if (verdict === undefined) throw new RangeError("every: expected at least one judgement; got none");
  return { verdict, why: parts.map(({ why }) => why).join("; ") };
}

const short = (value: number): string => String(Number(value.toPrecision(2))).replace("-", "−");
