/** @file Whether a tokenizer and a model fit together. */

import { ArgumentError } from "../../core/index.ts";
import type { Tokenizer } from "../train/text.ts";

/** What has a vocabulary: a configuration, or a model with one. */
type Sized = { readonly vocab_size: number } | { readonly config: { readonly vocab_size: number } };

/**
 * Checks that a model has an embedding for every id of a tokenizer. More rows in the model's table than the tokenizer has
 * ids are fine: many tables are padded to a round number.
 *
 * @example
 * checkVocabulary(loadTokenizer(folder), loadPretrained(folder));
 * @throws ArgumentError when the tokenizer has more ids than the model has embeddings
 */
export function checkVocabulary({ vocabSize }: Pick<Tokenizer, "vocabSize">, model: Sized): void {
  const { vocab_size } = "config" in model ? model.config : model;
  if (vocabSize > vocab_size)
    throw new ArgumentError(
      "checkVocabulary",
      "a tokenizer whose ids the model has embeddings for: that of the model's own folder (or add rows with resizeTokenEmbeddings)",
      { "ids of the tokenizer": vocabSize, "embeddings of the model": vocab_size },
    );
}
