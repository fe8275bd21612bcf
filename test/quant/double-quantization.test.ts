import * as fc from "fast-check";
import { random } from "lowrank/core";
import { quantizeAbsmax, recoverAbsmax } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("double quantization");

/** Drawn from a seed, so that a failure shrinks to the shortest list and not number by number. */
const magnitudes = fc
  .tuple(fc.integer({ min: 0, max: 600 }), fc.nat())
  .map(([blocks, seed]) => random(seed).uniform(blocks, 0, 1000));

const same = (a: Float32Array, b: Float32Array) =>
  a.length === b.length && a.every((value, i) => value === b[i]);

test("the offset is the mean; there is a code per constant and a float32 per 256", () => {
  const { offset, codes, absmax } = quantizeAbsmax(Float32Array.from({ length: 257 }, (_, i) => i));
  assert.is(offset, 128);
  assert.is(codes.length, 257);
  assert.equal(absmax, Float32Array.of(128, 128));
});

test("equal constants come back exactly: their differences from the mean are zero", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 20 }), fc.integer({ min: 1, max: 600 }), (value, blocks) => {
      const absmax = new Float32Array(blocks).fill(value / 1024); // sums of at most 600 · 2^20/2^10 are exact
      assert.ok(same(recoverAbsmax(quantizeAbsmax(absmax)), absmax));
    }),
  );
});

test("a part of the constants is recovered as in the whole", () => {
  fc.assert(
    fc.property(magnitudes, fc.nat(600), fc.nat(600), (absmax, a, b) => {
      const nested = quantizeAbsmax(absmax);
      const [from, to] = [Math.min(a, b, absmax.length), Math.min(Math.max(a, b), absmax.length)];
      assert.ok(same(recoverAbsmax(nested, from, to), recoverAbsmax(nested).slice(from, to)));
    }),
  );
});

test("no constants at all are no NaN", () => {
  assert.is(quantizeAbsmax(new Float32Array(0)).offset, 0);
});

test.run();
