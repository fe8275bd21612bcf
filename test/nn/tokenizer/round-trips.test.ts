/** @file Properties of tokenizers: texts come back from their ids, streams are what decode gives, batches are rows and masks. */

import fc from "fast-check";
import { parseTokenizer } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byteFallback, byteLevel, tokenizerJson, vocabulary, wordLevel } from "./made.ts";

const test = suite("round trips of tokenizers");

/** Any string: of UTF-16 units, halves of pairs among them; of characters; of what tokenizers trip over. */
const texts = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map((units) => String.fromCharCode(...units)),
  fc
    .array(
      fc.constantFrom(
        ...[
          "🎉",
          "👨‍👩‍👧",
          "\r\n",
          "\n",
          "\0",
          "\ufeff",
          "\ud83c",
          "\udf89",
          " ",
          "  ",
          "\t",
          "\u0085",
          "\u00a0",
          "é",
          "e\u0301",
        ],
        ...[
          "the",
          " the",
          "<s>",
          "</s>",
          "<|end|>",
          "<0xE2>",
          "▁",
          "Ġ",
          "'s",
          "123",
          "你好",
          "\ufffd",
          "a",
          ".",
        ],
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join("")),
);
/** The text with halves of surrogate pairs, which have no UTF-8, as U+FFFD. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd");

const merges: [string, string][] = [
  ["t", "h"],
  ["th", "e"],
  ["Ġ", "the"],
  ["ð", "Ł"], // the first half of an emoji
  ["č", "Ċ"],
];
const end = { id: 261, content: "<|end|>", special: true, normalized: false };
const regex =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const byteLevels = {
  "as GPT-2's": byteLevel(merges, { added_tokens: [end] }),
  "with the words of a regular expression": byteLevel(merges, {
    added_tokens: [end],
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
  }),
  "without words": byteLevel(merges, {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
  }),
};

for (const [name, json] of Object.entries(byteLevels)) {
  const tokenizer = parseTokenizer({ "tokenizer.json": json });
  test(`byte-level BPE ${name}: every text comes back`, () => {
    fc.assert(
      fc.property(texts, (text) => {
        const ids = tokenizer.encode(text);
        assert.is(tokenizer.decode(ids, { skipSpecialTokens: false }), wellFormed(text));
        for (const id of ids) assert.ok(id >= 0 && id < tokenizer.vocabSize);
      }),
      { numRuns: 150 },
    );
  });
}

test("byte-fallback BPE: every text without ▁ comes back", () => {
  const merged: [string, string][] = [
    ["t", "h"],
    ["th", "e"],
    ["▁", "the"],
  ];
  const tokenizer = parseTokenizer({ "tokenizer.json": byteFallback(merged) });
  fc.assert(
    fc.property(texts, (text) => {
      // ▁ is a space here; texts that look like tokens are these tokens.
      fc.pre(!/▁|<s>|<\/s>|<unk>|<0x/.test(text));
      assert.is(tokenizer.decode(tokenizer.encode(text)), wellFormed(text));
    }),
    { numRuns: 150 },
  );
});

const streamed = {
  "byte-level BPE": byteLevels["as GPT-2's"],
  "byte-fallback BPE": byteFallback([["t", "h"]]),
  WordPiece: wordLevel(["[UNK]", "a", "##b", ".", "'", "n't", "##'s", "word", "##.", "!"], {
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  }),
  "words with spaces": wordLevel(["[UNK]", "a", ".", "'", "n't", "'s", "n", "'re"]),
  suffixes: wordLevel(["[UNK]", "a</w>", "b", "c</w>"], { decoder: { type: "BPEDecoder", suffix: "</w>" } }),
  Metaspace: wordLevel(["[UNK]", "▁a", "▁▁", "b▁c", "▁"], {
    decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
  }),
  "a replacement after fusing": wordLevel(["[UNK]", "a", "b", "ab", "ba"], {
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Fuse" },
        { type: "Replace", pattern: { String: "ab" }, content: "-" },
        { type: "Strip", content: "-", start: 2, stop: 1 },
      ],
    },
  }),
};

for (const [name, json] of Object.entries(streamed)) {
  for (const cleans of [false, true]) {
    const config = JSON.stringify({ clean_up_tokenization_spaces: cleans });
    const tokenizer = parseTokenizer({ "tokenizer.json": json, "tokenizer_config.json": config });
    test(`a stream of ${name}${cleans ? ", cleaned up," : ""} is what decode gives, however it is cut`, () => {
      fc.assert(
        fc.property(
          fc.array(fc.nat({ max: tokenizer.vocabSize - 1 }), { maxLength: 40 }),
          fc.boolean(),
          (ids, skipSpecialTokens) => {
            const stream = tokenizer.decodeStream({ skipSpecialTokens });
            const text = ids.map((id) => stream.push(id)).join("") + stream.end();
            const whole = tokenizer.decode(ids, { skipSpecialTokens });
            assert.is(text, whole);
            // What is given out early never changes: the text of more ids begins with it.
            const early = tokenizer.decodeStream({ skipSpecialTokens });
            const begun = ids
              .slice(0, ids.length >> 1)
              .map((id) => early.push(id))
              .join("");
            assert.ok(whole.startsWith(begun), JSON.stringify([whole, begun]));
          },
        ),
        { numRuns: 150 },
      );
    });
  }
}

/** English without the spaces that word pieces leave, as transformers does it: all of a text at once. */
const cleaned = (text: string): string =>
  [" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"].reduce(
    (text, found) => text.replaceAll(found, found.trim()),
    text,
  );

test("cleaning up a text in pieces is cleaning up all of it", () => {
  const json = wordLevel([
    "[UNK]",
    "a",
    "n",
    "t",
    "'",
    "'t",
    ".",
    "!",
    "'s",
    "v",
    "ve",
    "n't",
    "'re",
    "re",
    "s",
  ]);
  const plain = parseTokenizer({ "tokenizer.json": json });
  const clean = parseTokenizer({
    "tokenizer.json": json,
    "tokenizer_config.json": '{"clean_up_tokenization_spaces": true}',
  });
  fc.assert(
    fc.property(fc.array(fc.nat({ max: plain.vocabSize - 1 }), { maxLength: 20 }), (ids) => {
      assert.is(clean.decode(ids), cleaned(plain.decode(ids)));
    }),
    { numRuns: 1000 },
  );
});

test("added tokens of any text are found, at each place the longest, and patterns of any text fit it", () => {
  const token = fc
    .oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 6 }),
      fc.string({ unit: fc.constantFrom(..."-/\\^$.*+?()[]{}|a "), minLength: 1, maxLength: 4 }),
    )
    .map(wellFormed);
  fc.assert(
    fc.property(
      fc.uniqueArray(token, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat({ max: 4 }), { maxLength: 6 }),
      (tokens, order) => {
        const added_tokens = tokens.map((content, i) => ({ id: i + 1, content, special: true }));
        const json = wordLevel(["[UNK]"], { added_tokens, pre_tokenizer: null });
        const tokenizer = parseTokenizer({ "tokenizer.json": json });
        const text = order.map((i) => tokens[i % tokens.length]).join("");
        const ids = [...tokenizer.encode(text)];
        // The same text, from the left, the longest token first; between tokens there is nothing.
        let rest = text;
        for (const id of ids) {
          const fitting = tokens.filter((one) => rest.startsWith(one)).sort((a, b) => b.length - a.length);
          if (fitting.length === 0) break; // a longer token than was put there has eaten into the next
          assert.is(tokenizer.tokenOf(id), fitting[0]);
          rest = rest.slice(fitting[0].length);
        }
        const replacing = wordLevel(["[UNK]", "found"], {
          normalizer: { type: "Replace", pattern: { String: tokens[0] }, content: "found" },
          pre_tokenizer: null,
        });
        assert.equal([...parseTokenizer({ "tokenizer.json": replacing }).encode(tokens[0])], [1]);
      },
    ),
  );
});

test("a character whose bytes are several tokens is given out with the last of them", () => {
  for (const json of [byteLevels["as GPT-2's"], byteFallback([])]) {
    const tokenizer = parseTokenizer({ "tokenizer.json": json });
    const ids = tokenizer.encode("a🎉b", { addSpecialTokens: false });
    const stream = tokenizer.decodeStream();
    const pieces = [...Array.from(ids, (id) => stream.push(id)), stream.end()].filter(
      (piece) => piece !== "",
    );
    assert.is(pieces.join(""), "a🎉b");
    assert.ok(pieces.every((piece) => !piece.includes("\ufffd")));
    assert.ok(pieces.length >= 2);
  }
});

test("a batch has each text's ids in its row, on the side asked for, and a mask of them", () => {
  const tokenizer = parseTokenizer({
    "tokenizer.json": wordLevel(["[UNK]", "[PAD]", "<s>", "</s>", "a", "b"], {
      post_processor: {
        type: "BertProcessing",
        cls: ["<s>", 2],
        sep: ["</s>", 3],
      },
    }),
    "tokenizer_config.json": '{"pad_token": "[PAD]"}',
  });
  const words = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 6 }).map((list) => list.join(" "));
  fc.assert(
    fc.property(
      fc.array(words, { minLength: 1, maxLength: 4 }),
      fc.constantFrom("left", "right"),
      fc.option(fc.integer({ min: 2, max: 9 }), { nil: undefined }),
      fc.boolean(),
      (list, side, length, addSpecialTokens) => {
        const { ids, mask } = tokenizer.encodeBatch(list, {
          side: side as "left" | "right",
          length,
          truncate: length !== undefined,
          addSpecialTokens,
        });
        const [rows, time] = ids.shape;
        assert.equal(mask.shape, ids.shape);
        assert.is(rows, list.length);
        let longest = 0;
        list.forEach((text, row) => {
          const at = row * time;
          const kept = [...ids.data.slice(at, at + time)].filter((_, i) => mask.data[at + i] === 1);
          const all = [...tokenizer.encode(text, { addSpecialTokens })];
          longest = Math.max(longest, all.length);
          if (length === undefined || all.length <= length) assert.equal(kept, all);
          else {
            assert.is(kept.length, length);
            const inner = [...tokenizer.encode(text, { addSpecialTokens: false })];
            assert.equal(
              kept,
              addSpecialTokens ? [2, ...inner.slice(0, length - 2), 3] : inner.slice(0, length),
            );
          }
          const order = [...mask.data.slice(at, at + time)].join("");
          assert.match(order, side === "left" ? /^0*1*$/ : /^1*0*$/);
          for (let i = at; i < at + time; i++) if (mask.data[i] === 0) assert.is(ids.data[i], 1);
        });
        assert.is(time, length ?? longest);
      },
    ),
  );
});

test("a table of characters of sentencepiece changes what it has, the shortest first, and nothing else", () => {
  // A double array with the single entry "é" (0xC3 0xA9) → "e": each place is the parent's, exclusive or the byte.
  const trie = new Uint32Array(1024);
  const [root, first, leaf] = [256, 512, 768];
  trie[0] = root << 10;
  trie[root ^ 0xc3] = 0xc3 | ((root ^ 0xc3 ^ first) << 10);
  trie[first ^ 0xa9] = 0xa9 | 256 | ((first ^ 0xa9 ^ leaf) << 10);
  trie[leaf] = 0x80000000 | 2; // the text that begins at 2
  const texts = new TextEncoder().encode("x\0e\0");
  const bytes = new Uint8Array(4 + trie.byteLength + texts.length);
  new DataView(bytes.buffer).setUint32(0, trie.byteLength, true);
  bytes.set(new Uint8Array(trie.buffer), 4);
  bytes.set(texts, 4 + trie.byteLength);
  const tokenizer = parseTokenizer({
    "tokenizer.json": tokenizerJson({
      normalizer: { type: "Precompiled", precompiled_charsmap: Buffer.from(bytes).toString("base64") },
      model: { type: "BPE", vocab: vocabulary(["c", "a", "f", "e", "é", "è"]), merges: [] },
    }),
  });
  assert.equal([...tokenizer.encode("caféè")], [0, 1, 2, 3, 5]);
});

test.run();
