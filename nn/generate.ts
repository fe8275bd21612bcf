/** @file Text from a language model, one token after the other. */

import {
  ArgumentError,
  type FloatArray,
  type IndexLike,
  type Indices,
  indices,
  type Random,
  random,
  ShapeError,
  scope,
} from "../core/index.ts";
import { KeyValueCache } from "./cache.ts";
import { evaluated } from "./fit.ts";
import type { LanguageModel } from "./language-model.ts";

export interface GenerateOptions {
  readonly maxNewTokens: number;
  /** Logits are divided by it: below 1 bolder, above 1 more varied. Sampling starts when it, topK or topP is given. */
  readonly temperature?: number;
  /** Only the k most probable tokens. */
  readonly topK?: number;
  /** Only the most probable tokens that together reach probability p (Holtzman et al., 2020, arXiv:1904.09751). */
  readonly topP?: number;
  /** Where samples come from. */
  readonly rng?: Random;
  /** Seeds the samples when no `rng` is given. */
  readonly seed?: number;
  /** Keep keys and values of earlier tokens. The tokens are the same without, only later. */
  readonly useCache?: boolean;
  /** A row ends after one of these; behind it, it is filled with the token it ended with. */
  readonly stopTokens?: readonly number[];
}

/**
 * `ids` [batch, time], each row followed by at most `maxNewTokens` tokens: the most probable ones, or samples.
 * @returns [batch, time + new]
 * @throws ArgumentError on options out of range, and when the result would be longer than the model's context
 */
export function generate(model: LanguageModel, ids: IndexLike, options: GenerateOptions): Indices {
  const prompt = indices(ids);
  checkOptions(model, prompt, options);
  const { maxNewTokens, useCache = true, rng = random(options.seed ?? 0), stopTokens = [] } = options;
  const [batch, length] = prompt.shape;
  const rows = Array.from({ length: batch }, (_, row) => [
    ...prompt.data.subarray(row * length, (row + 1) * length),
  ]);
  const ended = rows.map(() => false);
  const cache = useCache ? new KeyValueCache() : undefined;

  evaluated(model, () => {
    for (let n = 0; n < maxNewTokens && ended.includes(false); n++) {
      const unread = cache ? rows.map((row) => row.slice(cache.length)) : rows;
      const next = scope(() => {
        const logits = model.forward(indices(unread), { cache, lastOnly: true }); // [batch, 1, vocab]
        const vocab = logits.shape[2];
        const { data } = logits.value;
        return rows.map((_, row) => choose(data.subarray(row * vocab, (row + 1) * vocab), options, rng));
      });
      for (const [row, tokens] of rows.entries()) {
        const token = ended[row] ? (tokens.at(-1) as number) : next[row];
        tokens.push(token);
        ended[row] ||= stopTokens.includes(token);
      }
    }
  });
  return rows.length > 0 ? indices(rows) : prompt;
}

function checkOptions(model: LanguageModel, { shape }: Indices, options: GenerateOptions): void {
  const { maxNewTokens, temperature = 1, topK = 1, topP = 1 } = options;
  if (shape.length !== 2 || shape[1] === 0)
    throw new ShapeError("generate", "ids [batch, time] with at least one token", { ids: shape });
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0)
    throw new ArgumentError("generate", "maxNewTokens a non-negative integer", { maxNewTokens });
  if (shape[1] + maxNewTokens > model.contextLength) {
    throw new ArgumentError("generate", `at most ${model.contextLength} tokens, the model's context`, {
      prompt: shape[1],
      maxNewTokens,
    });
  }
  if (!(temperature > 0 && temperature < Infinity))
    throw new ArgumentError("generate", "temperature a positive number", { temperature });
  if (!Number.isSafeInteger(topK) || topK < 1)
    throw new ArgumentError("generate", "topK a positive integer", { topK });
  if (!(topP > 0 && topP <= 1)) throw new ArgumentError("generate", "0 < topP ≤ 1", { topP });
}

/** The next token from its logits. */
function choose(logits: FloatArray, { temperature, topK, topP }: GenerateOptions, rng: Random): number {
  const bad = logits.findIndex(Number.isNaN);
  if (bad >= 0)
    throw new ArgumentError("generate", "logits that are numbers", { [`token ${bad}`]: Number.NaN });
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token] > logits[best]) best = token;
  if (temperature === undefined && topK === undefined && topP === undefined) return best;

  const weight = (token: number): number => Math.exp((logits[token] - logits[best]) / (temperature ?? 1));
  let tokens = Array.from(logits.keys());
  if (topK !== undefined || topP !== undefined) tokens.sort((a, b) => logits[b] - logits[a] || a - b);
  if (topK !== undefined) tokens = tokens.slice(0, topK);
  const total = sum(tokens.map(weight));
  if (topP !== undefined) {
    let reached = 0;
    const enough = tokens.findIndex((token) => (reached += weight(token)) >= topP * total);
    if (enough >= 0) tokens = tokens.slice(0, enough + 1);
  }
  let left = rng.float() * sum(tokens.map(weight));
  return tokens.find((token) => (left -= weight(token)) < 0) ?? tokens[0];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
