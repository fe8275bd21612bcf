/** @file The fields that the parts of a tokenizer.json have. Another one may change ids, so it is refused by its name. */

import { isJsonObject, type JsonObject } from "../../core/index.ts";
import { quote, wrong } from "./values.ts";

const byteLevel = ["add_prefix_space", "trim_offsets", "use_regex"];
const metaspace = ["replacement", "str_rep", "prepend_scheme", "add_prefix_space", "split"];
const around = ["sep", "cls", "trim_offsets", "add_prefix_space"];

/** Fields by the parts of a tokenizer and their types. Types that are not here are refused where the part is made. */
const known: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  normalizer: {
    Sequence: ["normalizers"],
    BertNormalizer: ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"],
    Strip: ["strip_left", "strip_right"],
    Replace: ["pattern", "content"],
    Prepend: ["prepend"],
    Precompiled: ["precompiled_charsmap"],
    ...Object.fromEntries(
      ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"].map((type) => [type, []]),
    ),
    ByteLevel: byteLevel,
  },
  pre_tokenizer: {
    Sequence: ["pretokenizers"],
    ByteLevel: byteLevel,
    Metaspace: metaspace,
    Split: ["pattern", "behavior", "invert"],
    Punctuation: ["behavior"],
    Digits: ["individual_digits"],
    CharDelimiterSplit: ["delimiter"],
    FixedLength: ["length"],
    ...Object.fromEntries(["Whitespace", "WhitespaceSplit", "BertPreTokenizer"].map((type) => [type, []])),
  },
  post_processor: {
    Sequence: ["processors"],
    ByteLevel: byteLevel,
    BertProcessing: around,
    RobertaProcessing: around,
    TemplateProcessing: ["single", "pair", "special_tokens"],
  },
  decoder: {
    Sequence: ["decoders"],
    ByteLevel: byteLevel,
    Metaspace: metaspace,
    Replace: ["pattern", "content"],
    Strip: ["content", "start", "stop"],
    WordPiece: ["prefix", "cleanup"],
    BPEDecoder: ["suffix"],
    Fuse: [],
    ByteFallback: [],
  },
  model: {
    BPE: [
      ...["vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"],
      ...["fuse_unk", "byte_fallback", "ignore_merges"],
    ],
    WordPiece: ["vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"],
    Unigram: ["vocab", "unk_id", "byte_fallback"],
    WordLevel: ["vocab", "unk_token"],
  },
};

const top = ["version", "truncation", "padding", "added_tokens", ...Object.keys(known)];
const token = ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"];

/** @throws CheckpointError naming a field that is unknown and not null or false */
export function checkFields(path: string, json: JsonObject): void {
  checkNames(path, "", json, top);
  if ((json.version ?? "1.0") !== "1.0")
    throw wrong(path, `expected version 1.0 of the format; got ${quote(json.version)}`);
  if (Array.isArray(json.added_tokens))
    json.added_tokens.forEach((entry, i) => {
      checkNames(path, `added_tokens[${i}].`, entry, token);
    });
  for (const [name, types] of Object.entries(known)) checkPart(path, name, json[name], types);
}

function checkPart(
  path: string,
  place: string,
  part: unknown,
  types: Readonly<Record<string, readonly string[]>>,
): void {
  if (!isJsonObject(part) || typeof part.type !== "string" || !Object.hasOwn(types, part.type)) return;
  checkNames(path, `${place}.`, part, ["type", ...types[part.type]]);
  if (part.type !== "Sequence") return;
  const list = part[types.Sequence[0]];
  if (Array.isArray(list))
    list.forEach((inner, i) => {
      checkPart(path, `${place}.${types.Sequence[0]}[${i}]`, inner, types);
    });
}

function checkNames(path: string, place: string, object: unknown, names: readonly string[]): void {
  if (!isJsonObject(object)) return;
  for (const [name, value] of Object.entries(object))
    if (!names.includes(name) && value !== null && value !== false)
      throw wrong(
        path,
        `${place}${name} is not a field that is known here, and may change ids; got ${quote(value)}`,
      );
}
