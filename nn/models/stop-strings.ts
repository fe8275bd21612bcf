/** @file Stop strings: texts after which generation ends, found in tokens, and cut from a stream of text. */

import { ArgumentError } from "../../core/index.ts";

/** What stop strings need of a tokenizer. */
export interface TokenDecoder {
  decode(ids: ArrayLike<number>, options?: { readonly skipSpecialTokens?: boolean }): string;
}

/** The stop strings as a list. @throws ArgumentError unless they are strings, none of them empty */
export function checkStopStrings(who: string, given: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (!list.every((text) => typeof text === "string" && text !== ""))
    throw new ArgumentError(who, "stopStrings a string, or a list of strings, none of them empty", {
      stopStrings: given,
    });
  return list as readonly string[];
}

/**
 * A test whether the text that tokens add to a prompt's has one of the strings, to be asked after each token. Special
 * tokens are text, too. Only as many of the last tokens are decoded as a string that ends in the last one can have.
 */
export function stopTest(
  tokenizer: TokenDecoder,
  strings: readonly string[],
): (prompt: readonly number[], tokens: readonly number[]) => boolean {
  const bytes = Math.max(0, ...strings.map((text) => new TextEncoder().encode(text).length));
  const most = 4 * bytes + 16; // a token is a byte at least; with room for spaces that decoding cleans up
  const decode = (ids: readonly number[]): string => tokenizer.decode(ids, { skipSpecialTokens: false });
  return (prompt, tokens) => {
    if (strings.length === 0) return false;
    // Decoded after other tokens, since decoding may drop a space at the start of a text.
    const before = tokens.length < most ? prompt.slice(-CONTEXT) : [];
    const text = decode([...before, ...tokens.slice(-most)]);
    const added = text.slice(before.length > 0 ? commonLength(decode(before), text) : 0);
    return strings.some((stop) => added.includes(stop));
  };
}

/** So many tokens of the prompt are decoded with those after it. */
const CONTEXT = 8;

/** How many characters two texts have in common at their start. */
function commonLength(a: string, b: string): number {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return n;
}

/** Where the stop string that is complete first begins, of several the longest; null where there is none. */
function beforeStop(text: string, strings: readonly string[]): number | null {
  const found = strings.flatMap((stop) => {
    const start = text.indexOf(stop);
    return start < 0 ? [] : [{ start, end: start + stop.length }];
  });
  found.sort((a, b) => a.end - b.end || a.start - b.start);
  return found.length > 0 ? found[0].start : null;
}

/** A stream of text that ends before a stop string. */
export interface StopFilter {
  /** Takes the next piece, and returns what can be printed: text that may be the beginning of a stop string is held back. */
  push(text: string): string;
  /** Returns what was held back, when the text has ended without a stop string. */
  end(): string;
  /** Whether a stop string has come. All text from it on is dropped. */
  readonly stopped: boolean;
}

/**
 * Cuts a text that comes in pieces before the stop string that is complete first (of several, the longest), which may begin
 * in one piece and end in another.
 *
 * @example
 * const filter = stopFilter(["\n\n"]);
 * filter.push("a\n"); //     "a"
 * filter.push("\nb"); //     "", and filter.stopped is true
 * @throws ArgumentError unless the strings are strings, none of them empty
 */
export function stopFilter(stopStrings: string | readonly string[]): StopFilter {
  const strings = checkStopStrings("stopFilter", stopStrings);
  let held = "";
  let stopped = false;
  const release = (length: number): string => {
    const text = held.slice(0, length);
    held = held.slice(length);
    return text;
  };
  return {
    get stopped() {
      return stopped;
    },
    push(text) {
      if (stopped) return "";
      held += text;
      const cut = beforeStop(held, strings);
      if (cut !== null) {
        stopped = true;
        return release(cut);
      }
      let keep = held.length; // where the longest beginning of a stop string at the end starts
      for (const stop of strings)
        for (let n = Math.min(stop.length - 1, held.length); n > 0; n--)
          if (held.endsWith(stop.slice(0, n))) keep = Math.min(keep, held.length - n);
      return release(keep);
    },
    end() {
      return stopped ? "" : release(held.length);
    },
  };
}
