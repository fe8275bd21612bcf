/** @file What each base is, in words, for its model card. No number comes from here. */
import type { BaseName } from "../support/experiments/bases.ts";

const restaurants =
  "It puts a restaurant's facts into words in any of 54 styles: `Aromi Thai cheap river>` becomes `Aromi serves budget " +
  "Thai by the river.` A house with a style of its own is a near shift for it; questions about the sentences are, too.";
const tiny =
  "The same task as `restaurants-a`, with a quarter of the width: deliberately so small that storing its weights in four " +
  "bits costs it much, as it costs large models less.";

export const ABOUT: Readonly<Record<BaseName, string>> = {
  "restaurants-a": restaurants,
  "restaurants-b": `${restaurants} It differs from \`restaurants-a\` in its seed only.`,
  "tiny-a": tiny,
  "tiny-b": `${tiny} It differs from \`tiny-a\` in its seed only.`,
  declarations:
    "It writes TypeScript declarations, those of Node's API. It has hardly seen an English sentence, so the prose of the " +
    "comments in the same files is a far shift for it.",
  facts:
    "It knows 256 arbitrary facts by heart: `qvx?` is continued by three digits. Nothing can be inferred, so what it learns " +
    "of new facts measures how much an adapter can store.",
  english:
    "It writes sentences of American politics, learned from the State of the Union addresses since 1790. A novel is a far " +
    "shift for it.",
};
