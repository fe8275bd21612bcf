/**
 * @file Examples from JSON lines: {"prompt", "completion"}, {"messages"} or {"text"}, as token ids and the tokens that the
 * loss counts.
 *
 *     prompt, completion   the completion counts, and the end-of-text token after it
 *     messages             what the chat template writes for each of the assistant's messages counts, from after the
 *                          beginning of an answer (its generation prompt) to the end of the message
 *     text                 all of it counts, and the end-of-text token
 *
 * A token that reaches over the boundary between a prompt and what follows counts.
 */

import { isJsonObject, LowrankError } from "../../../../core/index.ts";
import type { PretrainedTokenizer } from "../../../../nn/index.ts";
import type { SourceText } from "./read.ts";

/** Token ids, and the labels that the loss compares with: the same, or −100 where a token does not count. */
export interface Example {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
}

/** A label that does not count. */
export const IGNORED = -100;

type Message = { readonly role: string; readonly content: string };

/** An example before it becomes tokens. */
type Record_ =
  | { readonly prompt: string; readonly completion: string }
  | { readonly messages: readonly Message[] }
  | { readonly text: string };

/** A record and where it stands, such as `train.jsonl:7`, for messages. */
interface Line {
  readonly place: string;
  readonly record: Record_;
}

/** What examples are made with. */
export interface ExampleOptions {
  readonly tokenizer: PretrainedTokenizer;
  /** The base's folder, for messages. */
  readonly base: string;
  /** Whether only completions and the assistant's messages count, or every token. */
  readonly lossOn: "completion" | "all";
}

/**
 * The examples of a file of JSON lines. Blank lines are skipped.
 * @throws LowrankError naming the line that is no such object
 */
export function examplesIn({ name, text }: SourceText, options: ExampleOptions): Example[] {
  return linesOf(name, text).map((line) => exampleOf(line, options));
}

/** What the sample continues: the prompt of the first example, or the beginning of its text. */
export function promptIn({ name, text }: SourceText, { tokenizer }: ExampleOptions): Prompt {
  const [{ record }] = linesOf(name, text);
  if ("text" in record) return promptOf(tokenizer, beginning(record.text));
  if ("prompt" in record) return promptOf(tokenizer, record.prompt);
  const answer = record.messages.findIndex(({ role }) => role === "assistant");
  const prompt = tokenizer.applyChatTemplate(record.messages.slice(0, answer), { addGenerationPrompt: true });
  return { text: prompt, ids: tokenizer.encode(prompt, { addSpecialTokens: false }) };
}

/** A text to continue. */
export interface Prompt {
  readonly text: string;
  readonly ids: Int32Array;
}

/** The first six words of a text. */
export const beginning = (text: string): string =>
  /^\s*(?:\S+\s+){0,5}\S+/.exec(text)?.[0].trimStart() ?? text;

/** A text to continue, with the special tokens that begin it and without those that end it. */
export function promptOf(tokenizer: PretrainedTokenizer, text: string): Prompt {
  const [whole, inner] = [tokenizer.encode(text), tokenizer.encode(text, { addSpecialTokens: false })];
  const ends = whole.length > inner.length && whole.at(-1) === tokenizer.eosToken?.id;
  return { text, ids: ends ? whole.slice(0, -1) : whole };
}

function linesOf(name: string, text: string): Line[] {
  const lines = text.split("\n").flatMap((line, i): Line[] => {
    if (line.trim() === "") return [];
    const place = `${name}:${i + 1}`;
    return [{ place, record: recordOf(place, line) }];
  });
  return lines;
}

const expected = '{"prompt": …, "completion": …}, {"messages": […]} or {"text": …}';

function recordOf(place: string, line: string): Record_ {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    const isList = /^\s*[[\]{}],?\s*$/.test(line)
      ? "; a list over several lines is written as one object a line"
      : "";
    throw new LowrankError(`${place}: not JSON; expected one object a line, ${expected}${isList}`);
  }
  const refuse = (got: string): never => {
    throw new LowrankError(`${place}: expected ${expected}; got ${got}`);
  };
  if (!isJsonObject(value)) return refuse(Array.isArray(value) ? "a list" : JSON.stringify(value));
  const kinds = [["prompt", "completion"], ["messages"], ["text"]].filter((names) =>
    names.some((name) => Object.hasOwn(value, name)),
  );
  const names = Object.keys(value);
  if (kinds.length !== 1)
    return refuse(names.length > 0 ? `the fields ${names.join(", ")}` : "an empty object");
  const absent = kinds[0].find((name) => !Object.hasOwn(value, name));
  if (absent !== undefined)
    return refuse(`no ${absent} beside ${kinds[0].filter((n) => n !== absent).join(", ")}`);
  if ("messages" in value) return { messages: messagesOf(place, value.messages) };
  for (const name of kinds[0])
    if (typeof value[name] !== "string")
      throw new LowrankError(`${place}: ${name}: expected a string; got ${brief(value[name])}`);
  if (kinds[0][0] === "text" && value.text === "")
    throw new LowrankError(`${place}: text: expected some text; got ""`);
  return value as Record_;
}

function messagesOf(place: string, value: unknown): Message[] {
  const isMessage = (one: unknown): one is Message =>
    isJsonObject(one) && typeof one.role === "string" && typeof one.content === "string";
  if (!Array.isArray(value) || value.length === 0)
    throw new LowrankError(`${place}: messages: expected a list of {"role", "content"}; got ${brief(value)}`);
  const wrong = value.findIndex((one) => !isMessage(one));
  if (wrong >= 0)
    throw new LowrankError(
      `${place}: messages[${wrong}]: expected {"role": "user", "content": "…"}; got ${brief(value[wrong])}`,
    );
  if (!value.some(({ role }) => role === "assistant"))
    throw new LowrankError(
      `${place}: messages: expected an answer of the role "assistant"; the roles are ${value.map(({ role }) => role).join(", ")}`,
    );
  return value;
}

const brief = (value: unknown): string => {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

function exampleOf(line: Line, options: ExampleOptions): Example {
  const { tokenizer, lossOn } = options;
  const { record } = line;
  if ("messages" in record) return conversation(line.place, record.messages, options);
  if ("text" in record) return counted(ended(tokenizer, tokenizer.encode(record.text)), [[0, Infinity]]);
  const ids = ended(tokenizer, tokenizer.encode(record.prompt + record.completion));
  if (lossOn === "all") return counted(ids, [[0, Infinity]]);
  return counted(ids, [[common(ids, tokenizer.encode(record.prompt)), Infinity]]);
}

/** A conversation: the assistant's messages count. */
function conversation(place: string, messages: readonly Message[], options: ExampleOptions): Example {
  const { tokenizer, lossOn, base } = options;
  if (!tokenizer.hasChatTemplate)
    throw new LowrankError(
      `${place}: messages need the model's chat template, and ${base} has none; expected {"prompt": …, "completion": …}`,
    );
  const template = (upTo: number, addGenerationPrompt: boolean): string => {
    try {
      return tokenizer.applyChatTemplate(messages.slice(0, upTo), { addGenerationPrompt });
    } catch (error) {
      throw new LowrankError(`${place}: ${(error as Error).message}`, { cause: error });
    }
  };
  const encode = (text: string): Int32Array => tokenizer.encode(text, { addSpecialTokens: false });
  const whole = template(messages.length, false);
  const ids = encode(whole);
  if (lossOn === "all") return counted(ids, [[0, Infinity]]);
  const parts = messages.flatMap(({ role }, i): [number, number][] => {
    if (role !== "assistant") return [];
    const [before, after] = [template(i, true), template(i + 1, false)];
    if (!whole.startsWith(before) || !whole.startsWith(after))
      throw new LowrankError(
        `${place}: the chat template writes messages[${i}] otherwise when more follow, so that its part cannot be told; expected one answer in a line, or --loss-on all`,
      );
    return [[common(ids, encode(before)), i + 1 === messages.length ? Infinity : common(ids, encode(after))]];
  });
  return counted(ids, parts);
}

/** The number of ids at the beginning that two lists have in common. */
function common(a: Int32Array, b: Int32Array): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

/** The ids with the end-of-text token after them, where the tokenizer has one and has not put it there. */
function ended({ eosToken }: PretrainedTokenizer, ids: Int32Array): Int32Array {
  return eosToken === null || ids.at(-1) === eosToken.id ? ids : Int32Array.of(...ids, eosToken.id);
}

function counted(ids: Int32Array, parts: readonly (readonly [number, number])[]): Example {
  const counts = (i: number): boolean => parts.some(([from, to]) => i >= from && i < to);
  return { ids, labels: ids.map((id, i) => (counts(i) ? id : IGNORED)) };
}
