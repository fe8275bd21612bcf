/** @file The text of a prompt's continuation while its tokens come: whole characters, cut before a stop string. */

import { stopFilter } from "../../../nn/index.ts";
import type { Decoder } from "./ids.ts";

/** Why a text ended: a token that ends texts, a stop string, the asked number of tokens, the model's context. */
export type Finish = "eos" | "stop" | "length" | "context";

/** A continuation. */
export interface Continuation {
  /** The prompt as the tokenizer decodes it, without special tokens. */
  readonly prompt: string;
  /** The new tokens. */
  readonly ids: readonly number[];
  /** The new text so far. */
  readonly text: string;
  /** Takes the next token, and returns the text that is certain then. */
  push(id: number): string;
  /** Returns the rest of the text. */
  end(): string;
  /** Why it ended. @param atContext whether the context is full */
  finish(atContext: boolean): Finish;
}

/** The continuation of a prompt. The prompt is decoded first, so that the space that begins the next word is there. */
export function continuationOf(
  prompt: readonly number[],
  tokenizer: Decoder,
  stops: readonly string[],
  stopTokens: readonly number[],
): Continuation {
  const stream = tokenizer.decodeStream();
  const before = prompt.map((id) => stream.push(id)).join("");
  const filter = stops.length > 0 ? stopFilter(stops) : null;
  const ids: number[] = [];
  let text = "";
  const add = (piece: string): string => {
    text += piece;
    return piece;
  };
  const hasStop = (): boolean =>
    filter?.stopped === true ||
    stops.some((stop) => tokenizer.decode(ids.slice(-64), { skipSpecialTokens: false }).includes(stop));
  return {
    prompt: before,
    ids,
    get text() {
      return text;
    },
    push(id) {
      ids.push(id);
      const piece = stream.push(id);
      return add(filter ? filter.push(piece) : piece);
    },
    end() {
      const piece = stream.end();
      return add(filter ? filter.push(piece) + filter.end() : piece);
    },
    finish(atContext) {
      if (stopTokens.includes(ids.at(-1) as number)) return "eos";
      if (hasStop()) return "stop";
      return atContext ? "context" : "length";
    },
  };
}
