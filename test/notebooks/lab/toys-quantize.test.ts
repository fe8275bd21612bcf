/** @file Quantize a block: the library's codes and errors, with a format's values or with others. */

import { quantizationError, quantize } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  COUNT,
  histogram,
  quantizeWith,
  shapes,
  typicalLargest,
  valuesOf,
  weightsOf,
} from "../../../notebooks/lab/page/toys/quantize.ts";

const blockTests = suite("quantize a block");

for (const book of ["int4", "fp4", "nf4"] as const) {
  for (const shape of shapes) {
    blockTests(`${book}, ${shape}: error, bits and numbers are those of quantize()`, () => {
      const x = weightsOf(shape);
      for (const doubleQuant of [false, true]) {
        const options = { blockSize: 64, doubleQuant };
        const library = quantize(x, { format: book, ...options });
        const here = quantizeWith(x, book, options);
        assert.equal(here.restored, library.toArray());
        assert.is(here.error, quantizationError(x, library).relative);
        assert.is(here.bits, library.bitsPerParameter);
        assert.ok(here.entropy > 0 && here.entropy <= 4);
      }
    });
  }
}

blockTests("values of one's own that are those of NF4 do what NF4 does", () => {
  const x = weightsOf("normal");
  const options = { blockSize: 128, doubleQuant: false };
  assert.equal(quantizeWith(x, valuesOf("nf4"), options).restored, quantizeWith(x, "nf4", options).restored);
});

blockTests("sixteen equal values, and none that is zero", () => {
  for (const value of [0.25, -1, 1]) {
    const { restored, scaled, entropy } = quantizeWith(weightsOf("normal"), Array(16).fill(value), {
      blockSize: 4096,
      doubleQuant: false,
    });
    assert.is(new Set(restored).size, COUNT / 4096);
    assert.ok(entropy <= 1); // equal values have one midpoint: the first and the last code are used
    assert.ok(scaled.every((s) => Math.abs(s) <= 1));
  }
});

blockTests("the histogram holds every weight", () => {
  const { scaled } = quantizeWith(weightsOf("outliers"), "nf4", { blockSize: 32, doubleQuant: false });
  assert.is(
    histogram(scaled, 80).reduce((sum, count) => sum + count, 0),
    COUNT,
  );
});

blockTests("the median of the largest of 64 normal numbers", () => {
  // P(|x| < t)^64 = ½ at t = 2.55: Φ(2.55) = 0.99461, (2 · 0.99461 − 1)^64 = 0.5001.
  assert.ok(Math.abs(typicalLargest(64) - 2.55) < 0.005);
});

blockTests.run();
