/** @file From text to ids, as tokenizer.json says. */

import { Tokenizer } from "@huggingface/tokenizers";
import { ArgumentError } from "../../core/index.ts";
import { type Definition, quote, wrong } from "./definition.ts";

/** Encodes a text without the special tokens around it. @throws CheckpointError on parts that are not supported */
export function encoder(definition: Definition): (text: string) => number[] {
  const { path, json, model, ids } = definition;
  const own = {
    normalizer: null,
    pre_tokenizer: null,
    decoder: null,
    ...json,
    post_processor: null,
    added_tokens: json.added_tokens ?? [],
    model,
  };
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(own, {});
  } catch (error) {
    throw wrong(path, `it cannot be used: ${(error as Error).message}`);
  }
  const unknown = definition.special.unk?.id;
  return (text) =>
    tokenizer.tokenize(text).map((token) => {
      const id = ids.get(token) ?? unknown;
      if (id === undefined)
        throw new ArgumentError(
          "encode",
          `characters that ${path} has tokens for (it has no token for unknown ones)`,
          { token: quote(token) },
        );
      return id;
    });
}
