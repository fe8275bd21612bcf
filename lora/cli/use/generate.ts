/** @file `lowrank generate`: continues texts with a base and adapters, token by token as they come. */

import { LowrankError } from "../../../core/index.ts";
import { type GenerateOptions, generateTokens, type PretrainedTokenizer } from "../../../nn/index.ts";
import { contextOf, decoderOf, type LoadedBase, loadBase, modelOptions, tokenizerOf } from "../base.ts";
import { defineCommand } from "../command.ts";
import { anyText, integer, number, repeated, text, toggle } from "../flags.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type Continuation, continuationOf } from "./continuation.ts";
import { decoderFor, hasTokenizer, parseIds } from "./ids.ts";
import { encodePrompt, generationDefaults, type Prompt, promptTexts } from "./prompt.ts";

export const command = defineCommand({
  options: {
    ...modelOptions,
    prompt: repeated(anyText("text", "the text to continue; - reads standard input")),
    ids: repeated(text("ids", "a prompt as token ids, such as 1,15,9; needs no tokenizer")),
    maxTokens: integer("n", "most tokens to add", { min: 1, default: 100 }),
    temperature: number("t", "sample with the logits divided by t; 0 takes the most probable token", {
      min: 0,
    }),
    topK: integer("k", "sample from the k most probable tokens", { min: 1 }),
    topP: number("p", "sample from the most probable tokens that together have probability p", {
      min: 0,
      max: 1,
      above: true,
    }),
    minP: number("p", "sample from tokens at least p times as probable as the most probable", {
      min: 0,
      max: 1,
    }),
    repetitionPenalty: number("x", "divide the logits of tokens that are there already by x", {
      min: 0,
      above: true,
    }),
    seed: integer("n", "seed of the samples (default: 0)", { min: 0 }),
    samples: integer("n", "continuations of each prompt", { min: 1, default: 1 }),
    stop: repeated(text("text", "end before this text")),
    ignoreEos: toggle("go on after the token that ends a text"),
    chat: toggle("the prompt is a message of a chat, by the tokenizer's chat template"),
    system: anyText("text", "with --chat: the system message"),
    continuation: toggle("print the new text alone, without the prompt"),
    merge: toggle("add the adapters to the weights first: the same text, faster"),
  },
  examples: [
    'generate --base models/gpt2 --prompt "Once upon a time" --max-tokens 50',
    'generate --base models/gpt2 --adapter french=0.7 --adapter legal=0.3 --prompt "Article 1." --temperature 0.8',
    "generate --base models/chat --chat --prompt - < question.txt",
  ],
  notes: `Without a sampling option the most probable token is taken, so that the same command prints the same text. Several
prompts are continued together, as each of them would be alone, and printed when all have ended. Without a tokenizer, the
text of ids is the ids.

Fields of --json: base, adapters, results [{ prompt, promptTokens, ids (new tokens), text (new text), finish (eos, stop,
length or context) }], seconds, tokensPerSecond; with one result its fields stand beside these, too.`,
  async run({ options, isGiven }, terminal) {
    if (options.system !== undefined && !options.chat)
      throw new LowrankError("--system: expected with --chat, whose first message it is");
    if (options.merge && options.quantize)
      throw new LowrankError("--merge: expected without --quantize: merging would round the weights again");
    if (options.merge && options.adapter.length === 0)
      throw new LowrankError("--merge: expected with --adapter: there is nothing to merge");
    const byIds = options.ids.length > 0;
    if (byIds === options.prompt.length > 0)
      throw new LowrankError(
        `--prompt: expected ${byIds ? "either texts or --ids" : "a text to continue, or --ids"}`,
      );
    if (byIds && options.chat)
      throw new LowrankError("--chat: expected with --prompt; --ids are taken as they are");
    const texts = await promptTexts(options.prompt, terminal);
    const loaded = loadBase(options, terminal);
    const model = decoderOf("generate", loaded);
    const tokenizer = byIds ? decoderFor(loaded) : tokenizerOf(loaded);
    if (options.stop.length > 0 && !hasTokenizer(loaded))
      throw new LowrankError(
        `--stop: expected a base with a tokenizer, whose text it is; ${options.base} has none`,
      );
    const prompts = byIds
      ? options.ids.map((one): Prompt => {
          const ids = parseIds(one, "--ids", loaded);
          return { text: tokenizer.decode(ids), ids };
        })
      : texts.map((one) => encodePrompt(one, options, tokenizer as PretrainedTokenizer));
    checkLengths(prompts, contextOf(loaded));
    const { stopTokens, suggested } = generationDefaults(loaded.folder, tokenizer);

    const { temperature, topK, topP, minP, repetitionPenalty, samples } = options;
    const sampling = temperature === 0 ? {} : given({ temperature, topK, topP, minP });
    const isSampled = Object.keys(sampling).length > 0;
    if (temperature === 0 && [topK, topP, minP].some((option) => option !== undefined))
      throw new LowrankError(
        "--temperature 0: takes the most probable token; expected no --top-k, --top-p or --min-p with it",
      );
    if (samples > 1 && !isSampled)
      throw new LowrankError(
        "--samples: without sampling all continuations are the same; expected --temperature, --top-k, --top-p or --min-p",
      );
    if (!isSampled && isGiven("seed"))
      terminal.note("--seed changes nothing: the most probable token is taken; --temperature 1 samples");
    if (suggested && temperature === undefined && !isSampled && repetitionPenalty === undefined)
      terminal.note(`the model's makers suggest ${suggested}; the most probable token is taken`);
    if (options.merge) loaded.adapted?.merge();

    const task: Task = {
      options: {
        ...sampling,
        ...given({ repetitionPenalty }),
        ...(isSampled && { seed: options.seed ?? 0, numReturnSequences: samples }),
        maxNewTokens: options.maxTokens,
        stopAtContextEnd: true,
        stopTokens: options.ignoreEos ? [] : stopTokens,
        ...(options.stop.length > 0 && { stopStrings: options.stop, tokenizer }),
      },
      prompts: prompts.flatMap((prompt) => Array.from({ length: samples }, () => prompt)),
      echo: !options.chat && !options.continuation,
    };
    const continuations = task.prompts.map(({ ids }) =>
      continuationOf(ids, tokenizer, options.stop, options.ignoreEos ? [] : stopTokens),
    );
    const seconds = speak(model, prompts, task, continuations, terminal);
    report(options, task, continuations, seconds, loaded, terminal);
  },
});

interface Task {
  readonly options: GenerateOptions;
  /** The prompt of each continuation. */
  readonly prompts: readonly Prompt[];
  /** Whether the prompt is printed before its continuation. */
  readonly echo: boolean;
}

/** Generates, and prints a single continuation as it comes. @returns the seconds that it took */
function speak(
  model: ReturnType<typeof decoderOf>,
  prompts: readonly Prompt[],
  { options, echo }: Task,
  continuations: readonly Continuation[],
  terminal: Terminal,
): number {
  const isStreamed = continuations.length === 1 && !terminal.isJson;
  const progress = isStreamed ? null : terminal.progress("generating", options.maxNewTokens, "tokens");
  if (isStreamed && echo) terminal.write(terminal.colors.dim(continuations[0].prompt));
  const start = performance.now();
  let steps = 0;
  const ids = prompts.map((prompt) => [...prompt.ids]);
  for (const step of generateTokens(model, ids, options)) {
    for (const [row, token] of step.entries()) {
      if (token === null) continue;
      const piece = continuations[row].push(token);
      if (isStreamed) terminal.write(piece);
    }
    progress?.update(++steps);
  }
  const seconds = (performance.now() - start) / 1000;
  progress?.done();
  const rest = continuations.map((one) => one.end());
  if (isStreamed) terminal.write(`${rest[0]}\n`);
  return seconds;
}

function report(
  { base, adapter }: { readonly base: string; readonly adapter: readonly string[] },
  { prompts, options, echo }: Task,
  continuations: readonly Continuation[],
  seconds: number,
  loaded: LoadedBase,
  terminal: Terminal,
): void {
  const results = continuations.map((one, i) => {
    const promptTokens = prompts[i].ids.length;
    const isFull =
      promptTokens + one.ids.length >= contextOf(loaded) && one.ids.length < options.maxNewTokens;
    return {
      prompt: prompts[i].text,
      promptTokens,
      ids: one.ids,
      text: one.text,
      finish: one.finish(isFull),
    };
  });
  const tokens = results.reduce((sum, { ids }) => sum + ids.length, 0);
  const tokensPerSecond = seconds > 0 ? tokens / seconds : 0;
  const single = results.length === 1 ? results[0] : {};
  terminal.result({ base, adapters: adapter, ...single, results, seconds, tokensPerSecond }, () => {
    if (results.length === 1) return;
    for (const [i, { text }] of results.entries()) {
      const before = echo ? terminal.colors.dim(continuations[i].prompt) : "";
      terminal.print(`${i > 0 ? "\n" : ""}[${i + 1}] ${before}${text}`);
    }
  });
  if (results.some(({ finish }) => finish === "context"))
    terminal.note(`ended at the model's context of ${contextOf(loaded)} tokens`);
  if (!terminal.isJson)
    terminal.note(
      `${tokens} tokens in ${seconds.toFixed(seconds < 1 ? 2 : 1)} s, ${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens/s`,
    );
}

/** The options that are given. */
const given = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;

function checkLengths(prompts: readonly Prompt[], context: number): void {
  for (const [i, { ids }] of prompts.entries()) {
    if (ids.length < context) continue;
    const which = prompts.length > 1 ? ` ${i + 1}` : "";
    throw new LowrankError(
      `--prompt${which}: expected fewer tokens than the model's context of ${context}, to leave room for a continuation; got ${ids.length}`,
    );
  }
}
