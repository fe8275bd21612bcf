/** @file Text as data: nothing lost in the tokenizer, windows that are what they say. */

import * as fc from "fast-check";
import { random } from "lowrank/core";
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
  assert.throws(() => windowsAt(stream, 2, [3]), /starts from 0 to 2; got start 3/);
});

text.run();
