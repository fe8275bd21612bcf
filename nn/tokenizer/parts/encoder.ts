/** @file From text to ids, as tokenizer.json says: added tokens, normalization, words, tokens. */

import type { Definition } from "../definition.ts";
import { flag } from "../values.ts";
import { finder } from "./added-tokens.ts";
import { model } from "./model.ts";
import { normalizer } from "./normalizer.ts";
import { preTokenizer } from "./pre-tokenizer.ts";

/** Encodes a text without the special tokens around it. @throws CheckpointError on parts that are not supported */
export function encoder(definition: Definition): (text: string) => number[] {
  const { path, json, config, added } = definition;
  const normalize = normalizer(path, json.normalizer);
  const divide = preTokenizer(path, json.pre_tokenizer);
  const idsOf = model(definition);
  const splits = flag(path.replace(/\.json$/, "_config.json"), config, "split_special_tokens", false);
  const sought = splits ? added.filter(({ special }) => !special) : added;
  const inText = finder(sought.filter(({ normalized }) => !normalized));
  const inNormalized = finder(
    sought.filter(({ normalized }) => normalized).map((token) => ({ ...token, text: normalize(token.text) })),
  );
  return (text) => {
    const ids: number[] = [];
    let isFirst = true; // of the text
    for (const part of inText(text)) {
      if ("id" in part) ids.push(part.id);
      else {
        const isCut = normalize(String.fromCodePoint(part.text.codePointAt(0) as number)) === "";
        isFirst &&= !isCut; // what comes first has been left out
        for (const inner of inNormalized(normalize(part.text))) {
          if ("id" in inner) ids.push(inner.id);
          else
            for (const word of divide({ text: inner.text, isFirst }))
              for (const id of idsOf(word.text)) ids.push(id);
          isFirst = false;
        }
      }
      isFirst = false;
    }
    return ids;
  };
}
