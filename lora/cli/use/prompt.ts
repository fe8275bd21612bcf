/** @file The prompts of `generate`: text from the command line or standard input, chats, token ids, and what ends a text. */

import { decodeUtf8, exists, LowrankError, parseJsonObject, readFile } from "../../../core/index.ts";
import type { PretrainedTokenizer } from "../../../nn/index.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** A prompt as text and as token ids. */
export interface Prompt {
  readonly text: string;
  readonly ids: readonly number[];
}

/** What `readPrompts` reads. */
export interface PromptOptions {
  readonly prompt: readonly string[];
  readonly chat: boolean;
  readonly system?: string | undefined;
}

/** The texts of the prompts; "-" is standard input, without the line's end that an editor or echo puts there. */
export async function promptTexts(given: readonly string[], { io, note }: Terminal): Promise<string[]> {
  const fromInput = given.filter((text) => text === "-").length;
  if (fromInput > 1)
    throw new LowrankError("--prompt: standard input (-) can be one of the prompts; got it twice");
  if (fromInput === 0) return [...given];
  if ((io.stdin as { isTTY?: boolean }).isTTY) note("the prompt comes from standard input; Ctrl-D ends it");
  const chunks: Uint8Array[] = [];
  for await (const chunk of io.stdin) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  const input = decodeUtf8("--prompt -", Buffer.concat(chunks)).replace(/\r?\n$/, "");
  return given.map((text) => (text === "-" ? input : text));
}

/**
 * The token ids of a prompt, as the beginning of a text, or as the user's message in a chat.
 * @throws LowrankError when there is no token to begin with, or no chat template
 */
export function encodePrompt(
  text: string,
  { chat, system }: PromptOptions,
  tokenizer: PretrainedTokenizer,
): Prompt {
  if (chat) {
    const messages = [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      { role: "user", content: text },
    ];
    const whole = tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
    return { text, ids: [...tokenizer.encode(whole, { addSpecialTokens: false })] };
  }
  const ids = [...tokenizer.encode(text)];
  const { bosToken, eosToken } = tokenizer;
  // Some tokenizers end every text; what is to be continued has no end.
  if (eosToken && ids.at(-1) === eosToken.id && !text.endsWith(eosToken.text) && ids.length > 1) ids.pop();
  if (ids.length === 0 && bosToken) ids.push(bosToken.id);
  if (ids.length === 0)
    throw new LowrankError(
      '--prompt: expected a text; got "", and the tokenizer has no token that begins a text',
    );
  return { text, ids };
}

/** Settings of generation_config.json that the command does not take over. */
const suggestions: Readonly<Record<string, string>> = {
  temperature: "temperature",
  top_k: "top-k",
  top_p: "top-p",
  min_p: "min-p",
  repetition_penalty: "repetition-penalty",
};

/** What a model's folder says of generation: the ids that end a text, and settings that its makers suggest. */
export interface GenerationDefaults {
  readonly stopTokens: readonly number[];
  /** Such as "--temperature 0.6 --top-p 0.9"; empty without any. */
  readonly suggested: string;
}

/**
 * The ids of generation_config.json, or else of config.json, and the tokenizer's end of text.
 * @throws LowrankError when a file is malformed
 */
export function generationDefaults(
  folder: string,
  { eosToken }: Pick<PretrainedTokenizer, "eosToken">,
): GenerationDefaults {
  const fieldsOf = (name: string): Readonly<Record<string, unknown>> => {
    const path = `${folder}/${name}`;
    return exists(path) ? parseJsonObject(path, readFile(path)) : {};
  };
  const generation = fieldsOf("generation_config.json");
  const given = generation.eos_token_id ?? fieldsOf("config.json").eos_token_id ?? [];
  const ids: unknown[] = Array.isArray(given) ? given : [given];
  const isId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= 0;
  const isSampling = generation.do_sample === true;
  const suggested = Object.entries(suggestions).flatMap(([field, option]) => {
    const value = generation[field];
    const counts = field === "repetition_penalty" ? value !== 1 : isSampling;
    return typeof value === "number" && counts ? [`--${option} ${value}`] : [];
  });
  return {
    stopTokens: [...new Set([...ids.filter(isId), ...(eosToken ? [eosToken.id] : [])])],
    suggested: suggested.join(" "),
  };
}
