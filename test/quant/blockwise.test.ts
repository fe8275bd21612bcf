/** @file Block-wise quantization on random blocks: nearest codes, packing, ranges, and numbers at the ends of float32. */

import * as fc from "fast-check";
import { QuantizationError, random } from "lowrank/core";
import {
  type Codebook,
  dequantizeBlocks,
  dynamic8,
  dynamic8Unsigned,
  fp4,
  int4,
  nf4,
  packNibbles,
  quantizeBlocks,
  unpackNibbles,
} from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { roundingOf } from "../../quant/codes/nearest.ts";

const test = suite("block-wise quantization");

const codebooks = [nf4, fp4, int4, dynamic8, dynamic8Unsigned];
const codebook = fc.constantFrom(...codebooks);
const blockSize = fc.constantFrom(32, 64, 256);
const number = fc.float({ min: -1000, max: 1000, noNaN: true });
const numbers = fc.array(number, { maxLength: 300 }).map((x) => Float32Array.from(x));

const codesOf = ({ bits }: Codebook, packed: Uint8Array, n: number) =>
  bits === 4 ? unpackNibbles(packed, n) : packed;

/** The float32 next above x. */
function nextUp(x: number): number {
  const value = Float32Array.of(x);
  const bits = new Int32Array(value.buffer);
  if (value[0] === 0) bits[0] = 1;
  else bits[0] += value[0] > 0 ? 1 : -1;
  return value[0];
}

test("a number's code does not depend on its place in the block, odd blocks of 8 bits included", () => {
  fc.assert(
    fc.property(codebook, fc.array(number, { minLength: 1, maxLength: 70 }), (codebook, list) => {
      const x = Float32Array.from(codebook.bits === 4 && list.length % 2 === 1 ? [...list, 0] : list);
      const codes = (values: Float32Array) =>
        Array.from(codesOf(codebook, quantizeBlocks(codebook, values, x.length).packed, x.length));
      assert.equal(codes(x.toReversed()), codes(x).reverse());
    }),
  );
});

for (const each of codebooks) {
  test(`${each.name}: a number on a midpoint takes the smaller value, the next float the larger`, () => {
    const { order, midpoints } = roundingOf(each);
    for (let k = 0; k + 1 < order.length; k++) {
      const midpoint = midpoints[k];
      if (Math.abs(midpoint) > 1) continue; // Int4's unused code
      const x = Float32Array.of(1, midpoint, nextUp(midpoint), -1); // absmax 1: nothing is rounded on the way
      const codes = codesOf(each, quantizeBlocks(each, x, 64).packed, 4);
      assert.equal([codes[1], codes[2]], [order[k], order[k + 1]]);
    }
  });
}

test("the code is that of the nearest value, found by comparing with all values", () => {
  fc.assert(
    fc.property(codebook, blockSize, numbers, (codebook, blockSize, x) => {
      const { packed, absmax } = quantizeBlocks(codebook, x, blockSize);
      const codes = codesOf(codebook, packed, x.length);
      x.forEach((value, i) => {
        const s = value / absmax[Math.floor(i / blockSize)] || 0;
        const nearest = Math.min(...codebook.values.map((v) => Math.abs(v - s)));
        // s is rounded once or twice more on its way to the code: 3 · 2^-24.
        assert.ok(Math.abs(codebook.values[codes[i]] - s) <= nearest + 2e-7);
      });
    }),
  );
});

test("the earlier of two codes is in the high half of the byte; an odd count is filled up with zero's code", () => {
  const { packed } = quantizeBlocks(nf4, Float32Array.of(1, -1, 1), 64);
  assert.equal(packed, Uint8Array.of(0xf0, 0xf7));
  assert.equal(packNibbles(Uint8Array.of(15, 0, 15), 7), packed);
});

test("a whole block is multiplied by the float32 reciprocal of its absmax, a short one divided, as in bitsandbytes", () => {
  // 6.0303493/7 is not above the last midpoint of NF4, 0.8614784, but 6.0303493 · fround(1/7) is.
  const x = new Float32Array(67);
  for (const at of [0, 64]) x.set([7, 6.030349254608154], at);
  const { packed } = quantizeBlocks(nf4, x, 64);
  assert.is(packed[0], 0xff);
  assert.is(packed[32], 0xfe);
});

test("each block has its own absmax, the short last one too", () => {
  const x = Float32Array.from({ length: 100 }, (_, i) => (i < 64 ? 1 : -(i - 63)));
  const { absmax, packed } = quantizeBlocks(nf4, x, 64);
  assert.equal(absmax, Float32Array.of(1, 36));
  assert.is(packed.length, 50);
});

test("a block of zeros has absmax 0 (a short one 1e-38), and gives zeros", () => {
  for (const codebook of codebooks) {
    const x = new Float32Array(100);
    const { absmax, packed } = quantizeBlocks(codebook, x, 64);
    assert.equal(absmax, Float32Array.of(0, 1e-38));
    const y = new Float32Array(100).fill(1);
    dequantizeBlocks(codebook, packed, absmax, 64, y, 0, 100);
    assert.equal(y, x);
  }
});

test("FP4 writes -0 as code 8, its sign bit with magnitude 0", () => {
  assert.equal(quantizeBlocks(fp4, Float32Array.of(1, -0, 0, -1), 64).packed, Uint8Array.of(0x38, 0x0b));
});

test("a range of elements is dequantized as in the whole", () => {
  const long = fc.tuple(fc.nat(600), fc.nat()).map(([n, seed]) => random(seed).normal(n));
  const ranges = fc.tuple(fc.nat(600), fc.nat(600));
  fc.assert(
    fc.property(codebook, blockSize, long, ranges, (codebook, blockSize, x, [a, b]) => {
      const { packed, absmax } = quantizeBlocks(codebook, x, blockSize);
      const whole = new Float32Array(x.length);
      dequantizeBlocks(codebook, packed, absmax, blockSize, whole, 0, x.length);
      const [start, end] = [Math.min(a, b, x.length), Math.min(Math.max(a, b), x.length)];
      const part = new Float32Array(end - start);
      dequantizeBlocks(
        codebook,
        packed,
        absmax.subarray(Math.floor(start / blockSize)),
        blockSize,
        part,
        start,
        end,
      );
      assert.ok(part.every((value, i) => value === whole[start + i]));
    }),
  );
});

test("a NaN or infinity is refused, and its index named, wherever it stands", () => {
  const bad = fc.constantFrom(Number.NaN, Infinity, -Infinity);
  fc.assert(
    fc.property(codebook, blockSize, numbers, fc.nat(300), bad, (codebook, blockSize, x, at, value) => {
      const spoilt = Float32Array.of(...x, 1);
      const i = at % spoilt.length;
      spoilt[i] = value;
      assert.throws(
        () => quantizeBlocks(codebook, spoilt, blockSize),
        (error: Error) =>
          error instanceof QuantizationError && error.message.includes(`${value} at element ${i}.`),
      );
    }),
  );
});

test("magnitudes from the smallest float32 to the largest come back finite, and never larger", () => {
  for (const largest of [2 ** -149, 1e-42, 1e-38, 2e-38, 1, 2 ** 126, 3.4e38]) {
    for (const n of [64, 3]) {
      const x = new Float32Array(n).fill(largest);
      const { packed, absmax } = quantizeBlocks(nf4, x, 64);
      const y = new Float32Array(n);
      dequantizeBlocks(nf4, packed, absmax, 64, y, 0, n);
      assert.ok(
        y.every((value, i) => value >= 0 && value <= x[i]),
        `${largest}, ${n}: ${y[0]}`,
      );
      if (largest > 1e-37) assert.equal(y, x);
    }
  }
});

test("4-bit codes from 2³¹ on are found in their bytes", () => {
  const first = 2 ** 31;
  const packed = new Uint8Array(first / 2 + 32); // memory of zeros that is never touched
  const codes = Uint8Array.from({ length: 64 }, (_, i) => (5 * i + 3) % 16);
  packed.set(packNibbles(codes, 0), first / 2);
  const y = new Float32Array(61);
  dequantizeBlocks(nf4, packed, Float32Array.of(1), 64, y, first + 1, first + 62);
  assert.equal(
    y,
    Float32Array.from(codes.subarray(1, 62), (code) => nf4.values[code]),
  );
});

test.run();
