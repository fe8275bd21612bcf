/** @file What is said of a list of numbers, and of two: means, straight lines, which of two methods is better. */
import { meanStd } from "../show/format.ts";
import type { Claim } from "../show/replication.ts";

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** y ≈ intercept + slope x with the least squares of errors, and Pearson's correlation; NaN where x or y is constant. */
export interface Line {
  readonly slope: number;
  readonly intercept: number;
  readonly correlation: number;
}

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
 * Whether the first method is at most the second, compared seed by seed: *holds* when the mean difference says so,
 * *partly* when it does not but is within the differences' standard deviation.
 */
export function atMost(first: readonly number[], second: readonly number[]): Claim["holds"] {
  const difference = meanStd(first.map((value, seed) => value - second[seed]));
  if (difference.mean <= 0) return true;
  return difference.mean <= difference.std ? "partly" : false;
}

/** The same, the other way round. */
export const atLeast = (first: readonly number[], second: readonly number[]): Claim["holds"] =>
  atMost(second, first);

/** The verdict on several predicates together: that of the one that holds least. */
export function weakest(verdicts: readonly Claim["holds"][]): Claim["holds"] {
  if (verdicts.includes(false)) return false;
  return verdicts.includes("partly") ? "partly" : true;
}
