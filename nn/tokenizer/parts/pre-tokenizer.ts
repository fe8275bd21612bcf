/**
 * @file Dividing a text into words, as the `pre_tokenizer` of tokenizer.json says. Tokens never reach across words.
 *
 * Those of @huggingface/tokenizers do not know all ways of dividing (merging a mark with the word before or after it,
 * punctuation one by one, Metaspace's division at spaces), so they are written here.
 */

import { isJsonObject, type JsonObject } from "../../../core/index.ts";
import { flag, quote, wrong } from "../values.ts";
import { charactersOfBytes } from "./bytes.ts";
import { fits, patternOf } from "./pattern.ts";

/** A part of a text, and whether the text begins with it. */
export interface Word {
  readonly text: string;
  readonly isFirst: boolean;
}

export type PreTokenizer = (word: Word) => readonly Word[];

/** @throws CheckpointError on a pre-tokenizer that is unknown or malformed */
export function preTokenizer(path: string, json: unknown): PreTokenizer {
  if (json === null || json === undefined) return (word) => [word];
  if (!isJsonObject(json)) throw wrong(path, `expected pre_tokenizer an object; got ${quote(json)}`);
  switch (json.type) {
    case "Sequence": {
      if (!Array.isArray(json.pretokenizers))
        throw wrong(path, `expected pre_tokenizer.pretokenizers a list; got ${quote(json.pretokenizers)}`);
      const parts = json.pretokenizers.map((part) => preTokenizer(path, part));
      return (word) => parts.reduce<readonly Word[]>((words, part) => words.flatMap(part), [word]);
    }
    case "Split": {
      const pattern = patternOf(path, json.pattern);
      return divider(pattern, behavior(path, json, "Isolated"), flag(path, json, "invert", false));
    }
    case "Punctuation":
      return divider(punctuation, behavior(path, json, "Isolated"));
    case "Digits":
      return divider(/\p{N}/gu, flag(path, json, "individual_digits", false) ? "Isolated" : "Contiguous");
    case "Whitespace":
      return divider(wordsAndMarks, "Removed", true);
    case "WhitespaceSplit":
      return divider(/\p{White_Space}/gu, "Removed");
    case "BertPreTokenizer": {
      const words = divider(/\p{White_Space}/gu, "Removed");
      const marks = divider(punctuation, "Isolated");
      return (word) => words(word).flatMap(marks);
    }
    case "CharDelimiterSplit":
      return divider(patternOf(path, { String: json.delimiter }), "Removed");
    case "FixedLength":
      return fixed(path, json);
    case "Metaspace":
      return metaspace(path, json);
    case "ByteLevel":
      return byteLevel(path, json);
    default:
      throw wrong(path, `there is no pre_tokenizer ${quote(json.type)} here`);
  }
}

const punctuation = /[\p{P}!-/:-@[-`{-~]/gu;
const wordsAndMarks =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;

/** What becomes of the places where a pattern fits: words of their own, parts of the word before or after, nothing. */
type Behavior = "Removed" | "Isolated" | "Contiguous" | "MergedWithPrevious" | "MergedWithNext";
const behaviors: readonly unknown[] = [
  "Removed",
  "Isolated",
  "Contiguous",
  "MergedWithPrevious",
  "MergedWithNext",
];

function behavior(path: string, json: JsonObject, otherwise: Behavior): Behavior {
  const value = json.behavior ?? otherwise;
  if (behaviors.includes(value)) return value as Behavior;
  throw wrong(
    path,
    `expected behavior of ${json.type} to be one of ${behaviors.join(", ")}; got ${quote(value)}`,
  );
}

/** From and to in a text. */
type Span = readonly [from: number, to: number];

function divider(pattern: RegExp, behavior: Behavior, isInverted = false): PreTokenizer {
  return ({ text, isFirst }) => {
    const spans: { span: Span; fits: boolean }[] = [];
    let end = 0;
    for (const { from, to } of fits(text, pattern)) {
      if (from > end) spans.push({ span: [end, from], fits: isInverted });
      spans.push({ span: [from, to], fits: !isInverted });
      end = to;
    }
    if (end < text.length) spans.push({ span: [end, text.length], fits: isInverted });
    return joined(spans, behavior)
      .filter(([from, to]) => to > from)
      .map(([from, to]) => ({ text: text.slice(from, to), isFirst: isFirst && from === 0 }));
  };
}

function joined(spans: readonly { span: Span; fits: boolean }[], behavior: Behavior): Span[] {
  if (behavior === "Removed") return spans.filter(({ fits }) => !fits).map(({ span }) => span);
  if (behavior === "Isolated") return spans.map(({ span }) => span);
  const isBackward = behavior === "MergedWithNext";
  const result: Span[] = [];
  let before = false; // whether the span before, on the way, fits
  for (const { span, fits } of isBackward ? spans.toReversed() : spans) {
    const last = result.at(-1);
    const merges = last !== undefined && (behavior === "Contiguous" ? fits === before : fits && !before);
    if (!merges) result.push(span);
    else result[result.length - 1] = isBackward ? [span[0], last[1]] : [last[0], span[1]];
    before = fits;
  }
  return isBackward ? result.toReversed() : result;
}

/** Words of so many characters. */
function fixed(path: string, json: JsonObject): PreTokenizer {
  const { length = 5 } = json;
  if (!Number.isSafeInteger(length) || (length as number) < 1)
    throw wrong(path, `expected length of FixedLength to be a positive count; got ${quote(length)}`);
  return ({ text, isFirst }) => {
    const characters = Array.from(text);
    return Array.from({ length: Math.ceil(characters.length / (length as number)) }, (_, i) => ({
      text: characters.slice(i * (length as number), (i + 1) * (length as number)).join(""),
      isFirst: isFirst && i === 0,
    }));
  };
}

/** Spaces become ▁, one is put before the text, and words begin at each. */
function metaspace(path: string, json: JsonObject): PreTokenizer {
  const replacement = json.replacement ?? "▁";
  if (typeof replacement !== "string" || Array.from(replacement).length !== 1)
    throw wrong(path, `expected replacement of Metaspace to be one character; got ${quote(replacement)}`);
  const scheme = json.prepend_scheme ?? (flag(path, json, "add_prefix_space", true) ? "always" : "never");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never")
    throw wrong(
      path,
      `expected prepend_scheme of Metaspace to be always, first or never; got ${quote(scheme)}`,
    );
  const words = flag(path, json, "split", true)
    ? divider(patternOf(path, { String: replacement }), "MergedWithNext")
    : (word: Word) => [word];
  return ({ text, isFirst }) => {
    const spaced = text.replaceAll(" ", replacement);
    const isPrefixed =
      !spaced.startsWith(replacement) && (scheme === "always" || (scheme === "first" && isFirst));
    return words({ text: isPrefixed ? replacement + spaced : spaced, isFirst });
  };
}

/** GPT-2's words: contractions, letters, numbers and marks, each with the space before it. */
const gpt2 =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Words as characters that stand for their bytes. */
function byteLevel(path: string, json: JsonObject): PreTokenizer {
  const isPrefixed = flag(path, json, "add_prefix_space", true);
  const words = flag(path, json, "use_regex", true) ? divider(gpt2, "Isolated") : (word: Word) => [word];
  return ({ text, isFirst }) =>
    words({ text: isPrefixed && !text.startsWith(" ") ? ` ${text}` : text, isFirst }).map((word) => ({
      ...word,
      text: charactersOfBytes(word.text),
    }));
}
