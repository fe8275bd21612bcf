/** @file Every law of the LoRA family, for every method of which it is true, on random trials. */

import * as fc from "fast-check";
import { withPrecision } from "lowrank/core";
import { laws, type Method, methods, type Trial, trial } from "lowrank/lora";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("laws of the family");

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

/**
 * Layers of a few units. Ranks stay within min(out, in), which for a convolution is that of its kernel as a matrix. In
 * dyadic trials r and α are powers of two; then α/r · B A x and W x are sums of at most 20 + 4 products of quarters and
 * sixteenths, far from 24 bits.
 */
const trials = (method: Method, values: Trial["values"]): fc.Arbitrary<Trial> =>
  fc
    .record({
      site: fc.constantFrom("linear", "conv1d", "embedding", "conv2d"),
      out: upTo(6),
      in: upTo(5),
      batch: upTo(4),
    })
    .chain(({ site, out, in: into, batch }) => {
      const most = Math.min(out, site === "conv2d" ? 4 * into : into, 4);
      const dyadic = {
        rank: fc.constantFrom(...[1, 2, 4].filter((r) => r <= most)),
        alpha: fc.constantFrom(1, 2, 4),
      };
      const real = { rank: upTo(most), alpha: fc.double({ min: 0.1, max: 8, noNaN: true }) };
      return fc.record({
        ...(values === "dyadic" ? dyadic : real),
        method: fc.constant(method),
        site: fc.constant<Trial["site"]>(site),
        out: fc.constant(out),
        in: fc.constant(into),
        batch: fc.constant(batch),
        values: fc.constant(values),
        seed: fc.nat(1_000_000),
      });
    });

for (const law of Object.values(laws)) {
  for (const method of law.methods) {
    test(`${method}: ${law.name}. ${law.equation}`, () => {
      fc.assert(
        fc.property(trials(method, law.values ?? "real"), (trial) => {
          const { holds, error, bound } = law.check(trial);
          assert.ok(holds, `${law.statement} error ${error}, bound ${bound}`);
        }),
        { numRuns: 100 },
      );
    });
  }
}

test("every method has its laws, every law its words", () => {
  for (const method of Object.keys(methods) as Method[])
    assert.ok(Object.values(laws).filter((law) => law.methods.includes(method)).length >= 12, method);
  const names = Object.values(laws).map(({ name }) => name);
  assert.is(new Set(names).size, names.length);
});

test("in double precision rounding is 2⁻⁵³, and merging errs by no more", () => {
  for (const method of laws.mergedIsAdapted.methods) {
    const { error, bound } = withPrecision("float64", () => laws.mergedIsAdapted.check({ ...trial, method }));
    assert.ok(error <= bound && bound < 1e-12, `${method}: ${error} ${bound}`);
  }
});

test.run();
