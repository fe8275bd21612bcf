/** @file The files of a tokenizer, read and checked: its parts, its vocabulary, its special tokens. */

import {
  CheckpointError,
  insteadOf,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
} from "../../core/index.ts";
import { type AddedToken, addedTokens, specialTokens } from "./added.ts";
import { checkFields } from "./fields.ts";
import { overridden } from "./overrides.ts";
import type { PretrainedTokenizer, SpecialToken } from "./types.ts";
import { isId, quote, wrong } from "./values.ts";

/** A tokenizer's files, checked. */
export interface Definition {
  /** The path of tokenizer.json, for messages. */
  readonly path: string;
  readonly json: JsonObject;
  readonly config: JsonObject;
  readonly model: JsonObject & { readonly type: Kind };
  /** Ids by the texts of the model's tokens. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
  /** Ids by the texts of tokens, those of added tokens included. */
  readonly ids: ReadonlyMap<string, number>;
  /** The other way round. */
  readonly texts: ReadonlyMap<number, string>;
  readonly special: Readonly<Record<Role, SpecialToken | null>>;
  /** The texts of special tokens by transformers' names, such as bos_token; templates of chats use them. */
  readonly named: Readonly<Record<string, string>>;
}

export type Kind = PretrainedTokenizer["kind"];
type Role = "bos" | "eos" | "pad" | "unk";

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

/** @throws CheckpointError when a file is missing or malformed */
export function definition(folder: string, files: TokenizerFiles): Definition {
  const path = `${folder}/tokenizer.json`;
  const text = files["tokenizer.json"];
  if (text === undefined)
    throw new CheckpointError(`${folder}: no tokenizer.json${insteadOf(folder, advice)}`);
  const object = (name: "tokenizer_config.json" | "special_tokens_map.json"): JsonObject =>
    files[name] === undefined ? {} : parseJsonObject(`${folder}/${name}`, files[name]);
  const config = object("tokenizer_config.json");
  // Newer configurations hold all that the map says.
  const map = "added_tokens_decoder" in config ? {} : object("special_tokens_map.json");
  const json = overridden(parseJsonObject(path, text), config);
  const model = modelOf(path, json);
  checkFields(path, { ...json, model });
  const vocabulary = vocabularyOf(path, model);
  const padding = isJsonObject(json.padding) ? { pad_token: json.padding.pad_token } : {};
  const named = specialTokens(folder, { ...padding, ...config, ...map });
  const added = addedTokens(folder, json, config, named, vocabulary);
  const ids = new Map(vocabulary);
  const texts = new Map(Array.from(vocabulary, ([token, id]) => [id, token]));
  for (const { text, id } of added) {
    ids.set(text, id);
    texts.set(id, text);
  }
  const special = (role: Role): SpecialToken | null => {
    const text = named.texts[`${role}_token`];
    return text === undefined ? null : { id: ids.get(text) as number, text };
  };
  const unknown = model.type === "Unigram" ? texts.get(model.unk_id as number) : model.unk_token;
  const unknownId = ids.get(unknown as string);
  return {
    path,
    json,
    config,
    model,
    vocabulary,
    added,
    ids,
    texts,
    named: named.texts,
    special: {
      bos: special("bos"),
      eos: special("eos"),
      pad: special("pad"),
      unk: special("unk") ?? (unknownId === undefined ? null : { id: unknownId, text: unknown as string }),
    },
  };
}

function modelOf(path: string, json: JsonObject): Definition["model"] {
  const { model } = json;
  if (!isJsonObject(model))
    throw wrong(
      path,
      `expected a tokenizer of Hugging Face, with the field model; got model ${quote(model)}`,
    );
  const { type = guess(model) } = model;
  if (type !== "BPE" && type !== "WordPiece" && type !== "Unigram" && type !== "WordLevel")
    throw wrong(path, `expected model.type BPE, WordPiece, Unigram or WordLevel; got ${quote(type)}`);
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

function vocabularyOf(path: string, { type, vocab }: Definition["model"]): Map<string, number> {
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
  const owners = new Map<number, string>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!isId(id))
      throw wrong(path, `expected the id of ${quote(token)} to be an integer from 0 on; got ${quote(id)}`);
    const other = owners.get(id);
    if (other !== undefined)
      throw wrong(path, `two tokens have the id ${id}: ${quote(other)}, ${quote(token)}`);
    ids.set(token, id);
    owners.set(id, token);
  }
  if (ids.size === 0) throw wrong(path, "model.vocab is empty");
  return ids;
}
