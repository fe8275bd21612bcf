/**
 * @file Tokenizers of every kind against the tokenizers library of Hugging Face, in Rust: the same ids for odd texts, the
 * same text for odd ids. `vectors.py` has written what it does.
 */

import { readFileSync } from "node:fs";
import { setWarnings } from "lowrank/core";
import { parseTokenizer } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("tokenizers like those of Hugging Face");

interface Vectors {
  readonly texts: readonly string[];
  readonly tokenizers: readonly {
    readonly name: string;
    readonly tokenizer: object;
    /** For each text: its ids, those without special tokens around it, and the text of the former. */
    readonly texts: readonly [ids: string, plain: string, decoded: string][];
    /** Random ids, their text, and that with special tokens. */
    readonly ids: readonly [ids: string, decoded: string, withSpecial: string][];
  }[];
}

const { texts, tokenizers }: Vectors = JSON.parse(
  readFileSync(new URL("./vectors.json", import.meta.url), "utf8"),
);
const before = setWarnings(false); // one leaves characters out, as there
test.after(() => void setWarnings(before));

for (const { name, tokenizer: json, texts: cases, ids: decoded } of tokenizers) {
  const tokenizer = parseTokenizer({ "tokenizer.json": JSON.stringify(json) }, name);
  const numbers = (ids: string): number[] => (ids === "" ? [] : ids.split(" ").map(Number));

  test(`${name}: texts have the same ids and come back the same`, () => {
    cases.forEach(([ids, plain, back], i) => {
      const text = JSON.stringify(texts[i]);
      assert.is(tokenizer.encode(texts[i]).join(" "), ids, text);
      assert.is(tokenizer.encode(texts[i], { addSpecialTokens: false }).join(" "), plain, text);
      assert.is(tokenizer.decode(numbers(ids)), back, text);
    });
  });

  test(`${name}: ids have the same text, at once and one at a time`, () => {
    for (const [ids, text, withSpecial] of decoded) {
      assert.is(tokenizer.decode(numbers(ids)), text, ids);
      assert.is(tokenizer.decode(numbers(ids), { skipSpecialTokens: false }), withSpecial, ids);
      const stream = tokenizer.decodeStream();
      const pieces = numbers(ids).map((id) => stream.push(id));
      assert.is(pieces.join("") + stream.end(), text, ids);
    }
  });
}

test.run();
