/** @file Added tokens in a text: they are found before it is normalized and divided into words, or, some, after the first. */

import type { AddedToken } from "../added.ts";
import { escaped } from "./pattern.ts";

/** A part of a text: an added token, or text between such. */
export type Part = { readonly id: number } | { readonly text: string };

/** Finds tokens in a text, at each place the longest. */
export function finder(tokens: readonly AddedToken[]): (text: string) => readonly Part[] {
  const byText = new Map(tokens.filter(({ text }) => text !== "").map((token) => [token.text, token]));
  if (byText.size === 0) return (text) => (text === "" ? [] : [{ text }]);
  const longestFirst = [...byText.keys()].sort((a, b) => b.length - a.length);
  const any = new RegExp(longestFirst.map(escaped).join("|"), "gu");
  return (text) => {
    const parts: Part[] = [];
    let done = 0;
    for (const { 0: found, index } of text.matchAll(any)) {
      const { id, lstrip, rstrip, single_word } = byText.get(found) as AddedToken;
      let [from, to] = [index, index + found.length];
      if (single_word && (isWord.test(characterBefore(text, from)) || isWord.test(characterAt(text, to))))
        continue;
      while (lstrip && from > done && isSpace.test(text[from - 1])) from--;
      while (rstrip && to < text.length && isSpace.test(text[to])) to++;
      if (from > done) parts.push({ text: text.slice(done, from) });
      parts.push({ id });
      done = to;
    }
    if (done < text.length) parts.push({ text: text.slice(done) });
    return parts;
  };
}

const isWord = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const isSpace = /^\p{White_Space}$/u;
const characterAt = (text: string, at: number): string => String.fromCodePoint(text.codePointAt(at) ?? 0);
const characterBefore = (text: string, at: number): string =>
  Array.from(text.slice(Math.max(0, at - 2), at)).at(-1) ?? "";
