/** @file Whether a tokenizer and a model fit together. */

import { ArgumentError } from "../../core/index.ts";
import type { Tokenizer } from "../train/text.ts";

/**
 * Checks that a model knows every id of a tokenizer. More rows in the model's table than the tokenizer has ids are
 * fine: many are padded to a round number.
 *
 * @example
 * checkVocabulary(loadTokenizer(folder), loadPretrained(folder).config);
 * @throws ArgumentError when the tokenizer has an id that the model has no embedding for
 */
export function checkVocabulary(
  { vocabSize }: Pick<Tokenizer, "vocabSize">,
  model: { readonly vocab_size: number },
): void {
  if (vocabSize > model.vocab_size)
    throw new ArgumentError(
      "checkVocabulary",
      "a tokenizer whose ids the model has embeddings for (take the tokenizer from the model's folder, or add rows with resizeTokenEmbeddings)",
      { "ids of the tokenizer": vocabSize, "rows of the model": model.vocab_size },
    );
}
