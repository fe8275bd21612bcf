/** @file Row-wise int8 as in LLM.int8. */

import * as fc from "fast-check";
import { array } from "lowrank/core";
import { quantize } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("int8 by rows");

test("halves round to even, and each row has its own absmax", () => {
  // With absmax 127 the scale is 1.
  const q = quantize(array([127, 0.5, 1.5, 2.5, -0.5, -1.5, 254, 1, 3, 5, -1, -3], [2, 6]), {
    format: "int8-rows",
  });
  assert.equal(new Int8Array(q.packed.buffer), Int8Array.of(127, 0, 2, 2, 0, -2, 127, 0, 2, 2, 0, -2));
  assert.equal(q.absmax, Float32Array.of(127, 254));
  assert.equal(q.shape, [2, 6]);
  assert.is(q.blockSize, 6);
});

test("an element is off by at most half a step of its row", () => {
  const row = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 7, maxLength: 7 });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 9 }), (rows) => {
      const y = quantize(array(rows), { format: "int8-rows" }).toArray();
      rows.forEach((x, r) => {
        const absmax = Math.max(...x.map(Math.abs));
        // Half a step, and four roundings relative to absmax (scale, product, q/127, product); below 1e-36
        // all is zero.
        const bound = absmax * (0.5 / 127 + 4 * 2 ** -24) + 1e-36;
        assert.ok(x.every((value, c) => Math.abs(y[7 * r + c] - value) <= bound));
      });
    }),
  );
});

test("a row of zeros gives zeros; an empty matrix and a scalar are allowed", () => {
  assert.equal(
    quantize(array([0, 0, 1, 2], [2, 2]), { format: "int8-rows" }).toArray(),
    Float32Array.of(0, 0, Math.fround(64 / 127) * 2, 2),
  );
  assert.is(quantize(array([], [3, 0]), { format: "int8-rows" }).bytes, 0);
  assert.equal(quantize(array([-3], []), { format: "int8-rows" }).toArray(), Float32Array.of(-3));
});

test.run();
