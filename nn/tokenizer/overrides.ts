/** @file Fields of tokenizer_config.json that change parts of tokenizer.json, for the classes of transformers that read them. */

import { isJsonObject, type JsonObject } from "../../core/index.ts";

/** tokenizer.json as transformers uses it with this configuration. */
export function overridden(json: JsonObject, config: JsonObject): JsonObject {
  const kind = `${config.tokenizer_class}`.replace(/Fast$/, "");
  if (kind === "BertTokenizer") {
    return { ...json, normalizer: withFields(json.normalizer, "BertNormalizer", config, bertFields) };
  }
  if (/^(GPT2|Roberta|Bart|Longformer|LED)Tokenizer$/.test(kind))
    return { ...json, pre_tokenizer: withFields(json.pre_tokenizer, "ByteLevel", config, byteLevelFields) };
  return json;
}

/** Fields of the configuration, by those of the part. */
const bertFields = {
  lowercase: "do_lower_case",
  strip_accents: "strip_accents",
  handle_chinese_chars: "tokenize_chinese_chars",
};
const byteLevelFields = { add_prefix_space: "add_prefix_space" };

function withFields(
  part: unknown,
  type: string,
  config: JsonObject,
  fields: Readonly<Record<string, string>>,
): unknown {
  if (!isJsonObject(part) || part.type !== type) return part;
  const given = Object.entries(fields).filter(([, name]) => typeof config[name] === "boolean");
  return { ...part, ...Object.fromEntries(given.map(([field, name]) => [field, config[name]])) };
}
