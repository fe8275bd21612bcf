/** @file Every law of quantization, for every format of which it is true, on random numbers. */

import * as fc from "fast-check";
import { array, QuantizationError, random } from "lowrank/core";
import { formats, type QuantizationLaw, quantizationLaws, quantize } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const laws = suite("laws of quantization");

/**
 * Integers over a power of two, of very different sizes from block to block, and zeros: any block is all
 * zeros or has an absmax between 2^-30 and 2^30, scaling by powers of two is exact, and midpoints are hit now
 * and then.
 */
const element = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -1000, max: 1000 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);
const stretch = fc
  .tuple(fc.array(element, { maxLength: 150, size: "max" }), fc.integer({ min: -30, max: 20 }))
  .map(([integers, exponent]) => integers.map((m) => m * 2 ** exponent));
const numbers = fc
  .array(stretch, { maxLength: 4, size: "max" })
  .map((parts) => Float32Array.from(parts.flat()));

for (const law of Object.values<QuantizationLaw>(quantizationLaws)) {
  for (const format of law.formats) {
    laws(`${format}: ${law.name}. ${law.equation}`, () => {
      const blockSize = format === "int8-rows" ? fc.constant(undefined) : fc.constantFrom(32, 64, 128);
      const doubleQuant = format === "int8-rows" ? fc.constant(false) : fc.boolean();
      fc.assert(
        fc.property(numbers, blockSize, doubleQuant, (x, blockSize, doubleQuant) => {
          const { holds, error, bound } = law.check({ x, format, blockSize, doubleQuant });
          assert.ok(holds, `${law.statement} error ${error}, bound ${bound}`);
        }),
      );
    });
  }
}

laws(
  "double quantization moves absmax by half a gap at most where absmax fills several blocks of 256",
  () => {
    const { formats, check } = quantizationLaws.doubleQuantization;
    const drawn = fc.record({
      size: fc.integer({ min: 32 * 257, max: 32 * 600 }),
      format: fc.constantFrom(...formats),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(drawn, ({ size, format, seed }) => {
        const rng = random(seed);
        const sizes = rng.uniform(600, 0, 4); // of the blocks
        const x = rng.normal(size).map((value, i) => value * sizes[Math.floor(i / 32)]);
        assert.is(check({ x, format, blockSize: 32 }).holds, true);
      }),
    );
  },
);

laws("every format has its laws, every law its words", () => {
  const all = Object.values<QuantizationLaw>(quantizationLaws);
  for (const format of formats)
    assert.ok(all.filter((law) => law.formats.includes(format)).length >= 4, format);
  assert.is(new Set(all.map(({ name }) => name)).size, all.length);
});

laws("a law refuses a format that it is not true of, and a trial without numbers", () => {
  const x = Float32Array.of(-1, 0.503, -0.2);
  const { fixedPoint } = quantizationLaws;
  const refuses = (action: () => unknown, message: string): void =>
    assert.throws(action, (error: Error) => error instanceof QuantizationError && error.message === message);
  assert.is(fixedPoint.concerns({ x }), true);
  assert.is(fixedPoint.concerns({ x, format: "int8" }), false);
  refuses(
    () => fixedPoint.check({ x, format: "int8" }),
    'quantizationLaws.fixedPoint: this law applies to nf4, fp4, int4, int8-rows; got format "int8". ' +
      "Ask quantizationLaws.fixedPoint.concerns(trial) first",
  );
  refuses(
    () => fixedPoint.check({ x: [1] as never }),
    "quantizationLaws.fixedPoint: expected x, a Float32Array, in the trial; got object",
  );
});

laws("the fixed point fails for the 8-bit dynamic map: -1 becomes -0.993", () => {
  const x = Float32Array.of(-1, 0.503, -0.2);
  assert.is(quantizationLaws.fixedPoint.holds(x, { format: "int8" }), false);
  assert.is(quantizationLaws.fixedPoint.holds(x, { format: "nf4" }), true);
  assert.is(quantize(array([-1]), { format: "int8" }).toArray()[0], Math.fround(-0.992968738079071));
});

laws.run();
