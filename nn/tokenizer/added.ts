/** @file The tokens that a tokenizer's files add to the vocabulary, and those that have a meaning. */

import { CheckpointError, isJsonObject, type JsonObject } from "../../core/index.ts";
import type { SpecialToken } from "./types.ts";
import { flag, isId, quote, wrong } from "./values.ts";

/** A token beside the vocabulary of the model: it is found in a text before anything else happens to the text. */
export interface AddedToken extends SpecialToken {
  readonly special: boolean;
  /** Found in the normalized text, in its normalized form. */
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Not found inside of a word. */
  readonly single_word: boolean;
}

/** The special tokens that the files name. */
export interface NamedTokens {
  /** Texts by transformers' names, such as bos_token. */
  readonly texts: Readonly<Record<string, string>>;
  /** Those and the further ones, in order, each as a text or an object with its flags. */
  readonly entries: readonly (string | JsonObject)[];
}

/** The names of special tokens in transformers. */
const names = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((role) => `${role}_token`);

/** @throws CheckpointError when one is not a token */
export function specialTokens(folder: string, fields: JsonObject): NamedTokens {
  const texts: Record<string, string> = {};
  const entries: (string | JsonObject)[] = [];
  const take = (name: string, value: unknown): void => {
    const text = isJsonObject(value) ? value.content : value;
    if (typeof text !== "string" || text === "")
      throw new CheckpointError(
        `${folder}: expected ${name} of tokenizer_config.json to be the text of a token; got ${quote(value)}`,
      );
    if (names.includes(name)) texts[name] = text;
    entries.push(value as string | JsonObject);
  };
  for (const name of names) if ((fields[name] ?? null) !== null) take(name, fields[name]);
  const { additional_special_tokens, extra_special_tokens = additional_special_tokens } = fields;
  const more = extra_special_tokens ?? [];
  if (typeof more !== "object") take("extra_special_tokens", { content: null });
  for (const token of Object.values(more as object)) take("extra_special_tokens", token);
  return { texts, entries };
}

/**
 * The added tokens: those of tokenizer.json; then, as transformers does, those of tokenizer_config.json, which change the
 * flags of the former or get ids after all others.
 *
 * @throws CheckpointError when one is malformed, or has two ids
 */
export function addedTokens(
  folder: string,
  json: JsonObject,
  config: JsonObject,
  named: NamedTokens,
  vocabulary: ReadonlyMap<string, number>,
): AddedToken[] {
  const path = `${folder}/tokenizer.json`;
  const tokens = new Map<string, AddedToken>();
  const owners = new Map(Array.from(vocabulary, ([text, id]) => [id, text]));
  let next = 0;
  for (const id of owners.keys()) next = Math.max(next, id + 1);
  const add = (token: AddedToken): void => {
    tokens.set(token.text, token);
    owners.set(token.id, token.text);
    next = Math.max(next, token.id + 1);
  };
  const list = json.added_tokens ?? [];
  if (!Array.isArray(list)) throw wrong(path, `expected added_tokens a list; got ${quote(list)}`);
  list.forEach((entry, i) => {
    const where = `added_tokens[${i}]`;
    if (!isJsonObject(entry) || !isId(entry.id))
      throw wrong(path, `expected ${where} to have a content and an id; got ${quote(entry)}`);
    const token = tokenOf(path, where, entry, entry.id);
    const [owner, known] = [owners.get(entry.id), vocabulary.get(token.text)];
    if (
      tokens.has(token.text) ||
      (owner !== undefined && owner !== token.text) ||
      (known ?? entry.id) !== entry.id
    )
      throw wrong(
        path,
        `${where} gives ${quote(token.text)} the id ${entry.id}; ${owner === undefined ? `it has ${known ?? "another"} already` : `${quote(owner)} has it already`}`,
      );
    add(token);
  });
  const configPath = `${folder}/tokenizer_config.json`;
  const idOf = (text: string): number => tokens.get(text)?.id ?? vocabulary.get(text) ?? next;
  const decoder = config.added_tokens_decoder ?? {};
  if (!isJsonObject(decoder))
    throw wrong(configPath, `expected added_tokens_decoder tokens by their ids; got ${quote(decoder)}`);
  for (const [key, entry] of Object.entries(decoder).sort(([a], [b]) => Number(a) - Number(b))) {
    const where = `added_tokens_decoder[${key}]`;
    if (!isJsonObject(entry)) throw wrong(configPath, `expected ${where} a token; got ${quote(entry)}`);
    const token = tokenOf(configPath, where, entry, 0);
    const id = idOf(token.text);
    if (String(id) !== key)
      throw wrong(configPath, `${where} is ${quote(token.text)}, which has the id ${id} by tokenizer.json`);
    add({ ...token, id });
  }
  for (const entry of named.entries) {
    const fields = isJsonObject(entry) ? { ...entry, special: true } : { content: entry, special: true };
    const text = fields.content as string;
    if (!tokens.has(text)) add(tokenOf(configPath, quote(text), fields, idOf(text)));
  }
  const isNamed = new Set(Object.values(named.texts));
  return Array.from(tokens.values(), (token) =>
    isNamed.has(token.text) ? { ...token, special: true } : token,
  );
}

function tokenOf(path: string, where: string, entry: JsonObject, id: number): AddedToken {
  const { content } = entry;
  if (typeof content !== "string" || content === "")
    throw wrong(path, `expected ${where} to have a content; got ${quote(entry)}`);
  const read = (name: string, otherwise: boolean): boolean =>
    flag(path, { ...entry, type: where }, name, otherwise);
  const special = read("special", false);
  return {
    id,
    text: content,
    special,
    normalized: read("normalized", !special),
    lstrip: read("lstrip", false),
    rstrip: read("rstrip", false),
    single_word: read("single_word", false),
  };
}
