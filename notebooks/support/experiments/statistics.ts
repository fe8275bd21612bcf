/** @file Statistics: sums, means, least squares. */
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
