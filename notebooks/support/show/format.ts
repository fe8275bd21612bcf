/** @file Formats numbers: equal decimals down a column, and means with their spread. */

/** Mean and sample standard deviation of n runs, printed as `2.31 ± 0.02`. */
export interface Spread {
  readonly mean: number;
  /** Sample standard deviation, with n − 1 in the denominator; 0 for a single run. */
  readonly std: number;
  readonly n: number;
  /** The text with `digits` decimals. By default the spread decides their number, see `meanStd`. */
  format(digits?: number): string;
  toString(): string;
  /** The mean, so that a Spread can be compared and plotted as a number. */
  valueOf(): number;
}

/**
 * Mean ± standard deviation of `values`, one value per seed. By default the spread is printed with one significant digit
 * and the mean to the same decimal, but with at most four digits: 4.243 ± 2e-5.
 */
export function meanStd(values: ArrayLike<number>): Spread {
  const n = values.length;
  if (n === 0) throw new RangeError("meanStd: expected at least one value; got none");
  const x = Array.from(values);
  const mean = x.reduce((sum, v) => sum + v, 0) / n;
  const std = n === 1 ? 0 : Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1));
  const spread: Spread = {
    mean,
    std,
    n,
    format(digits = spreadsDecimals([spread])) {
      const center = formatNumber(mean, digits);
      if (n === 1 || !Number.isFinite(std)) return center; // the spread of diverged runs is not a number
      return `${center} ± ${std > 0 && std < 0.5 * 10 ** -digits ? std.toExponential(0) : std.toFixed(digits)}`;
    },
    toString: () => spread.format(),
    valueOf: () => mean,
  };
  return spread;
}

/** Number of decimals for a column of means with their spreads. */
export function spreadsDecimals(spreads: readonly Spread[]): number {
  const finite = spreads.filter(({ mean }) => Number.isFinite(mean));
  const stds = finite.flatMap(({ std }) => (std > 0 && Number.isFinite(std) ? [std] : []));
  const means = finite.map(({ mean }) => mean);
  if (stds.length === 0) return decimalsFor(means);
  const [, most] = extent(means.flatMap((mean) => (mean === 0 ? [] : [exponentOf(mean)])));
  const [, wanted] = extent(stds.map((std) => -exponentOf(Number(std.toPrecision(1)))));
  return clamp(Math.min(wanted, 3 - most), 0, 6);
}

export function isSpread(value: unknown): value is Spread {
  return typeof value === "object" && value !== null && "mean" in value && "std" in value && "n" in value;
}

/** The smallest and the largest value; ∞ and -∞ if there are no values. */
export function extent(values: Iterable<number>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/**
 * Number of decimals that shows the smallest of `values` with three significant digits and the largest with at most
 * four. It is 0 if all are integers, and at most 6.
 */
export function decimalsFor(values: readonly number[]): number {
  const finite = values.filter((value) => Number.isFinite(value));
  if (finite.every(Number.isInteger)) return 0;
  const exponents = finite.filter((value) => value !== 0).map(exponentOf);
  const [least, most] = extent(exponents);
  return clamp(Math.min(2 - least, 3 - most), most < 2 ? 1 : 0, 6);
}

/** Whether one number of decimals cannot show all of `values` with three digits: they differ by more than a decade. */
export function isWide(values: readonly number[]): boolean {
  const finite = values.filter((value) => Number.isFinite(value) && value !== 0);
  if (finite.every(Number.isInteger)) return false;
  const [least, most] = extent(finite.map(exponentOf));
  return most - least > 1;
}

/** Three significant digits; whole numbers, and numbers from 100 on, in full. */
export function significant(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return formatNumber(value, 0);
  if (Math.abs(value) < 1e-4) return value.toExponential(2);
  return formatNumber(value, clamp(2 - exponentOf(Number(value.toPrecision(3))), 0, 6));
}

const exponentOf = (value: number): number => Math.floor(Math.log10(Math.abs(value)));

/** Three significant digits without trailing zeros, for the number beside a bar. */
export function shortNumber(value: number): string {
  return Math.abs(value) >= 100 ? formatNumber(Math.round(value), 0) : String(Number(value.toPrecision(3)));
}

/** `value` with `digits` decimals and grouped thousands; in scientific notation if all shown digits would be zero. */
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

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
