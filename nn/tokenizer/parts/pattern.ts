/** @file Patterns of tokenizer.json, a text or a regular expression of Oniguruma, as regular expressions of JavaScript. */

import { ReplaceNormalizer } from "@huggingface/tokenizers";
import { isJsonObject } from "../../../core/index.ts";
import { quote, wrong } from "../values.ts";

/** @throws CheckpointError when it is no pattern, or one that JavaScript has no counterpart for */
export function patternOf(path: string, json: unknown): RegExp {
  const { String: text, Regex: source } = isJsonObject(json) ? json : {};
  if (typeof text === "string" && text !== "") return new RegExp(escaped(text), "gu");
  if (typeof source !== "string")
    throw wrong(path, `expected a pattern with String or Regex; got ${quote(json)}`);
  const flagged = source.replace(/^\(\?i\)([\s\S]*)$/, "(?i:$1)"); // for all of it
  try {
    const { pattern } = new ReplaceNormalizer({
      type: "Replace",
      pattern: { Regex: flagged },
      content: "",
    }) as unknown as {
      pattern: RegExp;
    };
    return pattern;
  } catch (error) {
    throw wrong(path, `the regular expression ${quote(source)} cannot be used: ${(error as Error).message}`);
  }
}

/** A text as a regular expression that fits it alone. */
export const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** The places where a pattern fits. An empty fit inside of a character of two UTF-16 units is none. */
export function* fits(
  text: string,
  pattern: RegExp,
): Generator<{ readonly from: number; readonly to: number }> {
  for (const { 0: found, index } of text.matchAll(pattern))
    if (found !== "" || !isInside(text, index)) yield { from: index, to: index + found.length };
}

const isInside = (text: string, at: number): boolean =>
  at > 0 && (text.codePointAt(at - 1) as number) > 0xffff;

/** The text with `content`, as it stands, in place of what fits. */
export function replaced(text: string, pattern: RegExp, content: string): string {
  let result = "";
  let done = 0;
  for (const { from, to } of fits(text, pattern)) {
    result += text.slice(done, from) + content;
    done = to;
  }
  return result + text.slice(done);
}
