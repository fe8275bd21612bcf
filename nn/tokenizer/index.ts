/** @file Tokenizers of published models, read from their tokenizer.json. */

export { loadTokenizer, parseTokenizer } from "./pretrained.ts";
export type {
  ChatMessage,
  ChatOptions,
  DecodeTextOptions,
  EncodeBatchOptions,
  EncodeTextOptions,
  PretrainedTokenizer,
  SpecialToken,
  TextStream,
  TokenBatch,
} from "./types.ts";
export { checkVocabulary } from "./vocabulary.ts";
