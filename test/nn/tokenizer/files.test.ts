/** @file Files of tokenizers: which of them counts for what, and what is wrong with one, in one sentence. */

import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArgumentError, CheckpointError, setWarnings } from "lowrank/core";
import { checkVocabulary, loadTokenizer, parseTokenizer } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byteFallback, byteLevel, refusal, tokenizerJson, vocabulary, wordLevel } from "./made.ts";

const test = suite("files of tokenizers");

const words = ["[UNK]", "<s>", "</s>", "a", "b", "Ab"];
const made = (json: string, config?: object, more: Record<string, string> = {}) =>
  parseTokenizer(
    {
      "tokenizer.json": json,
      ...(config && { "tokenizer_config.json": JSON.stringify(config) }),
      ...more,
    },
    "made",
  );
const refused = (json: string, config?: object, more?: Record<string, string>): string =>
  refusal(CheckpointError, () => made(json, config, more));

/** Runs with the files in a folder. */
function inFolder(files: Record<string, string>, action: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "lowrank-tokenizer-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// What the files say. Each of these was compared with transformers 5.18.

test("without tokenizer_config.json everything is as tokenizer.json says", () => {
  const tokenizer = made(wordLevel(words));
  assert.is(tokenizer.kind, "WordLevel");
  assert.is(tokenizer.vocabSize, 6);
  assert.equal(tokenizer.unkToken, { id: 0, text: "[UNK]" });
  assert.is(tokenizer.bosToken, null);
  assert.is(tokenizer.paddingSide, "right");
  assert.equal([...tokenizer.encode("a x b")], [3, 0, 4]);
  assert.is(tokenizer.idOf("b"), 4);
  assert.is(tokenizer.tokenOf(4), "b");
  assert.is(tokenizer.tokenOf(9), null);
});

test("special tokens are texts or objects, of tokenizer_config.json or, in older folders, special_tokens_map.json", () => {
  const object = { content: "</s>", lstrip: false, rstrip: false, normalized: true, single_word: false };
  for (const tokenizer of [
    made(wordLevel(words), { bos_token: "<s>", eos_token: object, pad_token: null }),
    made(wordLevel(words), undefined, {
      "special_tokens_map.json": JSON.stringify({ bos_token: "<s>", eos_token: object }),
    }),
  ]) {
    assert.equal(tokenizer.bosToken, { id: 1, text: "<s>" });
    assert.equal(tokenizer.eosToken, { id: 2, text: "</s>" });
    assert.is(tokenizer.padToken, null);
    assert.ok(tokenizer.isSpecial(2));
    assert.not(tokenizer.isSpecial(3));
    assert.is(tokenizer.decode([1, 3, 2]), "a");
    assert.is(tokenizer.decode([1, 3, 2], { skipSpecialTokens: false }), "<s> a </s>");
    assert.equal([...tokenizer.encode("a</s>b")], [3, 2, 4]);
  }
});

test("tokens that only tokenizer_config.json has get the ids after all others", () => {
  const tokenizer = made(wordLevel(words), {
    pad_token: "[PAD]",
    additional_special_tokens: ["<x>"],
    added_tokens_decoder: { 6: { content: "word", special: false } },
  });
  assert.equal([tokenizer.idOf("word"), tokenizer.idOf("[PAD]"), tokenizer.idOf("<x>")], [6, 7, 8]);
  assert.is(tokenizer.vocabSize, 9);
  assert.equal(tokenizer.padToken, { id: 7, text: "[PAD]" });
  assert.match(
    refused(wordLevel(words), { added_tokens_decoder: { 9: { content: "word" } } }),
    /made\/tokenizer_config\.json: added_tokens_decoder\[9\] is "word", which has the id 6 by tokenizer\.json/,
  );
});

test("an added token that has a role is special, whatever its flags say; a further one is as its flags say", () => {
  const json = wordLevel(words, {
    added_tokens: [{ id: 2, content: "</s>", special: false, normalized: true }],
  });
  assert.not(made(json).isSpecial(2));
  assert.ok(made(json, { eos_token: "</s>" }).isSpecial(2));
  const config = { eos_token: "</s>", added_tokens_decoder: { 2: { content: "</s>", special: false } } };
  assert.ok(made(json, config).isSpecial(2));
  assert.not(made(json, { additional_special_tokens: ["</s>"] }).isSpecial(2));
});

test("special tokens in a text are found, or with split_special_tokens are text", () => {
  const parts = { bos_token: "<s>", eos_token: "</s>" };
  const json = byteFallback([]);
  assert.equal([...made(json, parts).encode("</s>")], [2]);
  assert.ok(made(json, { ...parts, split_special_tokens: true }).encode("</s>").length > 1);
});

test("settings for cutting and filling up in tokenizer.json change nothing but the padding token and its side", () => {
  const tokenizer = made(
    wordLevel(words, {
      truncation: { direction: "Right", max_length: 2, strategy: "LongestFirst", stride: 0 },
      padding: { strategy: { Fixed: 12 }, direction: "Left", pad_id: 2, pad_token: "</s>" },
    }),
  );
  assert.equal([...tokenizer.encode("a b a b a")], [3, 4, 3, 4, 3]);
  assert.equal(tokenizer.padToken, { id: 2, text: "</s>" });
  assert.is(tokenizer.paddingSide, "left");
});

test("padding_side of tokenizer_config.json counts, then the class of transformers that is left-sided", () => {
  assert.is(made(wordLevel(words), { padding_side: "left" }).paddingSide, "left");
  assert.is(made(wordLevel(words), { tokenizer_class: "LlamaTokenizerFast" }).paddingSide, "left");
  assert.is(made(wordLevel(words), { tokenizer_class: "GPT2Tokenizer" }).paddingSide, "right");
  assert.match(
    refused(wordLevel(words), { padding_side: "middle" }),
    /padding_side "left" or "right"; got "middle"/,
  );
});

test("a template of special tokens gives the ids that it names, several for one name too", () => {
  const single = [{ SpecialToken: { id: "begin", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  const tokenizer = made(
    wordLevel(words, {
      post_processor: {
        type: "TemplateProcessing",
        single,
        pair: single,
        special_tokens: { begin: { id: "begin", ids: [1, 2], tokens: ["<s>", "</s>"] } },
      },
    }),
  );
  assert.equal([...tokenizer.encode("a")], [1, 2, 3]);
  assert.equal([...tokenizer.encode("a", { addSpecialTokens: false })], [3]);
});

test("add_bos_token that contradicts tokenizer.json does not count, as in transformers 5, and that is said", () => {
  const warnings: string[] = [];
  const before = setWarnings((message) => void warnings.push(message));
  try {
    const config = { bos_token: "<s>", eos_token: "</s>", add_bos_token: true, add_eos_token: false };
    assert.equal([...made(wordLevel(words), config).encode("a")], [3]);
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0],
      /made: tokenizer_config\.json has add_bos_token true, but tokenizer\.json does not add <s>/,
    );
  } finally {
    setWarnings(before);
  }
});

test("fields of BERT's and GPT-2's configurations change the parts that they are about", () => {
  const bert = wordLevel(words, {
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
  });
  assert.equal([...made(bert).encode("Ab")], [0]);
  assert.equal([...made(bert, { tokenizer_class: "BertTokenizer", do_lower_case: false }).encode("Ab")], [5]);
  const gpt2 = byteLevel([]);
  assert.is(made(gpt2).encode("a").length, 1);
  assert.is(
    made(gpt2, { tokenizer_class: "GPT2TokenizerFast", add_prefix_space: true }).encode("a").length,
    2,
  );
});

test("a model's table may be larger than the vocabulary, not smaller", () => {
  const tokenizer = made(wordLevel(words));
  checkVocabulary(tokenizer, { vocab_size: 6 });
  checkVocabulary(tokenizer, { config: { vocab_size: 64 } });
  assert.match(
    refusal(ArgumentError, () => checkVocabulary(tokenizer, { config: { vocab_size: 5 } })),
    /ids of the tokenizer 6, embeddings of the model 5/,
  );
});

// What is wrong with them.

test("no tokenizer.json: what is there instead, and what to do", () => {
  const cases: [Record<string, string>, RegExp][] = [
    [
      { "vocab.json": "{}", "merges.txt": "" },
      /no tokenizer\.json, but merges\.txt, an older form of tokenizer: convert it with transformers: AutoTokenizer/,
    ],
    [{ "vocab.txt": "" }, /but vocab\.txt, an older form.*save_pretrained/],
    [{ "tokenizer.model": "" }, /but tokenizer\.model, a vocabulary of sentencepiece: convert it/],
    [{ "spiece.model": "" }, /but spiece\.model, a vocabulary of sentencepiece/],
    [{ "tekken.json": "" }, /but tekken\.json, a vocabulary of another program/],
    [
      { "adapter_config.json": "{}" },
      /but adapter_config\.json: this is an adapter; its tokenizer lies in the folder of the base model/,
    ],
    [{ "config.json": "{}" }, /but config\.json: the model is there, but not its tokenizer/],
    [{ "readme.md": "" }, /no tokenizer\.json; the folder holds readme\.md/],
    [{}, /no tokenizer\.json; the folder is empty/],
  ];
  for (const [files, message] of cases)
    inFolder(files, (folder) => {
      const said = refusal(CheckpointError, () => loadTokenizer(folder));
      assert.match(said, message);
      assert.ok(said.startsWith(folder));
    });
  assert.match(
    refusal(CheckpointError, () => loadTokenizer("/no/such/folder")),
    /^\/no\/such\/folder: no tokenizer\.json; there is no such folder/,
  );
  for (const wrong of [undefined, "", 5, null]) refusal(ArgumentError, () => loadTokenizer(wrong as never));
});

test("a file that is too large, a folder in its place, and a folder of files load or are refused as such", () => {
  inFolder({ "tokenizer.json": "" }, (folder) => {
    truncateSync(join(folder, "tokenizer.json"), 300e6); // no bytes on the disk
    assert.match(
      refusal(CheckpointError, () => loadTokenizer(folder)),
      /tokenizer\.json: expected at most 256000000 bytes; it has 300000000/,
    );
  });
  inFolder({}, (folder) => {
    mkdirSync(join(folder, "tokenizer.json"));
    assert.match(
      refusal(CheckpointError, () => loadTokenizer(folder)),
      /cannot read .*tokenizer\.json/,
    );
  });
  inFolder({ "tokenizer.json": wordLevel(words), "tokenizer_config.json": "{}" }, (folder) => {
    assert.equal([...loadTokenizer(folder).encode("a")], [3]);
  });
});

const bpe = (model: object): string =>
  tokenizerJson({
    model: { type: "BPE", vocab: vocabulary(["a", "b", "ab"]), merges: [["a", "b"]], ...model },
  });

test("JSON that is broken or of another shape is named with its file and field", () => {
  const cases: [string, RegExp][] = [
    ["", /made\/tokenizer\.json: not JSON/],
    ["{", /made\/tokenizer\.json: not JSON/],
    ["[]", /made\/tokenizer\.json: expected an object of fields; got \[\]/],
    ["{}", /expected a tokenizer of Hugging Face, with the field model; got model undefined/],
    ['{"model": {"type": "Other", "vocab": {}}}', /expected model\.type BPE, .*; got "Other"/],
    [bpe({ vocab: [] }), /expected model\.vocab an object of ids by tokens; got \[\]/],
    [bpe({ vocab: {} }), /model\.vocab is empty/],
    [bpe({ vocab: { a: -1 } }), /expected the id of "a" to be an integer from 0 on; got -1/],
    [bpe({ vocab: { a: 1e12 } }), /expected the id of "a"/],
    [bpe({ vocab: { a: 1, b: 1 } }), /two tokens have the id 1: "a", "b"/],
    [bpe({ merges: "a b" }), /expected model\.merges a list; got "a b"/],
    [bpe({ merges: [["a"]] }), /expected model\.merges\[0\] to be two tokens; got \["a"\]/],
    [bpe({ merges: ["b a"] }), /model\.merges\[0\] is "b a", but "ba" is not in model\.vocab/],
    [bpe({ dropout: 0.1 }), /model\.dropout 0\.1 makes ids random/],
    [bpe({ continuing_subword_prefix: "##" }), /continuing_subword_prefix "##" of BPE is not implemented/],
    [bpe({ fuse_unk: 1 }), /expected fuse_unk of BPE to be true or false; got 1/],
    [bpe({ byte_fallbackx: true }), /model\.byte_fallbackx is not a field that is known here/],
    [
      tokenizerJson({ model: { type: "Unigram", vocab: [["a"]] } }),
      /expected model\.vocab\[0\] to be \[token, score\]; got \["a"\]/,
    ],
    [
      tokenizerJson({ model: { type: "Unigram", vocab: [["a", 0]], unk_id: 5 } }),
      /expected model\.unk_id an id below 1; got 5/,
    ],
    [
      tokenizerJson({
        model: {
          type: "Unigram",
          vocab: [
            ["a", 0],
            ["a", 1],
          ],
        },
      }),
      /the token "a" is in model\.vocab twice/,
    ],
    [wordLevel(words, { version: "2.0" }), /expected version 1\.0 of the format; got "2\.0"/],
    [wordLevel(words, { extra: [1] }), /tokenizer\.json: extra is not a field that is known here/],
    [wordLevel(words, { normalizer: { type: "Other" } }), /there is no normalizer "Other" here/],
    [
      wordLevel(words, { normalizer: { type: "Prepend" } }),
      /expected prepend of the normalizer Prepend to be a text; got undefined/,
    ],
    [
      wordLevel(words, { normalizer: { type: "Strip", strip_left: 1 } }),
      /expected strip_left of Strip to be true or false; got 1/,
    ],
    [
      wordLevel(words, { normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }),
      /precompiled_charsmap is no table of characters/,
    ],
    [
      wordLevel(words, { normalizer: { type: "Replace", pattern: { Regex: "(" }, content: "" } }),
      /the regular expression "\(" cannot be used/,
    ],
    [wordLevel(words, { pre_tokenizer: "Whitespace" }), /expected pre_tokenizer an object; got "Whitespace"/],
    [
      wordLevel(words, { pre_tokenizer: { type: "UnicodeScripts" } }),
      /there is no pre_tokenizer "UnicodeScripts" here/,
    ],
    [
      wordLevel(words, { pre_tokenizer: { type: "Split", pattern: { String: "a" }, behavior: "Sometimes" } }),
      /expected behavior of Split to be one of Removed, .*; got "Sometimes"/,
    ],
    [
      wordLevel(words, { pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits", x: 1 }] } }),
      /pre_tokenizer\.pretokenizers\[0\]\.x is not a field/,
    ],
    [wordLevel(words, { decoder: { type: "CTC" } }), /there is no decoder "CTC" here/],
    [
      wordLevel(words, { decoder: { type: "Strip", content: "ab", start: 1 } }),
      /content of the decoder Strip to be one character; got "ab"/,
    ],
    [wordLevel(words, { post_processor: { type: "Other" } }), /there is no post_processor "Other" here/],
    [
      wordLevel(words, { post_processor: { type: "BertProcessing", cls: ["x", 99], sep: ["</s>", 2] } }),
      /expected post_processor\.cls to be \[token, id\] of the vocabulary; got \["x",99\]/,
    ],
    [
      wordLevel(words, { post_processor: { type: "TemplateProcessing", single: [] } }),
      /post_processor\.single has no place for the text/,
    ],
    [
      wordLevel(words, {
        post_processor: { type: "TemplateProcessing", single: [{ SpecialToken: { id: "x" } }] },
      }),
      /to give ids of the vocabulary for "x"/,
    ],
    [wordLevel(words, { added_tokens: {} }), /expected added_tokens a list; got \{\}/],
    [wordLevel(words, { added_tokens: [{ id: 1 }] }), /expected added_tokens\[0\] to have a content; got/],
    [
      wordLevel(words, { added_tokens: [{ id: 3, content: "<s>" }] }),
      /added_tokens\[0\] gives "<s>" the id 3; "a" has it already/,
    ],
    [
      wordLevel(words, { added_tokens: [{ id: 9, content: "<s>" }] }),
      /added_tokens\[0\] gives "<s>" the id 9; it has 1 already/,
    ],
  ];
  for (const [json, message] of cases) assert.match(refused(json), message, json.slice(0, 300));
  const configs: [object, RegExp][] = [
    [{ bos_token: 5 }, /expected bos_token of tokenizer_config\.json to be the text of a token; got 5/],
    [{ pad_token: "" }, /expected pad_token/],
    [{ extra_special_tokens: 5 }, /expected extra_special_tokens/],
    [{ added_tokens_decoder: [] }, /expected added_tokens_decoder tokens by their ids; got \[\]/],
    [
      { split_special_tokens: "yes" },
      /made\/tokenizer_config\.json: expected split_special_tokens to be true or false; got "yes"/,
    ],
    [
      { clean_up_tokenization_spaces: 1 },
      /tokenizer_config\.json: expected clean_up_tokenization_spaces to be true or false; got 1/,
    ],
  ];
  for (const [config, message] of configs) assert.match(refused(wordLevel(words), config), message);
});

test("text that is no string, ids that are not there, options that are unknown: each is named", () => {
  const tokenizer = made(wordLevel(words));
  for (const wrong of [5, null, undefined, ["a"]])
    assert.match(
      refusal(ArgumentError, () => tokenizer.encode(wrong as never)),
      /encode: expected a string; got text/,
    );
  for (const wrong of [6, -1, 0.5, Number.NaN, "a"])
    assert.match(
      refusal(ArgumentError, () => tokenizer.decode([3, wrong as number])),
      /decode: expected ids of the vocabulary of made\/tokenizer\.json, from 0 to 5; got id/,
    );
  for (const wrong of [5, null, undefined])
    assert.match(
      refusal(ArgumentError, () => tokenizer.decode(wrong as never)),
      /decode: expected a list of ids; got ids/,
    );
  assert.match(
    refusal(ArgumentError, () => tokenizer.encode("a", { add_special_tokens: false } as never)),
    /addSpecialTokens \(there is no option add_special_tokens here\)/,
  );
  const batches: [unknown, object, RegExp][] = [
    [[], {}, /a list of one or more texts/],
    ["a", {}, /a list of one or more texts/],
    [["a", 5], {}, /expected a string; got text 5/],
    [["a b a"], { length: 2 }, /texts of at most 2 tokens \(or truncate: true\); got tokens of texts\[0\] 3/],
    [["a"], { length: 0 }, /length a positive integer; got length 0/],
    [["a"], { side: "up" }, /side "left" or "right"; got side "up"/],
    [["a"], { max_length: 5 }, /length \(there is no option max_length here\)/],
  ];
  for (const [texts, options, message] of batches)
    assert.match(
      refusal(ArgumentError, () => tokenizer.encodeBatch(texts as never, options)),
      message,
    );
  const noUnknown = tokenizerJson({
    pre_tokenizer: { type: "WhitespaceSplit" },
    model: { type: "WordLevel", vocab: { a: 0 }, unk_token: null },
  });
  assert.match(
    refusal(ArgumentError, () => made(noUnknown).encode("a x")),
    /it has none for unknown words; got word "x"/,
  );
});

test.run();
