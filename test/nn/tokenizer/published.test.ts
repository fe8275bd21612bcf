/** @file Tokenizers of published models: the real one beside the checkout, word for word. */

import { readFileSync } from "node:fs";
import { exists } from "lowrank/core";
import { checkVocabulary, type Llama, loadPretrained, loadTokenizer } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("tokenizer");
const folder = "../shared/models/stories260K";

if (!exists(folder)) {
  console.log(`skipped: the tokenizer of a published model: ${folder} is not there`);
  test.skip("the tokenizer of a published model");
} else {
  const expected = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
  const tokenizer = loadTokenizer(folder);

  test("a published tokenizer: the prompt has the published ids, and back", () => {
    assert.equal([...tokenizer.encode(expected.prompt)], expected.prompt_ids);
    assert.is(tokenizer.decode(expected.prompt_ids), expected.prompt);
    assert.equal(
      [...tokenizer.encode(expected.prompt, { addSpecialTokens: false })],
      expected.prompt_ids.slice(1),
    );
  });

  test("a published tokenizer: the ids of the story are its text, at once and in a stream", () => {
    assert.is(tokenizer.decode(expected.greedy_from_bos), expected.greedy_text);
    const stream = tokenizer.decodeStream();
    const pieces = expected.greedy_from_bos.map((id: number) => stream.push(id));
    assert.ok(pieces.filter((piece: string) => piece !== "").length > 150, "the text comes piece by piece");
    assert.is(pieces.join("") + stream.end(), expected.greedy_text);
  });

  test("a published tokenizer: special tokens, padding and the model's vocabulary", () => {
    assert.equal(tokenizer.bosToken, { id: 1, text: "<s>" });
    assert.equal(tokenizer.eosToken, { id: 2, text: "</s>" });
    assert.equal(tokenizer.unkToken, { id: 0, text: "<unk>" });
    assert.is(tokenizer.padToken, null);
    assert.is(tokenizer.paddingSide, "left"); // that of transformers' LlamaTokenizer
    assert.is(tokenizer.vocabSize, 512);
    checkVocabulary(tokenizer, (loadPretrained(folder) as Llama).config);
    const { ids, mask } = tokenizer.encodeBatch(["Once", "Once upon a time"]);
    assert.equal(ids.shape, mask.shape);
    assert.equal([...mask.data.slice(0, ids.shape[1])], [0, 0, 0, 1, 1]);
    assert.equal([...ids.data.slice(ids.shape[1] - 2, ids.shape[1])], [1, 403]);
  });
}

test.run();
