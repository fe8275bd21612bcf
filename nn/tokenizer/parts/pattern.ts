/** @file Patterns of tokenizer.json, a text or a regular expression of Oniguruma, as regular expressions of JavaScript. */

import { ReplaceNormalizer } from "@huggingface/tokenizers";
import { isJsonObject } from "../../../core/index.ts";
import { quote, wrong } from "../values.ts";

/** @throws CheckpointError when it is no pattern, or one that JavaScript has no counterpart for */
export function patternOf(path: string, json: unknown): RegExp {
  const { String: text, Regex: source } = isJsonObject(json) ? json : {};
  if (typeof text === "string" && text !== "") return new RegExp(RegExp_escape(text), "gu");
  if (typeof source !== "string")
    throw wrong(path, `expected a pattern with String or Regex; got ${quote(json)}`);
  try {
    const { pattern } = new ReplaceNormalizer({
      type: "Replace",
      pattern: { Regex: source },
      content: "",
    }) as unknown as {
      pattern: RegExp;
    };
    return pattern;
  } catch (error) {
    throw wrong(path, `the regular expression ${quote(source)} cannot be used: ${(error as Error).message}`);
  }
}

const RegExp_escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
