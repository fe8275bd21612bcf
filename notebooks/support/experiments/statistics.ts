/** @file Statistics: sums, means, least squares, and verdicts on which of two methods is better. */
import { meanStd } from "../show/format.ts";
import type { Claim } from "../show/replication.ts";

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** The least-squares line y ≈ intercept + slope x, with Pearson's correlation; NaN where x or y is constant. */
export interface Line {
  readonly slope: number;
  readonly intercept: number;
  readonly correlation: number;
}

/** @throws RangeError unless there are two or more points */
export function leastSquares(x: readonly number[], y: readonly number[]): Line {
  if (x.length !== y.length || x.length < 2)
    throw new RangeError(`leastSquares: expected two or more points; got ${x.length} x and ${y.length} y`);
  const [x0, y0] = [mean(x), mean(y)];
  const xx = sum(x.map((value) => (value - x0) ** 2));
  const yy = sum(y.map((value) => (value - y0) ** 2));
  const xy = sum(x.map((value, i) => (value - x0) * (y[i] - y0)));
  const slope = xy / xx;
  return { slope, intercept: y0 - slope * x0, correlation: xy / Math.sqrt(xx * yy) };
}

/**
 * Compares two methods seed by seed: whether the first value is at most the second. True if the mean difference is at
 * most zero, "partly" if it is positive but within one standard deviation of the differences, otherwise false.
 */
export function atMost(first: readonly number[], second: readonly number[]): Claim["holds"] {
  const difference = meanStd(first.map((value, seed) => value - second[seed]));
  if (difference.mean <= 0) return true;
  return difference.mean <= difference.std ? "partly" : false;
}

/** As `atMost`, with the first value at least the second. */
export const atLeast = (first: readonly number[], second: readonly number[]): Claim["holds"] =>
  atMost(second, first);

/** The joint verdict on several conditions: the weakest of theirs. */
export function weakest(verdicts: readonly Claim["holds"][]): Claim["holds"] {
  if (verdicts.includes(false)) return false;
  return verdicts.includes("partly") ? "partly" : true;
}
