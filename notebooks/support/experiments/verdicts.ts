/**
 * @file Verdicts: what paired measurements say about a claim, as supported, on a par, contradicted or cannot tell. Each
 * rests on the 95 % interval of a mean difference (Student's t): of claims about nothing, one in twenty is decided, on
 * either side together.
 *
 * What the interval assumes: pairs are independent, and differences are about as often above their mean as below it.
 * Against a threshold (`above`, `below`) skewed values break the latter, and more than one in twenty is decided. Seeds on one base are such pairs; seeds on two bases are not one sample of twice the size, since the bases differ. So a
 * claim is judged on each base, and `every` joins the judgements.
 */
import type { Verdict } from "../notebook/session.ts";
import { mean, studentQuantile, studentTail, sum } from "./statistics.ts";

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

/** A verdict with what it rests on. */
export interface Judgement {
  readonly verdict: Verdict;
  /** The interval of the differences, or of the values and the threshold, and δ: for the column *this run*. */
  readonly why: string;
  /**
   * Probability of a mean so far from zero, on either side, if the true one is zero; 1 where nothing can be told. `every`
   * needs it.
   *
   * @default 0
   */
  readonly p?: number;
}

/** What a claim is decided by. */
export interface Decision {
  /** δ: differences within ±δ count as none. In the unit of the values; 0 if any difference counts. */
  readonly par: number;
}

const LEVEL = 0.05;

/** The 95 % interval of the mean of `values`. A single value says nothing of its spread: its interval is (−∞, ∞). */
export function interval(values: readonly number[]): Interval {
  const { n, center, error } = summary(values);
  const half = n === 1 ? Number.POSITIVE_INFINITY : studentQuantile(1 - LEVEL / 2, n - 1) * error;
  const [low, high] = [center - half, center + half];
  const text = n === 1 ? short(center) : `${short(center)} (${short(low)} to ${short(high)})`;
  return { mean: center, low, high, n, toString: () => text };
}

/** The mean and its standard error. */
function summary(values: readonly number[]) {
  const n = values.length;
  if (n === 0) throw new RangeError("interval: expected at least one value; got none");
  const center = mean(values);
  const error = Math.sqrt(sum(values.map((value) => (value - center) ** 2)) / (n - 1) / n);
  return { n, center, error };
}

/** The probability of a mean so far from zero, on either side, if the true one is zero. */
function significance(values: readonly number[]): number {
  const { n, center, error } = summary(values);
  if (n === 1 || center === 0) return 1;
  return error === 0 ? 0 : 2 * studentTail(Math.abs(center) / error, n - 1);
}

/**
 * Judges "the first is lower than the second" from one value of each per seed, made with the same seed:
 * *on a par* if the interval of the differences lies within ±δ, else *supported* if it lies below zero, *contradicted*
 * if it lies above, else *cannot tell*.
 *
 * A value that is not finite is of a run that diverged, the worst there is. Then the arms are compared by how many of
 * their runs diverged, and are never on a par.
 *
 * @throws RangeError unless both have the same number of values, at least one
 */
export function lower(first: readonly number[], second: readonly number[], decision: Decision): Judgement {
  return judged(differences(first, second), decision.par);
}

/** Judges "the first is higher than the second", as `lower`; here, too, a value that is not finite is the worst. */
export function higher(first: readonly number[], second: readonly number[], decision: Decision): Judgement {
  const { values, diverged } = differences(first, second);
  // A diverged first arm counts against the claim, whichever way its values point.
  return opposite(
    judged({ values: diverged ? values.map((value) => -value) : values, diverged }, decision.par),
  );
}

/**
 * Judges "the first is no worse than the second", where lower is better: *supported* if it is better by `lower`, *on a
 * par* also if the interval of the differences ends below δ, *contradicted* if it begins above δ.
 */
export function noWorse(first: readonly number[], second: readonly number[], { par }: Decision): Judgement {
  const { values, diverged } = differences(first, second);
  const judgement = judged({ values, diverged }, par);
  if (diverged || judgement.verdict === "supported") return judgement;
  const { low, high } = interval(values);
  if (high <= par) return { ...judgement, verdict: "on a par" };
  return { ...judgement, verdict: low > par ? "contradicted" : "cannot tell" };
}

/** Judges "the mean of `values` is above `threshold`", as `higher`. With a value that is not finite nothing can be told. */
export function above(
  values: readonly number[],
  threshold: number,
  { par }: Decision = { par: 0 },
): Judgement {
  return opposite(below(values, threshold, { par }));
}

/** Judges "the mean of `values` is below `threshold`", as `lower`. With a value that is not finite nothing can be told. */
export function below(
  values: readonly number[],
  threshold: number,
  { par }: Decision = { par: 0 },
): Judgement {
  const infinite = values.filter((value) => !Number.isFinite(value)).length;
  if (infinite > 0)
    return { verdict: "cannot tell", why: `${infinite} of ${values.length} values are not finite`, p: 1 };
  const why = `${interval(values)} against ${short(threshold)}${delta(par)}`;
  return { ...judged({ values: values.map((value) => value - threshold), diverged: "" }, par), why };
}

/**
 * Judges "the mean of `values` is `target`, within δ": *supported* if the interval lies within δ of it, *contradicted* if
 * it lies outside, else *cannot tell*.
 */
export function within(values: readonly number[], target: number, { par }: Decision): Judgement {
  const found = interval(values);
  const [low, high] = [found.low - target, found.high - target];
  const why = `${found}, δ = ${short(par)}`;
  if (low >= -par && high <= par) return { verdict: "supported", why };
  return { verdict: low > par || high < -par ? "contradicted" : "cannot tell", why };
}

/**
 * The judgement on a claim that has several parts, or that is tried on several bases: *supported* if every part is, *on a
 * par* if some are that instead, *contradicted* if a part is, and would be if it were the only one of so many parts to be
 * far out by chance (Bonferroni), else *cannot tell*.
 */
export function every(parts: readonly Judgement[]): Judgement {
  if (parts.length === 0) throw new RangeError("every: expected at least one judgement; got none");
  const why = [...new Set(parts.map((part) => part.why))].join("; ");
  const p = Math.min(1, Math.max(...parts.map((part) => part.p ?? 0)));
  const against = parts.filter((part) => part.verdict === "contradicted").map((part) => part.p ?? 0);
  if (against.length > 0) {
    const least = Math.min(...against) * parts.length;
    return least <= LEVEL
      ? { verdict: "contradicted", why, p: least }
      : { verdict: "cannot tell", why, p: 1 };
  }
  const order: readonly Verdict[] = ["cannot tell", "on a par"];
  const verdict = order.find((one) => parts.some((part) => part.verdict === one)) ?? "supported";
  return { verdict, why, p };
}

interface Differences {
  /** First less second, or, after a divergence, 1 where only the first diverged, −1 where only the second did, else 0. */
  readonly values: readonly number[];
  /** How many diverged, in words; empty if none did. */
  readonly diverged: string;
}

function differences(first: readonly number[], second: readonly number[]): Differences {
  if (first.length !== second.length)
    throw new RangeError(`expected pairs of values; got ${first.length} and ${second.length}`);
  const [one, other] = [first, second].map((values) =>
    values.map((value) => Number(!Number.isFinite(value))),
  );
  const [n, k, l] = [first.length, sum(one), sum(other)];
  if (k + l === 0) return { values: first.map((value, i) => value - second[i]), diverged: "" };
  return { values: one.map((value, i) => value - other[i]), diverged: `diverged: ${k} of ${n} against ${l}` };
}

function judged({ values, diverged }: Differences, par: number): Judgement {
  const between = interval(values);
  const { low, high } = between;
  const p = significance(values);
  if (diverged) return { verdict: sign(low, high), why: diverged, p };
  const why = `difference ${between}${delta(par)}`;
  return { verdict: low >= -par && high <= par ? "on a par" : sign(low, high), why, p };
}

function sign(low: number, high: number): Verdict {
  if (high < 0) return "supported";
  return low > 0 ? "contradicted" : "cannot tell";
}

/** The judgement on the claim that says the opposite. */
function opposite(judgement: Judgement): Judgement {
  const { verdict } = judgement;
  if (verdict === "supported") return { ...judgement, verdict: "contradicted" };
  return verdict === "contradicted" ? { ...judgement, verdict: "supported" } : judgement;
}

const delta = (par: number): string => (par > 0 ? `, δ = ${short(par)}` : "");
const short = (value: number): string => String(Number(value.toPrecision(2))).replace("-", "−");
