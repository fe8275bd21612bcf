/**
 * @file Changes of a text before it is divided, as the `normalizer` of tokenizer.json says.
 *
 * Those of @huggingface/tokenizers differ from the ones that models were trained with in rare characters (final sigma, byte
 * order marks, ideographs beyond 16 bits), so they are written here.
 */

import { isJsonObject, type JsonObject } from "../../../core/index.ts";
import { flag, quote, wrong } from "../values.ts";
import { charactersOfBytes } from "./bytes.ts";
import { charsmap } from "./charsmap.ts";
import { patternOf, replaced } from "./pattern.ts";

export type Normalizer = (text: string) => string;

/** @throws CheckpointError on a normalizer that is unknown or malformed */
export function normalizer(path: string, json: unknown): Normalizer {
  if (json === null || json === undefined) return (text) => text;
  if (!isJsonObject(json)) throw wrong(path, `expected normalizer an object; got ${quote(json)}`);
  const text = (name: string): string => {
    const value = json[name];
    if (typeof value === "string") return value;
    throw wrong(path, `expected ${name} of the normalizer ${json.type} to be a text; got ${quote(value)}`);
  };
  switch (json.type) {
    case "Sequence": {
      if (!Array.isArray(json.normalizers))
        throw wrong(path, `expected normalizer.normalizers a list; got ${quote(json.normalizers)}`);
      const parts = json.normalizers.map((part) => normalizer(path, part));
      return (text) => parts.reduce((text, part) => part(text), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = json.type;
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      return lowercase;
    case "Strip": {
      const left = flag(path, json, "strip_left", true) ? /^\p{White_Space}+/u : /^(?!)/;
      const right = flag(path, json, "strip_right", true) ? /\p{White_Space}+$/u : /^(?!)/;
      return (text) => text.replace(left, "").replace(right, "");
    }
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    case "Nmt":
      return (text) => text.replace(notText, "").replace(spaces, " ");
    case "Prepend": {
      const prefix = text("prepend");
      return (text) => (text === "" ? "" : prefix + text);
    }
    case "Replace": {
      const [pattern, content] = [patternOf(path, json.pattern), text("content")];
      return (text) => replaced(text, pattern, content);
    }
    case "ByteLevel":
      return charactersOfBytes;
    case "BertNormalizer":
      return bert(path, json);
    case "Precompiled":
      return charsmap(path, text("precompiled_charsmap"));
    default:
      throw wrong(path, `there is no normalizer ${quote(json.type)} here`);
  }
}

/** Character by character: a sigma at the end of a word stays an inner one. */
const lowercase = (text: string): string => Array.from(text, (character) => character.toLowerCase()).join("");

// What sentencepiece's nmt rules leave out, and what they take for a space.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are its subject
const notText = /[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are its subject
const spaces = /[\u0009\u000a\u000c\u000d\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g;

const ideographs =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/** The normalizer of BERT: no control characters, ideographs as words of their own, without accents and capitals. */
function bert(path: string, json: JsonObject): Normalizer {
  const cleans = flag(path, json, "clean_text", true);
  const spreads = flag(path, json, "handle_chinese_chars", true);
  const lowers = flag(path, json, "lowercase", true);
  const strips = flag(path, json, "strip_accents", lowers);
  return (text) => {
    let result = text;
    if (cleans)
      result = result
        .replace(/[\p{Cc}\p{Cf}\p{Co}\ufffd]/gu, (one) => (/[\t\n\r]/.test(one) ? one : ""))
        .replace(/\p{White_Space}/gu, " ");
    if (spreads) result = result.replace(ideographs, (one) => ` ${one} `);
    if (strips) result = result.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lowers ? lowercase(result) : result;
  };
}
