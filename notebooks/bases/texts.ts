/**
 * @file Writes notebooks/support/data/moby-dick.txt and state-of-the-union.txt, parts of two public-domain texts, as plain
 * ASCII: npx tsx notebooks/bases/texts.ts
 */
import { writeFileSync } from "node:fs";
import { toAscii } from "../support/data/text.ts";
import { addresses, chapters, isHeld } from "./sources.ts";

/** Characters to write, at whole documents. */
const [NOVEL, SPEECHES] = [290_000, 160_000];

const write = (name: string, documents: readonly string[]): void => {
  const text = `${documents.map(toAscii).join("\n\n")}\n`;
  writeFileSync(new URL(`../support/data/${name}`, import.meta.url), text);
  console.log(`${name}: ${documents.length} documents, ${text.length} characters`);
};

/** Documents from the first on until there are so many characters. */
function upTo(documents: readonly string[], characters: number): readonly string[] {
  let total = 0;
  return documents.filter(({ length }) => (total += length) <= characters);
}

write("moby-dick.txt", upTo(chapters(), NOVEL));
// Late and early ones in turns, so that all centuries are there, however few fit.
const held = addresses().filter((_, i) => isHeld(i));
const mixed = held.map((_, i) => (i % 2 === 0 ? held[i / 2] : held[held.length - 1 - (i - 1) / 2]));
write("state-of-the-union.txt", upTo(mixed, SPEECHES));
