/** @file The files of a tokenizer, read and checked: its parts, its vocabulary, its special tokens. */

import {
  CheckpointError,
  insteadOf,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
} from "../../core/index.ts";
import type { SpecialToken } from "./types.ts";

/** A token beside the vocabulary of the model: it is found in a text before anything else happens to the text. */
export interface AddedToken extends SpecialToken {
  readonly special: boolean;
  /** Found in the normalized text, in its normalized form. */
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
}

/** A tokenizer's files, checked. */
export interface Definition {
  /** The path of tokenizer.json, for messages. */
  readonly path: string;
  readonly json: JsonObject;
  readonly config: JsonObject;
  readonly model: JsonObject & { readonly type: Kind };
  readonly added: readonly AddedToken[];
  /** Ids by the texts of tokens, those of added tokens included. */
  readonly ids: ReadonlyMap<string, number>;
  /** The other way round. */
  readonly texts: ReadonlyMap<number, string>;
  readonly special: Readonly<Record<Role, SpecialToken | null>>;
  /** The texts of special tokens by transformers' names, such as bos_token; templates of chats use them. */
  readonly named: Readonly<Record<string, string>>;
}

export type Kind = "BPE" | "WordPiece" | "Unigram";
type Role = "bos" | "eos" | "pad" | "unk";
const specialNames = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((role) => `${role}_token`);

/** The files that are read, where they are there. */
export const fileNames = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
] as const;

export type TokenizerFiles = Readonly<Partial<Record<(typeof fileNames)[number], string | Uint8Array>>>;

/** What is there instead of tokenizer.json, and what to do. */
const convert =
  "convert it with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder), which writes tokenizer.json";
const advice = [
  [/^(vocab\.(json|txt)|merges\.txt)$/, `, an older form of tokenizer: ${convert}`],
  [/\.model$|^spm/, `, a vocabulary of sentencepiece: ${convert}`],
  [/^tekken\.json$|\.tiktoken$/, `, a vocabulary of another program: ${convert}`],
  [/^adapter_config\.json$/, ": this is an adapter; its tokenizer lies in the folder of the base model"],
  [
    /^config\.json$/,
    ": the model is there, but not its tokenizer; copy tokenizer.json from where it came from",
  ],
] as const;

/** @throws CheckpointError */
export function definition(folder: string, files: TokenizerFiles): Definition {
  const path = `${folder}/tokenizer.json`;
  const text = files["tokenizer.json"];
  if (text === undefined)
    throw new CheckpointError(`${folder}: no tokenizer.json${insteadOf(folder, advice)}`);
  const json = parseJsonObject(path, text);
  const configText = files["tokenizer_config.json"];
  const config =
    configText === undefined ? {} : parseJsonObject(`${folder}/tokenizer_config.json`, configText);
  const model = modelOf(path, json);
  const ids = vocabulary(path, model);
  const texts = new Map<number, string>();
  for (const [token, id] of ids) {
    const other = texts.get(id);
    if (other !== undefined)
      throw wrong(path, `two tokens have the id ${id}: ${quote(other)}, ${quote(token)}`);
    texts.set(id, token);
  }
  const added = addedTokens(path, json.added_tokens);
  for (const { text, id } of added) {
    const known = ids.get(text);
    if (known !== undefined && known !== id)
      throw wrong(path, `${quote(text)} has the id ${known} in the vocabulary and ${id} in added_tokens`);
    ids.set(text, id);
    texts.set(id, text);
  }
  const map = files["special_tokens_map.json"];
  const special = map === undefined ? {} : parseJsonObject(`${folder}/special_tokens_map.json`, map);
  const named: Record<string, string> = {};
  for (const name of specialNames) {
    const text = tokenText(`${folder}: ${name}`, config[name] ?? special[name] ?? null);
    if (text !== null) named[name] = text;
  }
  const specialToken = (role: Role): SpecialToken | null => {
    const text = named[`${role}_token`] ?? null;
    const id = text === null ? undefined : ids.get(text);
    return text === null || id === undefined ? null : { id, text };
  };
  return {
    path,
    json,
    config,
    model,
    added,
    ids,
    texts,
    named,
    special: {
      bos: specialToken("bos"),
      eos: specialToken("eos"),
      pad: specialToken("pad"),
      unk: specialToken("unk") ?? modelUnknown(model, ids, texts),
    },
  };
}

export const wrong = (path: string, problem: string): CheckpointError =>
  new CheckpointError(`${path}: ${problem}`);
export const quote = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

function modelOf(path: string, json: JsonObject): Definition["model"] {
  const { model } = json;
  if (!isJsonObject(model))
    throw wrong(
      path,
      `expected a tokenizer of Hugging Face, with the field model; got model ${quote(model)}`,
    );
  const { type = guess(model) } = model;
  if (type !== "BPE" && type !== "WordPiece" && type !== "Unigram")
    throw wrong(path, `expected model.type BPE, WordPiece or Unigram; got ${quote(type)}`);
  return { ...model, type };
}

/** Old files do not name the kind. */
const guess = (model: JsonObject): unknown =>
  Array.isArray(model.vocab)
    ? "Unigram"
    : "merges" in model
      ? "BPE"
      : "continuing_subword_prefix" in model
        ? "WordPiece"
        : undefined;

/** The largest id that is believed; published vocabularies end below 2²⁰. */
const LARGEST = 2 ** 24;
const isId = (id: unknown): id is number =>
  Number.isInteger(id) && (id as number) >= 0 && (id as number) < LARGEST;

function vocabulary(path: string, { type, vocab }: Definition["model"]): Map<string, number> {
  if (type === "Unigram") {
    if (!Array.isArray(vocab) || vocab.length === 0)
      throw wrong(path, `expected model.vocab a list of [token, score]; got ${quote(vocab)}`);
    const ids = new Map<string, number>();
    vocab.forEach((entry, id) => {
      const [token, score] = Array.isArray(entry) ? entry : [];
      if (typeof token !== "string" || typeof score !== "number")
        throw wrong(path, `expected model.vocab[${id}] to be [token, score]; got ${quote(entry)}`);
      if (ids.has(token)) throw wrong(path, `the token ${quote(token)} is in model.vocab twice`);
      ids.set(token, id);
    });
    return ids;
  }
  if (!isJsonObject(vocab))
    throw wrong(path, `expected model.vocab an object of ids by tokens; got ${quote(vocab)}`);
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!isId(id))
      throw wrong(path, `expected the id of ${quote(token)} to be an integer from 0 on; got ${quote(id)}`);
    ids.set(token, id);
  }
  if (ids.size === 0) throw wrong(path, "model.vocab is empty");
  return ids;
}

function addedTokens(path: string, list: unknown): AddedToken[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw wrong(path, `expected added_tokens a list; got ${quote(list)}`);
  const seen = new Set<unknown>();
  return list.map((entry, i) => {
    const { content, id, ...flags } = isJsonObject(entry) ? entry : ({} as JsonObject);
    if (typeof content !== "string" || content === "" || !isId(id))
      throw wrong(path, `expected added_tokens[${i}] to have a content and an id; got ${quote(entry)}`);
    for (const key of [id, content])
      if (seen.has(key)) throw wrong(path, `added_tokens has ${quote(key)} twice`);
      else seen.add(key);
    const flag = (name: string, otherwise: boolean): boolean => {
      const value = flags[name] ?? otherwise;
      if (typeof value === "boolean") return value;
      throw wrong(path, `expected added_tokens[${i}].${name} true or false; got ${quote(value)}`);
    };
    const special = flag("special", false);
    return {
      id,
      text: content,
      special,
      normalized: flag("normalized", !special),
      lstrip: flag("lstrip", false),
      rstrip: flag("rstrip", false),
      single_word: flag("single_word", false),
    };
  });
}

/** The text of a special token, which is a text or an object with its content. */
function tokenText(where: string, value: unknown): string | null {
  if (value === null || typeof value === "string") return value;
  if (isJsonObject(value) && typeof value.content === "string") return value.content;
  throw new CheckpointError(`${where}: expected the text of a token; got ${quote(value)}`);
}

function modelUnknown(
  { type, unk_token, unk_id }: Definition["model"],
  ids: ReadonlyMap<string, number>,
  texts: ReadonlyMap<number, string>,
): SpecialToken | null {
  const text = type === "Unigram" ? texts.get(unk_id as number) : unk_token;
  const id = ids.get(text as string);
  return typeof text === "string" && id !== undefined ? { id, text } : null;
}
