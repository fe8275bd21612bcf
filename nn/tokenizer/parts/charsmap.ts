/** @file Sentencepiece's tables of characters and what they become, as the normalizer Precompiled holds them. */

import { wrong } from "../values.ts";

/**
 * The table is a double array: a trie in which the place of a child is its parent's, by exclusive or with the byte. A leaf
 * is the place of the new text, which ends with a zero.
 *
 * @param base64 the length of the trie in bytes, the trie, the texts
 */
export function charsmap(path: string, base64: string): (text: string) => string {
  const bytes = bytesOf(path, base64);
  const view = new DataView(bytes.buffer);
  const length = bytes.length < 4 ? -1 : view.getUint32(0, true);
  if (length < 4 || length % 4 !== 0 || 4 + length > bytes.length)
    throw wrong(
      path,
      `precompiled_charsmap is no table of characters: ${bytes.length} bytes, of the trie ${length}`,
    );
  const trie = Uint32Array.from({ length: length / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const texts = bytes.subarray(4 + length);

  /** The new text of the shortest beginning of `part` that the table has. */
  const changed = (part: string): string | null => {
    let at = offset(trie[0]);
    for (const byte of new TextEncoder().encode(part)) {
      if (byte === 0) break;
      at ^= byte;
      const unit = trie[at] ?? 0;
      if ((unit & 0x800000ff) >>> 0 !== byte) return null;
      at ^= offset(unit);
      if ((unit >>> 8) & 1) {
        const from = (trie[at] ?? 0) & 0x7fffffff;
        const end = texts.indexOf(0, from);
        return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
          texts.subarray(from, end < 0 ? undefined : end),
        );
      }
    }
    return null;
  };
  const characters = new Intl.Segmenter("en", { granularity: "grapheme" });
  return (text) => {
    let result = "";
    for (const { segment } of characters.segment(text)) {
      const whole = new TextEncoder().encode(segment).length < 6 ? changed(segment) : null;
      if (whole !== null) result += whole;
      else for (const one of segment) result += changed(one) ?? one;
    }
    return result;
  };
}

const offset = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);

function bytesOf(path: string, base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    throw wrong(path, "precompiled_charsmap is not base64");
  }
}
