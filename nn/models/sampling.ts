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

  const weight = (token: number): number =>
    logits[token] === logits[best] ? 1 : Math.exp((logits[token] - logits[best]) / (temperature ?? 1));
  let tokens = Array.from(logits.keys());
  if (topK !== undefined || topP !== undefined)
    tokens.sort((a, b) => byProbability(logits[a], logits[b]) || a - b);
  if (topK !== undefined) tokens = tokens.slice(0, topK);
  const total = sum(tokens.map(weight));
  if (topP !== undefined) {
    let reached = 0;
    const enough = tokens.findIndex((token) => (reached += weight(token)) >= topP * total);
    if (enough >= 0) tokens = tokens.slice(0, enough + 1);
  }
  if (minP !== undefined) tokens = tokens.filter((token) => weight(token) >= minP); // the best has weight 1
  let left = rng.float() * sum(tokens.map(weight));
  return tokens.find((token) => (left -= weight(token)) < 0) ?? best;
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

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
