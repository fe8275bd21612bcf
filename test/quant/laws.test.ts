import * as fc from "fast-check";
import { array, random } from "lowrank/core";
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

for (const [name, law] of Object.entries<QuantizationLaw>(quantizationLaws)) {
  for (const format of law.formats) {
    laws(`${name}, ${format}: ${law.statement}`, () => {
      const blockSize = format === "int8-rows" ? fc.constant(undefined) : fc.constantFrom(32, 64, 128);
      const doubleQuant = format === "int8-rows" ? fc.constant(false) : fc.boolean();
      fc.assert(
        fc.property(numbers, blockSize, doubleQuant, (x, blockSize, doubleQuant) =>
          assert.is(law.holds(x, { format, blockSize, doubleQuant }), true),
        ),
      );
    });
  }
}

laws("doubleQuantization, where the constants fill several blocks of 256", () => {
  const { formats, holds } = quantizationLaws.doubleQuantization;
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
      assert.is(holds(x, { format, blockSize: 32 }), true);
    }),
  );
});

laws("every format has a law", () => {
  for (const format of formats) {
    const own = Object.values<QuantizationLaw>(quantizationLaws).filter((law) =>
      law.formats.includes(format),
    );
    assert.ok(own.length >= 4, format);
  }
});

laws("the fixed point fails for the 8-bit dynamic map, as said: -1 becomes -0.993", () => {
  const x = Float32Array.of(-1, 0.503, -0.2);
  assert.not(quantizationLaws.fixedPoint.holds(x, { format: "int8" }));
  assert.is(quantize(array([-1]), { format: "int8" }).toArray()[0], Math.fround(-0.992968738079071));
});

laws.run();
