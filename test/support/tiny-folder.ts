/** @file tinyFolder: a model folder of random weights with a tokenizer of bytes, for tests of commands. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "lowrank/core";
import { GPT2, Llama, savePretrained } from "lowrank/nn";

/** What the folder holds. */
export interface TinyOptions {
  /** @default "llama" */
  readonly type?: "llama" | "gpt2";
  /** Seed of the weights. @default 0 */
  readonly seed?: number;
  /** Most tokens of an input. @default 64 */
  readonly context?: number;
  /** The width of the model. @default 16 */
  readonly width?: number;
  /** @default 2 */
  readonly layers?: number;
  /** The chat template of tokenizer_config.json. @default none */
  readonly chatTemplate?: string;
}

/** A chat template in ChatML's form, with the special tokens that the tiny tokenizer has. */
export const chatml =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const specials = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"] as const;
const VOCABULARY = 256 + specials.length;

/**
 * Makes a model folder in Hugging Face's format: config.json, model.safetensors, tokenizer.json, tokenizer_config.json.
 * Tokens are the 256 bytes, of text in UTF-8, then <s>, which begins every text, </s>, <pad>, and two for chats.
 *
 * @param path the folder to make; the caller removes it
 */
export function tinyFolder(path: string, options: TinyOptions = {}): string {
  const { type = "llama", seed = 0, context = 64, width = 16, layers = 2, chatTemplate } = options;
  mkdirSync(path, { recursive: true });
  const rng = random(seed);
  const model =
    type === "gpt2"
      ? new GPT2(
          {
            ...{ model_type: "gpt2", vocab_size: VOCABULARY, n_positions: context, n_embd: width },
            ...{ n_layer: layers, n_head: 2 },
          },
          { rng },
        )
      : new Llama(
          {
            ...{ model_type: "llama", vocab_size: VOCABULARY, max_position_embeddings: context },
            ...{ hidden_size: width, intermediate_size: 2 * width, num_hidden_layers: layers },
            ...{ num_attention_heads: 2, num_key_value_heads: 1, tie_word_embeddings: true },
          },
          { rng },
        );
  savePretrained(model, path);
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(byteLevel()));
  const names = { bos_token: "<s>", eos_token: "</s>", pad_token: "<pad>" };
  const config = { ...names, tokenizer_class: "PreTrainedTokenizerFast", model_max_length: context };
  writeFileSync(
    join(path, "tokenizer_config.json"),
    JSON.stringify({ ...config, ...(chatTemplate !== undefined && { chat_template: chatTemplate }) }),
  );
  return path;
}

/** A tokenizer.json of bytes: byte-level BPE without merges. */
function byteLevel(): object {
  const vocabulary = Array.from({ length: 256 }, (_, byte) => byteLetter(byte));
  const first = { id: "<s>", ids: [256], tokens: ["<s>"] };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specials.map((content, i) => ({
      ...{ id: 256 + i, content, single_word: false, lstrip: false, rstrip: false },
      ...{ normalized: false, special: true },
    })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [
        { SpecialToken: { id: "<s>", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 1 } },
      ],
      special_tokens: { "<s>": first },
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null },
      ...{ end_of_word_suffix: null, fuse_unk: false, byte_fallback: false },
      vocab: Object.fromEntries(vocabulary.map((letter, byte) => [letter, byte])),
      merges: [],
    },
  };
}

/** The letter that byte-level tokenizers write for a byte: itself where it can be printed, else one from 256 on. */
function byteLetter(byte: number): string {
  const isPrintable = (b: number): boolean =>
    (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  if (isPrintable(byte)) return String.fromCodePoint(byte);
  const before = Array.from({ length: byte }, (_, b) => b).filter((b) => !isPrintable(b)).length;
  return String.fromCodePoint(256 + before);
}
