/** @file The tokenizer of the bases of characters, as Hugging Face's files: line feed and printable ASCII, a token each. */
import { decode, VOCABULARY } from "../support/data/domain.ts";

/** The files of the tokenizer. A text with other characters is refused. */
export function characterFiles(contextLength: number): Record<string, string> {
  const characters = Array.from({ length: VOCABULARY }, (_, id) => decode([id]));
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "Split", pattern: { Regex: "[\\s\\S]" }, behavior: "Isolated", invert: false },
    post_processor: null,
    decoder: { type: "Fuse" },
    model: { type: "WordLevel", vocab: Object.fromEntries(characters.map((one, id) => [one, id])) },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: contextLength,
    clean_up_tokenization_spaces: false,
  };
  return {
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": `${JSON.stringify(config, null, 2)}\n`,
  };
}
