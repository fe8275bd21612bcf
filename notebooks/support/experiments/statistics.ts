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

/** The probability that Student's t with `df` degrees of freedom is above `t`, for t ≥ 0. */
export function studentTail(t: number, df: number): number {
  return incompleteBeta(df / (df + t * t), df / 2, 1 / 2) / 2;
}

/** The value that Student's t with `df` degrees of freedom stays below with `probability`, at least ½. */
export function studentQuantile(probability: number, df: number): number {
  const key = `${probability} ${df}`;
  const known = quantiles.get(key) ?? findQuantile(probability, df);
  quantiles.set(key, known);
  return known;
}

const quantiles = new Map<string, number>();

function findQuantile(probability: number, df: number): number {
  let [low, high] = [0, 1];
  while (studentTail(high, df) > 1 - probability) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (studentTail(middle, df) > 1 - probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The regularized incomplete beta function I_x(a, b) by its continued fraction (Lentz). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x === 0 || x === 1) return x;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x));
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  let [c, d] = [1, 1 / (1 - ((a + b) * x) / (a + 1))];
  let value = d;
  for (let m = 1, change = 0; Math.abs(change - 1) > 1e-15 && m < 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / (1 + term * d);
      c = 1 + term / c;
      change = c * d;
      value *= change;
    }
  }
  return (front * value) / a;
}

/** ln Γ(x) for x > 0, by Stirling's series from x + 10 on. */
function logGamma(x: number): number {
  let shift = 0;
  for (; x < 10; x++) shift += Math.log(x);
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7);
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series - shift;
}
