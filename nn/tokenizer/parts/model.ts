/** @file From words to ids, as the `model` of tokenizer.json says: the merges and the search are @huggingface/tokenizers'. */

import { BPE, Unigram, WordPiece } from "@huggingface/tokenizers";
import { ArgumentError, type JsonObject, warn } from "../../../core/index.ts";
import type { Definition } from "../definition.ts";
import { flag, quote, wrong } from "../values.ts";

/** The ids of one word. */
export type Model = (word: string) => readonly number[];

/** @throws CheckpointError on a model that is malformed or asks for something not implemented */
export function model({ path, model, vocabulary }: Definition): Model {
  switch (model.type) {
    case "BPE":
      return bpe(path, model, vocabulary);
    case "WordPiece":
      return wordPiece(path, model, vocabulary);
    case "Unigram":
      return unigram(path, model, vocabulary);
    case "WordLevel": {
      const unknown = unknownOf(path, model, vocabulary);
      return (word) => [vocabulary.get(word) ?? known(path, unknown, word)];
    }
  }
}

type Vocabulary = ReadonlyMap<string, number>;

function bpe(path: string, json: JsonObject, vocabulary: Vocabulary): Model {
  if (json.dropout)
    throw wrong(path, `model.dropout ${quote(json.dropout)} makes ids random; set it to null`);
  for (const name of ["continuing_subword_prefix", "end_of_word_suffix"])
    if (typeof (json[name] ?? "") !== "string")
      throw wrong(path, `expected model.${name} a text; got ${quote(json[name])}`);
  const { continuing_subword_prefix: prefix } = json;
  if (prefix) throw wrong(path, `model.continuing_subword_prefix ${quote(prefix)} of BPE is not implemented`);
  const merges = mergesOf(path, json.merges, vocabulary);
  const library = new BPE({ ...json, type: "BPE", vocab: {}, merges, byte_fallback: false } as never);
  const isWhole = flag(path, json, "ignore_merges", false);
  const { take, isLeftOut } = taker(path, json, vocabulary, flag(path, json, "fuse_unk", false));
  const idsOf = remembering((word) => {
    const id = isWhole ? vocabulary.get(word) : undefined;
    if (id !== undefined) return [id];
    const characters = Array.from(word);
    if (!characters.some(isLeftOut)) return take(library.bpe(word));
    return take(library.bpe(characters.filter((one) => !isLeftOut(one)).join(""))); // what is beside it merges
  });
  const isDivisible =
    !json.end_of_word_suffix &&
    vocabulary.has("▁") &&
    !Array.from(vocabulary.keys()).some((token) => /[^▁]▁/.test(token));
  // No token reaches over the beginning of a word, so that no merge does: a long text is as many short words.
  return (word) => (isDivisible ? word.split(/(?<=[^▁])(?=▁)/).flatMap(idsOf) : idsOf(word));
}

/** The most words that are remembered, and their most characters. */
const [MOST, LONGEST] = [20_000, 64];

/** A model that remembers the ids of words: most words of a text come again. */
function remembering(model: Model): Model {
  const memory = new Map<string, readonly number[]>();
  return (word) => {
    const known = memory.get(word);
    if (known) return known;
    const ids = model(word);
    if (memory.size >= MOST) memory.clear();
    if (word.length <= LONGEST) memory.set(word, ids);
    return ids;
  };
}

function mergesOf(path: string, merges: unknown, vocabulary: Vocabulary): [string, string][] {
  if (!Array.isArray(merges)) throw wrong(path, `expected model.merges a list; got ${quote(merges)}`);
  const lines = merges.filter((merge) => !(typeof merge === "string" && merge.startsWith("#version")));
  return lines.map((merge, i) => {
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((half) => typeof half === "string"))
      throw wrong(path, `expected model.merges[${i}] to be two tokens; got ${quote(merge)}`);
    for (const token of [...pair, pair.join("")])
      if (!vocabulary.has(token))
        throw wrong(path, `model.merges[${i}] is ${quote(merge)}, but ${quote(token)} is not in model.vocab`);
    return pair as [string, string];
  });
}

function unigram(path: string, json: JsonObject, vocabulary: Vocabulary): Model {
  const { unk_id } = json;
  if (
    unk_id !== null &&
    unk_id !== undefined &&
    !(Number.isInteger(unk_id) && (unk_id as number) >= 0 && (unk_id as number) < vocabulary.size)
  )
    throw wrong(path, `expected model.unk_id an id below ${vocabulary.size}; got ${quote(unk_id)}`);
  const library = new Unigram(json as never, undefined as never);
  const [unk_token] = (json.vocab as [string, number][])[unk_id as number] ?? [undefined];
  const { take } = taker(path, { ...json, type: "Unigram", unk_token }, vocabulary, true);
  return remembering((word) => take(library.tokenize(word)));
}

function wordPiece(path: string, json: JsonObject, vocabulary: Vocabulary): Model {
  const { continuing_subword_prefix = "##", max_input_chars_per_word = 100 } = json;
  if (typeof continuing_subword_prefix !== "string")
    throw wrong(
      path,
      `expected model.continuing_subword_prefix a text; got ${quote(continuing_subword_prefix)}`,
    );
  if (!Number.isSafeInteger(max_input_chars_per_word) || (max_input_chars_per_word as number) < 0)
    throw wrong(
      path,
      `expected model.max_input_chars_per_word a count; got ${quote(max_input_chars_per_word)}`,
    );
  const unk_token = json.unk_token ?? "[UNK]";
  const unknown = unknownOf(path, { ...json, unk_token }, vocabulary);
  const library = new WordPiece({
    ...json,
    continuing_subword_prefix,
    max_input_chars_per_word,
    unk_token,
  } as never);
  return (word) => library.encode([word]).map((piece) => vocabulary.get(piece) ?? known(path, unknown, word));
}

/** The id of the token for unknown words; undefined when there is none. */
function unknownOf(path: string, { unk_token }: JsonObject, vocabulary: Vocabulary): number | undefined {
  if (unk_token === null || unk_token === undefined) return undefined;
  if (typeof unk_token !== "string")
    throw wrong(path, `expected model.unk_token a text; got ${quote(unk_token)}`);
  return vocabulary.get(unk_token);
}

function known(path: string, unknown: number | undefined, word: string): number {
  if (unknown !== undefined) return unknown;
  throw new ArgumentError("encode", `text that ${path} has tokens for: it has none for unknown words`, {
    word,
  });
}

/**
 * Makes ids of a word's pieces. One that is not in the vocabulary becomes the tokens of its bytes (<0xE2>), where the model
 * has them, or the unknown token: one for all in a row when `fuses`. Where there is no such token either, BPE leaves it out.
 */
function taker(path: string, json: JsonObject, vocabulary: Vocabulary, fuses: boolean) {
  const unknown = unknownOf(path, json, vocabulary);
  const hasBytes = flag(path, json, "byte_fallback", false);
  const bytesOf = (piece: string): number[] | null => {
    if (!hasBytes) return null;
    const name = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    const ids = Array.from(new TextEncoder().encode(piece), (byte) => vocabulary.get(name(byte)));
    return ids.includes(undefined) ? null : (ids as number[]);
  };
  let isSaid = false;
  const isLeftOut = (one: string): boolean => {
    const suffix = (json.end_of_word_suffix as string | null | undefined) ?? "";
    if (
      unknown !== undefined ||
      vocabulary.has(one) ||
      (suffix && vocabulary.has(one + suffix)) ||
      bytesOf(one)
    )
      return false;
    if (!isSaid)
      warn(
        `encode: ${path} has no token for ${quote(one)}, nor one for unknown characters: such are left out`,
      );
    isSaid = true;
    return true;
  };
  const take = (pieces: readonly string[]): number[] => {
    const ids: number[] = [];
    let isUnknown = false;
    for (const piece of pieces) {
      const id = vocabulary.get(piece);
      const bytes = id === undefined ? bytesOf(piece) : null;
      const wasUnknown = isUnknown;
      isUnknown = id === undefined ? bytes === null : json.type === "Unigram" && id === unknown;
      if (isUnknown && wasUnknown && fuses) continue;
      if (id !== undefined) ids.push(id);
      else if (bytes) ids.push(...bytes);
      else if (json.type === "Unigram") ids.push(known(path, unknown, piece));
      else if (unknown !== undefined) ids.push(unknown);
    }
    return ids;
  };
  return { take, isLeftOut };
}
