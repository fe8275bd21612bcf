/** @file Small tokenizer.json files, made in tests. */

import { CheckpointError } from "lowrank/core";
import * as assert from "uvu/assert";

/** A vocabulary with ids in the order given. */
export const vocabulary = (tokens: readonly string[]): Record<string, number> =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));

/** A tokenizer.json with the parts given. */
export const tokenizerJson = (parts: object): string =>
  JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...parts,
  });

/** Words with spaces between them; the first is for unknown ones. */
export const wordLevel = (tokens: readonly string[], parts: object = {}): string =>
  tokenizerJson({
    pre_tokenizer: { type: "WhitespaceSplit" },
    model: { type: "WordLevel", vocab: vocabulary(tokens), unk_token: tokens[0] },
    ...parts,
  });

/** The characters of byte-level tokenizers, and some merges of theirs. */
export function byteLevel(merges: readonly [string, string][], parts: object = {}): string {
  const visible = (byte: number): boolean =>
    (byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173;
  let next = 256;
  const characters = Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(visible(byte) ? byte : next++),
  );
  return tokenizerJson({
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: vocabulary([...characters, ...merges.map((pair) => pair.join(""))]),
      merges,
    },
    ...parts,
  });
}

/** Pieces of sentencepiece with a token for each byte. */
export function byteFallback(merges: readonly [string, string][], parts: object = {}): string {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const characters = [..."▁abcdefghijklmnopqrstuvwxyz.,"];
  return tokenizerJson({
    added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      byte_fallback: true,
      fuse_unk: true,
      vocab: vocabulary([
        ...["<unk>", "<s>", "</s>"],
        ...bytes,
        ...characters,
        ...merges.map((pair) => pair.join("")),
      ]),
      merges,
    },
    ...parts,
  });
}

/** The message of the error that `action` throws, which must be of the type, and one line. */
export function refusal(type: new (...args: never[]) => Error, action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.instance(error, type, String((error as Error).stack));
    const { message } = error as Error;
    assert.not.match(message, /\n/);
    return message;
  }
  return assert.unreachable(`expected a ${type.name ?? CheckpointError.name}`) as never;
}
