/** @file The choice of the next token from its logits: the most probable, or a sample of a part of them. */

import { ArgumentError, type FloatArray, type Random } from "../../core/index.ts";

/**
 * How tokens are chosen. With temperature, topK, topP or minP they are sampled, otherwise the most probable is taken. The
 * options apply in the order in which they stand here, from the penalty to minP, as in transformers.
 */
export interface SamplingOptions {
  /**
   * Divides positive logits, and multiplies negative ones, of the tokens that the row has already, the prompt's included
   * and padding's not (Keskar et al., 2019, arXiv:1909.05858). Above 1 repetitions become rarer.
   * @default 1
   */
  readonly repetitionPenalty?: number;
  /** Divides the logits: below 1 the samples are more predictable, above 1 more varied. @default 1 */
  readonly temperature?: number;
  /** Samples only from the k most probable tokens. @default all */
  readonly topK?: number;
  /**
   * Samples only from the most probable tokens that together have probability p (Holtzman et al., 2020,
   * arXiv:1904.09751).
   * @default 1
   */
  readonly topP?: number;
  /**
   * Samples only from tokens at least this many times as probable as the most probable one (Nguyen et al., 2024,
   * arXiv:2407.01082).
   * @default 0
   */
  readonly minP?: number;
}

export const samplingOptions = ["repetitionPenalty", "temperature", "topK", "topP", "minP"];

/** Whether tokens are drawn, so that a row may be continued in several ways. */
export const isSampled = ({ temperature, topK, topP, minP }: SamplingOptions): boolean =>
  [temperature, topK, topP, minP].some((option) => option !== undefined);

/** @throws ArgumentError on options out of range */
export function checkSampling(who: string, options: SamplingOptions): void {
  const { repetitionPenalty = 1, temperature = 1, topK = 1, topP = 1, minP = 0 } = options;
  const refuse = (expected: string, got: Readonly<Record<string, unknown>>): never => {
    throw new ArgumentError(who, expected, got);
  };
  const isPositive = (x: unknown): boolean => typeof x === "number" && x > 0 && x < Infinity;
  if (!isPositive(repetitionPenalty)) refuse("repetitionPenalty a positive number", { repetitionPenalty });
  if (!isPositive(temperature))
    refuse("temperature a positive number; leave it out for the most probable tokens", { temperature });
  if (!Number.isSafeInteger(topK) || topK < 1) refuse("topK a positive integer", { topK });
  if (!(typeof topP === "number" && topP > 0 && topP <= 1)) refuse("0 < topP ≤ 1", { topP });
  if (!(typeof minP === "number" && minP >= 0 && minP <= 1)) refuse("0 ≤ minP ≤ 1", { minP });
}

/**
 * The next token from its logits. A token with the logit −∞ is never chosen, one with +∞ always; several with +∞ are
 * equally probable.
 * @param seen the tokens of the row so far, for `repetitionPenalty`
 * @throws ArgumentError on logits that are NaN or all −∞
 */
export function choose(
  given: FloatArray,
  options: SamplingOptions,
  rng: Random,
  seen: Iterable<number>,
): number {
  const bad = given.findIndex(Number.isNaN);
  if (bad >= 0)
    throw new ArgumentError("generate", "logits that are numbers", { [`token ${bad}`]: Number.NaN });
  const { repetitionPenalty = 1, temperature, topK, topP, minP } = options;
  const logits = repetitionPenalty === 1 ? given : penalized(given, repetitionPenalty, seen);
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token] > logits[best]) best = token;
  if (logits[best] === -Infinity)
    throw new ArgumentError("generate", "a token that can be chosen", { logits: "all of them −∞" });
  if (!isSampled(options)) return best;

  const top = logits[best];
  const weight = (logit: number): number =>
    logit === top ? 1 : Math.exp((logit - top) / (temperature ?? 1));
  let tokens =
    topK === undefined && topP === undefined
      ? Array.from(logits.keys())
      : mostProbable(logits, weight, topK ?? logits.length, topP);
  if (minP !== undefined) tokens = tokens.filter((token) => weight(logits[token]) >= minP); // the best has weight 1
  const weights = tokens.map((token) => weight(logits[token]));
  let left = rng.float() * weights.reduce((sum, w) => sum + w, 0);
  return tokens[weights.findIndex((w) => (left -= w) < 0)] ?? best;
}

/**
 * The k most probable tokens, or the first of them that together have the part p of their weights; the more probable
 * first, of equals the smaller id. Only these are sorted as tokens: sorting all logits as numbers is many times faster.
 */
function mostProbable(
  logits: FloatArray,
  weight: (logit: number) => number,
  k: number,
  p: number | undefined,
): number[] {
  const sorted = logits.slice().sort().reverse();
  let count = Math.min(k, sorted.length);
  if (p !== undefined) {
    const weights = Array.from(sorted.subarray(0, count), weight);
    const total = weights.reduce((sum, w) => sum + w, 0);
    let reached = 0;
    const enough = weights.findIndex((w) => (reached += w) >= p * total);
    if (enough >= 0) count = enough + 1;
  }
  const least = sorted[count - 1];
  return Array.from(logits.keys())
    .filter((token) => logits[token] >= least)
    .sort((a, b) => byProbability(logits[a], logits[b]) || a - b)
    .slice(0, count);
}

/** A copy of the logits in which the tokens of `seen` are less probable by the penalty, each once. */
function penalized(given: FloatArray, penalty: number, seen: Iterable<number>): FloatArray {
  const logits = given.slice();
  for (const token of new Set(seen)) {
    const logit = logits[token];
    logits[token] = logit > 0 ? logit / penalty : logit * penalty;
  }
  return logits;
}

/** The larger first; ∞ − ∞ would be NaN. */
const byProbability = (a: number, b: number): number => (a === b ? 0 : b - a);
