/** @file Double quantization: the mean, the codes and parts of absmax. */

import * as fc from "fast-check";
import { random } from "lowrank/core";
import { dequantizeAbsmax, quantizeAbsmax } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("double quantization");

/** Drawn from a seed, so that a failure shrinks to the shortest list and not number by number. */
const magnitudes = fc
  .tuple(fc.integer({ min: 0, max: 600 }), fc.nat())
  .map(([blocks, seed]) => random(seed).uniform(blocks, 0, 1000));

const same = (a: Float32Array, b: Float32Array) =>
  a.length === b.length && a.every((value, i) => value === b[i]);

test("the offset is the mean; there is a code per block and a float32 per 256 blocks", () => {
  const { offset, codes, absmax } = quantizeAbsmax(Float32Array.from({ length: 257 }, (_, i) => i));
  assert.is(offset, 128);
  assert.is(codes.length, 257);
  assert.equal(absmax, Float32Array.of(128, 128));
});

test("an absmax that all blocks share comes back exactly: the differences from the mean are zero", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 20 }), fc.integer({ min: 1, max: 600 }), (value, blocks) => {
      const absmax = new Float32Array(blocks).fill(value / 1024); // sums of at most 600 · 2^20/2^10 are exact
      assert.ok(same(dequantizeAbsmax(quantizeAbsmax(absmax)), absmax));
    }),
  );
});

test("a part of absmax is dequantized as in the whole", () => {
  fc.assert(
    fc.property(magnitudes, fc.nat(600), fc.nat(600), (absmax, a, b) => {
      const double = quantizeAbsmax(absmax);
      const [from, to] = [Math.min(a, b, absmax.length), Math.min(Math.max(a, b), absmax.length)];
      assert.ok(same(dequantizeAbsmax(double, from, to), dequantizeAbsmax(double).slice(from, to)));
    }),
  );
});

test("the mean of no absmax is 0, not NaN", () => {
  assert.is(quantizeAbsmax(new Float32Array(0)).offset, 0);
});

test.run();
