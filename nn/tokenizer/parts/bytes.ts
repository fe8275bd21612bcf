/** @file The characters that stand for bytes in byte-level tokenizers, as GPT-2 chose them: each of the 256 is visible. */

const isVisible = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

const characters = ((): readonly string[] => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : next++));
})();
const bytes: ReadonlyMap<string, number> = new Map(characters.map((character, byte) => [character, byte]));

/** The characters for the bytes of a text in UTF-8. */
export const charactersOfBytes = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => characters[byte]).join("");

/** The bytes that characters stand for; null when one of them stands for none. */
export function bytesOfCharacters(token: string): Uint8Array<ArrayBuffer> | null {
  const found = Array.from(token, (character) => bytes.get(character));
  return found.includes(undefined) ? null : Uint8Array.from(found as number[]);
}
