/** @file Token ids in place of text: for models without a tokenizer, and to compare with other programs. */

import { exists, LowrankError } from "../../../core/index.ts";
import type { PretrainedTokenizer } from "../../../nn/index.ts";
import { type LoadedBase, tokenizerOf } from "../base.ts";

/** What generating needs of a tokenizer. */
export type Decoder = Pick<PretrainedTokenizer, "decode" | "decodeStream" | "eosToken">;

/** Whether the base has a tokenizer. */
export const hasTokenizer = ({ folder }: LoadedBase): boolean => exists(`${folder}/tokenizer.json`);

/** The base's tokenizer, or, where it has none, one whose text of ids is the ids. */
export function decoderFor(loaded: LoadedBase): Decoder {
  if (hasTokenizer(loaded)) return tokenizerOf(loaded);
  return {
    eosToken: null,
    decode: (ids) => Array.from(ids).join(" "),
    decodeStream() {
      let isFirst = true;
      return {
        push(id) {
          const before = isFirst ? "" : " ";
          isFirst = false;
          return `${before}${id}`;
        },
        end: () => "",
      };
    },
  };
}

/**
 * Ids in decimals, between commas, spaces or the brackets of a JSON list.
 * @param option what messages call them
 * @throws LowrankError unless each is a token of the model
 */
export function parseIds(text: string, option: string, { model }: LoadedBase): number[] {
  const rows = model.config.vocab_size;
  const words = text
    .trim()
    .replace(/^\[|\]$/g, "")
    .split(/[\s,]+/)
    .filter((word) => word !== "");
  const wrong = words.find((word) => !/^\d{1,9}$/.test(word) || Number(word) >= rows);
  if (words.length > 0 && wrong === undefined) return words.map(Number);
  const got = wrong === undefined ? "none" : JSON.stringify(wrong);
  throw new LowrankError(
    `${option}: expected ids of tokens from 0 to ${rows - 1}, such as 1,15,9; got ${got}`,
  );
}
