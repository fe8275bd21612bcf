/** @file Generates text with a language model, one token after the other. */

import { ArgumentError, checkOptions, type IndexLike, type Indices, type Random } from "../../core/index.ts";
import { evaluated, evaluator } from "../module/evaluated.ts";
import { checkFlag, checkRandom } from "../module/options.ts";
import { type GenerationTask, generationSteps } from "./generation-steps.ts";
import { type LanguageModelHolder, languageModelIn } from "./language-model.ts";
import { type PromptRows, type Prompts, readPrompts } from "./prompts.ts";
import { checkSampling, isSampled, type SamplingOptions, samplingOptions } from "./sampling.ts";
import { checkStopStrings, stopTest, type TokenDecoder } from "./stop-strings.ts";

/** The options of `generate` and `generateTokens`. */
export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to add to each row. */
  readonly maxNewTokens: number;
  /**
   * 1 for tokens, 0 for padding, [batch, time], on either side. Each row is continued as it is without its padding; a row
   * of padding only stays one. @default all are tokens
   */
  readonly attentionMask?: IndexLike;
  /** Generator of the samples. @default random(seed) */
  readonly rng?: Random;
  /** Seed of the samples; not together with `rng`. @default 0 */
  readonly seed?: number;
  /** Keeps keys and values of earlier tokens. Without it the tokens are the same, but take longer. @default true */
  readonly useCache?: boolean;
  /** A row ends after one of these tokens; its remaining positions repeat that token. @default none */
  readonly stopTokens?: readonly number[];
  /**
   * A row ends with the token in which one of these texts is complete. Text counts from the prompt's end on, special tokens
   * included. The string may begin and end in the middle of a token: the tokens are kept whole, and who prints the text
   * cuts it, with `stopFilter`. Needs `tokenizer`. @default none
   */
  readonly stopStrings?: string | readonly string[];
  /** The tokenizer whose texts `stopStrings` are. @default none */
  readonly tokenizer?: TokenDecoder;
  /** Continues each prompt so many times, one after the other in the result; only for samples. @default 1 */
  readonly numReturnSequences?: number;
  /**
   * True: a row ends where it fills the model's context. False: a `maxNewTokens` beyond it is an error before the first
   * token. @default false
   */
  readonly stopAtContextEnd?: boolean;
}

const names = [
  ...["maxNewTokens", ...samplingOptions, "attentionMask", "rng", "seed", "useCache", "stopTokens"],
  ...["stopStrings", "tokenizer", "numReturnSequences", "stopAtContextEnd"],
];

/** Names that transformers gives the options. */
const elsewhere: Readonly<Record<string, string>> = {
  max_length: "maxNewTokens, without the prompt",
  maxTokens: "maxNewTokens",
  max_tokens: "maxNewTokens",
  do_sample: "temperature, topK or topP (or minP), which mean sampling",
  eos_token_id: "stopTokens",
  eosTokenId: "stopTokens",
  pad_token_id: "attentionMask, or prompts of unequal length as a list: padding may be any id",
  stop: "stopStrings, or stopTokens",
  streamer: "generateTokens, which yields the tokens of each step",
  n: "numReturnSequences",
  generator: "rng",
};

/** What `generate` returns: all tokens as ids [batch, time + new], and those of each row. */
export interface Generation extends Indices {
  /**
   * The tokens of each row, prompt and continuation: without padding, and without the repetitions after its end. They can
   * be given to `generate` again.
   */
  readonly rows: readonly number[][];
}

/**
 * Continues each row of `ids` by up to `maxNewTokens` tokens: the most probable ones, or samples. A token with the logit −∞
 * is never chosen, one with +∞ always; several with +∞ are equally probable.
 *
 * Rows of unequal length, as a list or with an `attentionMask`, are continued as each of them alone, up to the rounding
 * of logits and the numbers that samples are drawn with.
 *
 * @example
 * const ids = generate(model, [[...byteTokenizer.encode("Once")]], { maxNewTokens: 20, topK: 5, seed: 1 });
 * const { rows } = generate(model, [[1, 2, 3], [4]], { maxNewTokens: 20 });
 * @param holder the model, or an object with one as its `model`, such as a model with adapters
 * @param ids prompts [batch, time], or a list of prompts of unequal length
 * @returns [batch, time + new], the prompts as given; those of unequal length with zeros on their left
 * @throws ArgumentError on options unknown or out of range, on an id out of the vocabulary, when the result would be
 *   longer than the model's context, and on logits that are NaN or all −∞; ShapeError when the model returns anything
 *   but logits [batch, 1 or time, vocab], and on a mask of another shape
 */
export function generate(holder: LanguageModelHolder, ids: Prompts, options: GenerateOptions): Generation {
  const task = prepare("generate", holder, ids, options);
  const { grid } = task.prompts;
  const rows = task.prompts.rows.map((row) => [...row]);
  const [batch, time] = grid.shape;
  const all = rows.map((_, row) => Array.from(grid.data.subarray(row * time, (row + 1) * time)));
  evaluated(task.model, () => {
    for (const step of generationSteps(task)) {
      for (const [row, token] of step.entries()) {
        all[row].push(token ?? (all[row].at(-1) as number));
        if (token !== null) rows[row].push(token);
      }
    }
  });
  const length = all[0]?.length ?? time;
  return { data: Int32Array.from(all.flat()), shape: [batch, length], rows };
}

/**
 * The same tokens as those of `generate`, step by step: for each row its next token, or null after its end. Each step
 * runs on the device, and with the adapters, that are chosen when it is asked for.
 *
 * @example
 * for (const [token] of generateTokens(model, [[1, 2, 3]], { maxNewTokens: 20 })) console.log(token);
 * @throws as `generate`: on ids and options at once, not with the first step
 */
export function generateTokens(
  holder: LanguageModelHolder,
  ids: Prompts,
  options: GenerateOptions,
): Generator<readonly (number | null)[], void, void> {
  const task = prepare("generateTokens", holder, ids, options);
  return (function* () {
    const all = generationSteps(task);
    const step = evaluator(task.model);
    for (;;) {
      const { done, value } = step(() => all.next());
      if (done) return;
      yield value;
    }
  })();
}

/** Checks the arguments of a generation. */
function prepare(
  who: string,
  holder: LanguageModelHolder,
  ids: Prompts,
  given: GenerateOptions,
): GenerationTask {
  const model = languageModelIn(who, holder);
  const options = given ?? {};
  checkOptions(who, options, names, elsewhere);
  const {
    maxNewTokens,
    stopTokens = [],
    stopStrings = [],
    tokenizer,
    numReturnSequences: times = 1,
  } = options;
  const refuse = (expected: string, got: Readonly<Record<string, unknown>>): never => {
    throw new ArgumentError(who, expected, got);
  };
  const prompts = readPrompts(who, ids, options.attentionMask);
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0)
    refuse("maxNewTokens a non-negative integer", { maxNewTokens });
  const length = Math.max(0, ...prompts.rows.map((row) => row.length));
  const left = model.contextLength - length;
  const { stopAtContextEnd = false, useCache = true } = options;
  checkFlag(who, "stopAtContextEnd", stopAtContextEnd);
  checkFlag(who, "useCache", useCache);
  if (!(left >= (stopAtContextEnd ? 0 : maxNewTokens))) {
    const hint = stopAtContextEnd ? "" : "; stopAtContextEnd: true ends there";
    refuse(`at most ${model.contextLength} tokens, the model's context${hint}`, {
      prompt: length,
      maxNewTokens,
    });
  }
  checkSampling(who, options);
  if (!Array.isArray(stopTokens) || !stopTokens.every((token) => Number.isSafeInteger(token) && token >= 0))
    refuse("stopTokens a list of token ids", { stopTokens });
  const strings = checkStopStrings(who, stopStrings);
  if (strings.length > 0 && typeof tokenizer?.decode !== "function")
    refuse("tokenizer, with decode, whose texts stopStrings are", { tokenizer });
  if (!Number.isSafeInteger(times) || times < 1)
    refuse("numReturnSequences a positive integer", { numReturnSequences: times });
  if (times > 1 && !isSampled(options))
    refuse(
      "samples (temperature, topK, topP or minP) for numReturnSequences: without them all are the same",
      {
        numReturnSequences: times,
      },
    );
  checkRandom(who, options.rng);
  if (options.rng !== undefined && options.seed !== undefined)
    refuse("rng or seed, not both", { seed: options.seed });
  const hasStop = tokenizer ? stopTest(tokenizer, strings) : () => false;
  return {
    ...{ model, prompts: repeated(prompts, times), options },
    isEnd: (prompt, continuation) =>
      stopTokens.includes(continuation.at(-1) as number) || hasStop(prompt, continuation),
  };
}

/** Each prompt `times` times, one after the other. */
function repeated({ rows, grid }: PromptRows, times: number): PromptRows {
  if (times === 1) return { rows, grid };
  const [batch, time] = grid.shape;
  const data = new Int32Array(batch * times * time);
  for (let i = 0; i < batch * times; i++) {
    const row = Math.floor(i / times) * time;
    data.set(grid.data.subarray(row, row + time), i * time);
  }
  return {
    rows: rows.flatMap((row) => Array.from({ length: times }, () => row)),
    grid: { data, shape: [batch * times, time] },
  };
}
