/** @file Generates text with a language model, one token after the other. */

import type { Tensor } from "../../autograd/index.ts";
import {
  ArgumentError,
  checkIndices,
  checkOptions,
  type FloatArray,
  type IndexLike,
  type Indices,
  indices,
  type Random,
  random,
  ShapeError,
  scope,
  synchronous,
} from "../../core/index.ts";
import { KeyValueCache } from "../layers/cache.ts";
import { evaluated } from "../module/evaluated.ts";
import { checkFlag, checkRandom } from "../module/options.ts";
import { type LanguageModel, type LanguageModelHolder, languageModelIn } from "./language-model.ts";

/** The options of `generate`. With temperature, topK or topP tokens are sampled, otherwise the most probable is taken. */
export interface GenerateOptions {
  /** Most tokens to add to each row. */
  readonly maxNewTokens: number;
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
  /** Generator of the samples. @default random(seed) */
  readonly rng?: Random;
  /** Seed of the samples; not together with `rng`. @default 0 */
  readonly seed?: number;
  /** Keeps keys and values of earlier tokens. Without it the tokens are the same, but take longer. @default true */
  readonly useCache?: boolean;
  /** A row ends after one of these tokens; its remaining positions repeat that token. @default none */
  readonly stopTokens?: readonly number[];
}

const names = ["maxNewTokens", "temperature", "topK", "topP", "rng", "seed", "useCache", "stopTokens"];

/** Names that transformers gives the options. */
const elsewhere: Readonly<Record<string, string>> = {
  max_length: "maxNewTokens, without the prompt",
  maxTokens: "maxNewTokens",
  max_tokens: "maxNewTokens",
  do_sample: "temperature, topK or topP, which mean sampling",
  eos_token_id: "stopTokens",
  eosTokenId: "stopTokens",
  generator: "rng",
};

/**
 * Continues each row of `ids` by up to `maxNewTokens` tokens: the most probable ones, or samples. A token with the logit −∞
 * is never chosen, one with +∞ always; several with +∞ are equally probable.
 *
 * @example
 * const ids = generate(model, [[...byteTokenizer.encode("Once")]], { maxNewTokens: 20, topK: 5, seed: 1 });
 * @param holder the model, or an object with one as its `model`, such as a model with adapters
 * @param ids prompts [batch, time]
 * @returns [batch, time + new]
 * @throws ArgumentError on options unknown or out of range, on an id out of the vocabulary, when the result would be
 *   longer than the model's context, and on logits that are NaN or all −∞; ShapeError when the model returns anything
 *   but logits [batch, 1 or time, vocab]
 */
export function generate(holder: LanguageModelHolder, ids: IndexLike, options: GenerateOptions): Indices {
  const model = languageModelIn("generate", holder);
  const prompt = indices(ids);
  checkGeneration(model, prompt, options);
  const { maxNewTokens, useCache = true, rng = random(options.seed ?? 0), stopTokens = [] } = options;
  const [batch, length] = prompt.shape;
  const rows = Array.from({ length: batch }, (_, row) =>
    Array.from(prompt.data.subarray(row * length, (row + 1) * length)),
  );
  const ended = rows.map(() => false);
  const cache = useCache ? new KeyValueCache() : undefined;

  evaluated(model, () => {
    for (let n = 0; n < maxNewTokens && ended.includes(false); n++) {
      const unread = cache ? rows.map((row) => row.slice(cache.length)) : rows;
      const next = scope(() => {
        const logits = model.forward(indices(unread), { cache, lastOnly: true });
        const last = lastLogits(logits, batch, unread[0].length);
        if (n === 0) checkIndices("generate: ids", prompt, last[0].length);
        return last.map((row) => choose(row, options, rng));
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

/** The logits of each row's last position, from [batch, 1, vocab], or from [batch, time, vocab] of a model that returns all. */
function lastLogits(logits: Tensor, batch: number, time: number): FloatArray[] {
  const result = synchronous("generate: forward", logits);
  const [rows, positions, vocab] = result?.shape ?? [];
  const fits = rows === batch && (positions === 1 || positions === time) && vocab > 0;
  if (!fits || result.shape.length !== 3) {
    throw new ShapeError("generate", `logits [${batch}, 1, vocab] or [${batch}, ${time}, vocab] of forward`, {
      logits: result?.shape,
    });
  }
  const { data } = result.value;
  return Array.from({ length: batch }, (_, row) => {
    const end = (row + 1) * positions * vocab;
    return data.subarray(end - vocab, end);
  });
}

function checkGeneration(model: LanguageModel, { shape }: Indices, options: GenerateOptions): void {
  checkOptions("generate", options ?? {}, names, elsewhere);
  const { maxNewTokens, temperature = 1, topK = 1, topP = 1, stopTokens = [] } = options ?? {};
  const refuse = (expected: string, got: Readonly<Record<string, unknown>>): never => {
    throw new ArgumentError("generate", expected, got);
  };
  if (shape.length !== 2 || shape[1] === 0)
    throw new ShapeError("generate", "ids [batch, time] with at least one token", { ids: shape });
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0)
    refuse("maxNewTokens a non-negative integer", { maxNewTokens });
  if (!(shape[1] + maxNewTokens <= model.contextLength)) {
    refuse(`at most ${model.contextLength} tokens, the model's context`, { prompt: shape[1], maxNewTokens });
  }
  if (!(typeof temperature === "number" && temperature > 0 && temperature < Infinity))
    refuse("temperature a positive number; leave it out for the most probable tokens", { temperature });
  if (!Number.isSafeInteger(topK) || topK < 1) refuse("topK a positive integer", { topK });
  if (!(typeof topP === "number" && topP > 0 && topP <= 1)) refuse("0 < topP ≤ 1", { topP });
  if (!Array.isArray(stopTokens) || !stopTokens.every((token) => Number.isSafeInteger(token) && token >= 0))
    refuse("stopTokens a list of token ids", { stopTokens });
  checkRandom("generate", options.rng);
  if (options.useCache !== undefined) checkFlag("generate", "useCache", options.useCache);
  if (options.rng !== undefined && options.seed !== undefined)
    refuse("rng or seed, not both", { seed: options.seed });
}

/** The next token from its logits. */
function choose(logits: FloatArray, { temperature, topK, topP }: GenerateOptions, rng: Random): number {
  const bad = logits.findIndex(Number.isNaN);
  if (bad >= 0)
    throw new ArgumentError("generate", "logits that are numbers", { [`token ${bad}`]: Number.NaN });
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token] > logits[best]) best = token;
  if (logits[best] === -Infinity)
    throw new ArgumentError("generate", "a token that can be chosen", { logits: "all of them −∞" });
  if (temperature === undefined && topK === undefined && topP === undefined) return best;

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
  let left = rng.float() * sum(tokens.map(weight));
  return tokens.find((token) => (left -= weight(token)) < 0) ?? best;
}

/** The larger first; ∞ − ∞ would be NaN. */
const byProbability = (a: number, b: number): number => (a === b ? 0 : b - a);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
