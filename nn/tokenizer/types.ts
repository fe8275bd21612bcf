/** @file What a tokenizer of a published model can do. */

import type { Indices } from "../../core/index.ts";
import type { Tokenizer } from "../train/text.ts";

/** A token with a meaning of its own: the beginning or end of a text, padding, an unknown piece. */
export interface SpecialToken {
  readonly id: number;
  readonly text: string;
}

/** The options of `encode`. */
export interface EncodeTextOptions {
  /** Add the special tokens that the tokenizer puts around a text, such as `<s>` before it. @default true */
  readonly addSpecialTokens?: boolean;
}

/** The options of `encodeBatch`. */
export interface EncodeBatchOptions extends EncodeTextOptions {
  /** The side on which shorter texts are filled up with padding. @default the tokenizer's own, "right" where it names none */
  readonly side?: "left" | "right";
  /** Number of tokens of every row. @default that of the longest text */
  readonly length?: number;
  /**
   * Shorten texts that are longer than `length` to it, on the right; their special tokens stay. Without it, such a text is
   * an error.
   * @default false
   */
  readonly truncate?: boolean;
}

/** Texts as rows of token ids, filled up to one length. */
export interface TokenBatch {
  /** Token ids, [texts, tokens]. */
  readonly ids: Indices;
  /** 1 where `ids` has a token of the text, 0 where it has padding, [texts, tokens]: the attention mask. */
  readonly mask: Indices;
}

/** The options of `decode`. */
export interface DecodeTextOptions {
  /** Leave out special tokens. @default true */
  readonly skipSpecialTokens?: boolean;
}

/** Turns ids into text one at a time. The pieces joined are what `decode` returns for all ids. */
export interface TextStream {
  /** The text that is certain after one more id; empty where a character is not complete yet. */
  push(id: number): string;
  /** The rest of the text. */
  end(): string;
}

/** A message of a chat: who speaks, and what is said. Templates may use further fields. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

/** The options of `applyChatTemplate`. */
export interface ChatOptions {
  /** End with the beginning of the assistant's answer, so that a model continues with it. @default false */
  readonly addGenerationPrompt?: boolean;
  /** Which template, where the tokenizer has several. @default "default" */
  readonly template?: string;
  /** Further variables of the template, such as `tools` or `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** The tokenizer of a published model, as `loadTokenizer` returns it. */
export interface PretrainedTokenizer extends Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** The kind of its vocabulary: how text is divided into tokens. */
  readonly kind: "BPE" | "WordPiece" | "Unigram" | "WordLevel";
  readonly bosToken: SpecialToken | null;
  readonly eosToken: SpecialToken | null;
  readonly padToken: SpecialToken | null;
  readonly unkToken: SpecialToken | null;
  /** The side on which `encodeBatch` fills up texts. */
  readonly paddingSide: "left" | "right";
  /** Whether the files have a chat template. */
  readonly hasChatTemplate: boolean;
  /** The id of a token, by its text in the vocabulary; null when there is none. */
  idOf(token: string): number | null;
  /** The text of an id in the vocabulary, not decoded; null when there is none. */
  tokenOf(id: number): string | null;
  /** Whether an id is one of the special tokens, which `decode` leaves out. */
  isSpecial(id: number): boolean;
  /**
   * The ids of a text. Half of a surrogate pair is encoded as U+FFFD.
   * A character that the tokenizer has no token for, nor one for unknown characters, is left out by BPE, as in transformers,
   * with a warning.
   * @throws ArgumentError when `text` is no string, or other tokenizers have no token for a part of it
   */
  encode(text: string, options?: EncodeTextOptions): Int32Array;
  /**
   * The text of ids. Bytes that are no UTF-8 become U+FFFD.
   * @throws ArgumentError when an id is not in the vocabulary
   */
  decode(ids: ArrayLike<number>, options?: DecodeTextOptions): string;
  /** Decodes ids as they come. */
  decodeStream(options?: DecodeTextOptions): TextStream;
  /**
   * The ids of several texts as one batch, with its attention mask.
   * @throws ArgumentError when a text is longer than `length`, or there are no texts
   */
  encodeBatch(texts: readonly string[], options?: EncodeBatchOptions): TokenBatch;
  /**
   * A chat as one text, by the tokenizer's chat template. The text has its special tokens: encode it with
   * `addSpecialTokens: false`.
   * @throws CheckpointError when there is no template or it is wrong; ArgumentError when it refuses the messages
   */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatOptions): string;
}
