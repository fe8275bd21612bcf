/** @file Numbers as text: the same digits down a column, and means with their spread. */

/** Mean and sample standard deviation of n runs. Prints as `2.31 ± 0.02`. */
export interface Spread {
  readonly mean: number;
  /** Sample standard deviation, with n − 1 in the denominator; 0 for a single run. */
  readonly std: number;
  readonly n: number;
  /** With `digits` decimals; by default as many as the spread deserves. */
  format(digits?: number): string;
  toString(): string;
  /** The mean: a Spread can be compared and plotted as a number. */
  valueOf(): number;
}

/**
 * mean ± standard deviation of `values`, one value per seed. The spread is printed with one significant digit,
 * two when the first is a 1, and the mean to the same decimal.
 */
export function meanStd(values: ArrayLike<number>): Spread {
  const n = values.length;
  if (n === 0) throw new RangeError("meanStd: expected at least one value; got none");
  const x = Array.from(values);
  const mean = x.reduce((sum, v) => sum + v, 0) / n;
  const std = n === 1 ? 0 : Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1));
  const format = (digits = std > 0 ? spreadDecimals(std) : decimalsFor([mean])) =>
    n === 1 || !Number.isFinite(std) // a run that diverged leaves no spread
      ? formatNumber(mean, digits)
      : `${formatNumber(mean, digits)} ± ${std.toFixed(digits)}`;
  return { mean, std, n, format, toString: () => format(), valueOf: () => mean };
}

export function isSpread(value: unknown): value is Spread {
  return typeof value === "object" && value !== null && "mean" in value && "std" in value && "n" in value;
}

/** The smallest and the largest of any number of values; ∞ and -∞ of none. */
export function extent(values: Iterable<number>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/**
 * Decimals that show the smallest of `values` with three significant digits and the largest with at most five: 0 if
 * all are integers, at most 6.
 */
export function decimalsFor(values: readonly number[]): number {
  const finite = values.filter((value) => Number.isFinite(value));
  if (finite.every(Number.isInteger)) return 0;
  const exponents = finite
    .filter((value) => value !== 0)
    .map((value) => Math.floor(Math.log10(Math.abs(value))));
  const [least, most] = extent(exponents);
  return clamp(Math.min(2 - least, 4 - most), 1, 6);
}

/** Three significant digits and no zeros to fill up: the number beside a bar. */
export function shortNumber(value: number): string {
  return Math.abs(value) >= 100 ? formatNumber(Math.round(value), 0) : String(Number(value.toPrecision(3)));
}

/** `digits` decimals, thousands in groups; three significant digits where that would show nothing but zeros. */
export function formatNumber(value: number | bigint, digits = decimalsFor([Number(value)])): string {
  const x = Number(value);
  if (Number.isNaN(x)) return "NaN";
  if (Math.abs(x) === Number.POSITIVE_INFINITY) return x > 0 ? "∞" : "-∞";
  const vanishes = x !== 0 && Math.abs(x) < 0.5 * 10 ** -digits;
  if (vanishes) return x.toExponential(2);
  const options = {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: "negative",
  } as const;
  return new Intl.NumberFormat("en-US", options).format(value);
}

function spreadDecimals(std: number): number {
  const exponent = Math.floor(Math.log10(std));
  const leading = Math.floor(std / 10 ** exponent);
  return clamp((leading === 1 ? 1 : 0) - exponent, 0, 9);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
