/** @file Fuzzed files of tokenizers: each kind with every part that changes ids, and what a load must give. */

import { LowrankError } from "lowrank/core";
import { loadTokenizer, type PretrainedTokenizer } from "lowrank/nn";
import type { Files } from "./mutate.ts";
import type { Target } from "./target.ts";

const vocabulary = (tokens: readonly string[]): Record<string, number> =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));
const flags = { lstrip: false, rstrip: false, single_word: false };

/** Parts of tokenizer.json, by the name of the target. */
const parts = {
  bpe: {
    added_tokens: [
      { id: 0, content: "<unk>", special: true, normalized: false, ...flags },
      { id: 1, content: "<s>", special: true, normalized: false, ...flags },
      { id: 12, content: "word", special: false, normalized: true, ...flags, lstrip: true },
    ],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "\\p{N}|\\s+" },
      behavior: "MergedWithPrevious",
      invert: false,
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
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
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: vocabulary(["<unk>", "<s>", "<0xC3>", "<0xA9>", "▁", "a", "b", "n", "ab", "▁a", "▁ab", "1"]),
      merges: [
        ["a", "b"],
        ["▁", "a"],
        ["▁", "ab"],
      ],
    },
  },
  bytes: {
    added_tokens: [{ id: 4, content: "<|end-of/text|>", special: true, normalized: false, ...flags }],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab: vocabulary(["a", "b", "Ġ", "ab"]), merges: ["a b"] },
  },
  wordpiece: {
    added_tokens: [{ id: 2, content: "[MASK]", special: true, normalized: false, ...flags, lstrip: true }],
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", 1], cls: ["[CLS]", 0] },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 20,
      vocab: vocabulary(["[CLS]", "[SEP]", "[MASK]", "[UNK]", "a", "##b", "ab", ".", "e"]),
    },
  },
  unigram: {
    added_tokens: [{ id: 0, content: "<unk>", special: true, normalized: false, ...flags }],
    normalizer: { type: "Sequence", normalizers: [{ type: "Nmt" }, { type: "NFKC" }] },
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true },
    decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true },
    model: {
      type: "Unigram",
      unk_id: 0,
      byte_fallback: false,
      vocab: [
        ["<unk>", 0],
        ["</s>", 0],
        ["▁", -2],
        ["a", -3],
        ["b", -3.5],
        ["ab", -4],
        ["▁a", -1],
      ],
    },
  },
} as const;

const configs: Readonly<Record<keyof typeof parts, object>> = {
  bpe: {
    bos_token: "<s>",
    unk_token: { content: "<unk>", ...flags, normalized: false },
    pad_token: null,
    padding_side: "left",
    split_special_tokens: false,
    add_bos_token: true,
    chat_template: "{% for m in messages %}{{ bos_token }}{{ m.content | trim }}{% endfor %}",
    added_tokens_decoder: { 1: { content: "<s>", special: true, ...flags, normalized: false } },
  },
  bytes: {
    tokenizer_class: "GPT2Tokenizer",
    add_prefix_space: false,
    eos_token: "<|end-of/text|>",
    bos_token: "<|end-of/text|>",
  },
  wordpiece: {
    tokenizer_class: "BertTokenizer",
    do_lower_case: true,
    mask_token: "[MASK]",
    clean_up_tokenization_spaces: true,
    chat_template: [{ name: "default", template: "{{ messages[0].role }}" }],
  },
  unigram: { unk_token: "<unk>", eos_token: "</s>", pad_token: "<pad>", additional_special_tokens: ["<x>"] },
};

const texts = ["", "ab a  b", "Ab é.word 1b [MASK]", "<s>a<|end-of/text|>\n\ud83c", "ｂ▁the 🎉"];

/** A tokenizer's files, of one kind. */
export function tokenizer(kind: keyof typeof parts): Target {
  const bytes = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    normalizer: null,
    post_processor: null,
    ...parts[kind],
  };
  return {
    files: new Map([
      ["tokenizer.json", bytes(json)],
      ["tokenizer_config.json", bytes(configs[kind])],
    ]),
    load(files, folder) {
      const loaded = loadTokenizer(folder);
      return misread(loaded, files) ?? misused(loaded);
    },
  };
}

type Node = Record<string, unknown>;
const read = (files: Files, name: string): Node => JSON.parse(new TextDecoder().decode(files.get(name)));

/** What is not as the files say, by a reader of a few lines. */
function misread(tokenizer: PretrainedTokenizer, files: Files): string | null {
  const json = read(files, "tokenizer.json");
  const config = read(files, "tokenizer_config.json");
  const { vocab } = json.model as { vocab: Record<string, number> | [string, number][] };
  const entries = Array.isArray(vocab)
    ? vocab.map(([token], id) => [token, id] as const)
    : Object.entries(vocab);
  for (const [token, id] of entries) {
    if (tokenizer.idOf(token) !== id || tokenizer.tokenOf(id) !== token)
      return `${token} has the id ${tokenizer.idOf(token)}, in the file ${id}`;
  }
  for (const { id, content, special } of (json.added_tokens ?? []) as {
    id: number;
    content: string;
    special?: boolean;
  }[])
    if (tokenizer.idOf(content) !== id || (special && !tokenizer.isSpecial(id)))
      return `${content} has the id ${tokenizer.idOf(content)}, in the file ${id}`;
  for (const role of ["bos", "eos", "pad", "unk"] as const) {
    const given = config[`${role}_token`] as { content?: string } | string | null | undefined;
    const text = typeof given === "object" && given !== null ? given.content : given;
    const got = tokenizer[`${role}Token`];
    if (typeof text === "string" && got?.text !== text) return `${role} is ${got?.text}, in the file ${text}`;
  }
  if (
    config.padding_side !== undefined &&
    config.padding_side !== null &&
    tokenizer.paddingSide !== config.padding_side
  )
    return `padding on the ${tokenizer.paddingSide}, in the file ${config.padding_side}`;
  const post = json.post_processor as
    | {
        type?: string;
        single?: Node[];
        special_tokens?: Record<string, { ids: number[] }>;
        cls?: [string, number];
        sep?: [string, number];
      }
    | null
    | undefined;
  const around =
    post?.type === "TemplateProcessing"
      ? (post.single as { SpecialToken?: { id: string } }[]).flatMap(({ SpecialToken: token }) =>
          token ? (post.special_tokens?.[token.id]?.ids ?? []) : [],
        )
      : post?.type === "BertProcessing"
        ? [post.cls?.[1], post.sep?.[1]]
        : [];
  return `${tokenizer.encode("")}` === `${around}`
    ? null
    : `around a text ${tokenizer.encode("")}, in the file ${around}`;
}

/** What a tokenizer that has been taken does not do: a text has ids, these have a text, a chat is a text; or a typed error. */
function misused(tokenizer: PretrainedTokenizer): string | null {
  for (const text of texts) {
    const ids = orRefused(() => tokenizer.encode(text));
    if (ids === null) continue;
    const unknown = ids.find((id) => tokenizer.tokenOf(id) === null || id >= tokenizer.vocabSize);
    if (unknown !== undefined) return `${JSON.stringify(text)} has the id ${unknown}, which is not there`;
    const stream = tokenizer.decodeStream();
    const pieces = Array.from(ids, (id) => stream.push(id));
    if (pieces.join("") + stream.end() !== tokenizer.decode(ids))
      return `a stream of ${ids} is not what decode gives`;
  }
  orRefused(() => tokenizer.encodeBatch(texts, { length: 6, truncate: true }));
  const chat = tokenizer.hasChatTemplate
    ? orRefused(() => tokenizer.applyChatTemplate([{ role: "user", content: "a" }]))
    : null;
  return chat === null || typeof chat === "string" ? null : `a chat became ${chat}`;
}

function orRefused<T>(action: () => T): T | null {
  try {
    return action();
  } catch (error) {
    if (error instanceof LowrankError) return null;
    throw error;
  }
}
