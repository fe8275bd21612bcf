/** @file Text as data: nothing lost in the tokenizer, windows that are what they say. */

import * as fc from "fast-check";
import { ArgumentError, random } from "lowrank/core";
import { byteTokenizer, evenWindows, randomWindows, windowsAt } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const text = suite("text");

text("decode undoes encode for any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (s) => {
      const wellFormed = Buffer.from(s, "utf8").toString("utf8"); // a lone surrogate has no UTF-8
      assert.is(byteTokenizer.decode(byteTokenizer.encode(s)), wellFormed);
      assert.ok(byteTokenizer.encode(s).every((id) => id >= 0 && id < byteTokenizer.vocabSize));
    }),
  );
});

text("a byte order mark, at the start or within, and every code point come back", () => {
  for (const s of ["\uFEFFabc", "\uFEFF", "a\uFEFFb", "\uFEFF\uFEFF", "\0", "\u{10FFFF}", "é\u0301🙂"])
    assert.is(byteTokenizer.decode(byteTokenizer.encode(s)), s);
  assert.is(byteTokenizer.decode(byteTokenizer.encode("a\uD800b\uDC00")), "a\uFFFDb\uFFFD"); // halves of pairs
  assert.is(byteTokenizer.decode([]), "");
});

text("ids that are no bytes are refused, not wrapped; so is what is no text", () => {
  for (const id of [-1, 256, 320, 1.5, Number.NaN, Infinity, "a", undefined, null])
    assert.throws(
      () => byteTokenizer.decode([65, id as number]),
      (e: Error) => e instanceof ArgumentError && /ids from 0 to 255; got ids\[1\]/.test(e.message),
    );
  for (const value of [5, null, undefined, ["a"]])
    assert.throws(() => byteTokenizer.encode(value as never), refusal(/a string/));
});

const refusal =
  (message: RegExp) =>
  (e: Error): boolean =>
    e instanceof ArgumentError && message.test(e.message);

text(
  "every window is a run of the stream; the same generator draws the same windows; even windows reach both ends",
  () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.nat(1000),
        fc.integer({ min: 2, max: 5 }),
        (size, seed, rows) => {
          const stream = Int32Array.from({ length: size }, (_, i) => i);
          const length = 1 + (seed % size);
          const batch = randomWindows(stream, length, rows, random(seed));
          assert.equal(batch, randomWindows(stream, length, rows, random(seed)));
          const even = evenWindows(stream, length, rows);
          for (const { data, shape } of [batch, even]) {
            assert.equal([...shape], [rows, length]);
            for (let i = 0; i < data.length; i++) if (i % length > 0) assert.is(data[i], data[i - 1] + 1);
          }
          assert.is(even.data[0], 0);
          assert.is(even.data[even.data.length - 1], size - 1);
        },
      ),
    );
  },
);

text("windows longer than the stream, or outside it, are refused", () => {
  const stream = new Int32Array(4);
  assert.throws(() => randomWindows(stream, 5, 1, random(0)), /a window of 1 to 4 tokens; got length 5/);
  assert.throws(() => evenWindows(stream, 0, 1), /a window of 1 to 4 tokens/);
  for (const start of [3, -1, 0.5, Number.NaN])
    assert.throws(() => windowsAt(stream, 2, [start]), refusal(/starts from 0 to 2; got start/));
  for (const length of [0, -1, 1.5, 5, Number.NaN])
    assert.throws(() => windowsAt(stream, length, [0]), refusal(/a window of 1 to 4 tokens/));
  for (const rows of [-1, 1.5, Number.NaN]) {
    assert.throws(() => randomWindows(stream, 2, rows, random(0)), refusal(/rows a non-negative integer/));
    assert.throws(() => evenWindows(stream, 2, rows), refusal(/rows a non-negative integer/));
  }
});

text.run();
