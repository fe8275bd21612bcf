/** @file Unary and binary functions of the cpu device agree with the reference, on every shape and special value. */

import fc from "fast-check";
import {
  array,
  binaryNames,
  copy,
  type Kernels,
  openDevice,
  type Shape,
  scope,
  sizeOf,
  type UnaryName,
  unaryNames,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reference } from "../../../core/device/reference.ts";
import { numbers } from "../../support/numbers.ts";
import { layout, packed, view } from "../../support/views.ts";

const test = suite("cpu elementwise");
const cpu = openDevice("cpu").kernels as Kernels;

const EPSILON = 2 ** -23;
const TINY = 2 ** -126;

/** Functions that are sums of terms which may cancel: their error is relative to the terms, which are of size 1. */
const sums: ReadonlySet<UnaryName> = new Set([
  ...(["gelu", "geluGrad", "geluTanh", "geluTanhGrad", "silu", "siluGrad"] as const),
]);

/** Both NaN, or equal, or within 4 ε of the value (of the terms, for sums) and a denormal. */
function close(actual: number, expected: number, terms: number): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(actual);
  return (
    actual === expected || Math.abs(actual - expected) <= 4 * EPSILON * (Math.abs(expected) + terms) + TINY
  );
}

const specials = [
  ...[
    0,
    -0,
    Number.NaN,
    Infinity,
    -Infinity,
    1e-45,
    -1e-45,
    1e-40,
    -1e-40,
    1.17e-38,
    3.4e38,
    -3.4e38,
    1e-8,
    -1e-8,
  ],
  ...[88.72, 88.73, -87.3, -87.4, -103.9, -104, 0.5, -0.5, 1, -1, 0.625, 0.92, 16777217, -16777217],
];

for (const name of unaryNames) {
  test(`${name}: within 4 ε of the reference, special values included`, () => {
    // Every float32 exponent, densely around 1.
    const spread = numbers(7, 4000).map((x, i) => x * 2 ** (i % 20) * 2 ** (i % 2 ? 0 : -10));
    const x = array(Float32Array.from([...specials, ...spread, ...numbers(8, 4000).map((v) => v * 10)]));
    const [actual, expected] = [cpu.unary(name, x).data, reference.unary(name, x).data];
    for (let i = 0; i < expected.length; i++) {
      assert.ok(
        close(actual[i], expected[i], sums.has(name) ? 1 : 0),
        `${name}(${x.data[i]}): ${actual[i]}, expected ${expected[i]}`,
      );
    }
  });
}

test("bfloat16 and float16 round exactly as the reference, NaN and ties included", () => {
  const bits = Uint32Array.from({ length: 1 << 17 }, (_, i) => (i << 15) | (i % 3 === 0 ? 0x4000 : i));
  const x = array(new Float32Array(bits.buffer));
  for (const name of ["bfloat16", "float16"] as const) {
    assert.equal([...cpu.unary(name, x).data], [...reference.unary(name, x).data]);
  }
});

test("unary functions work at every length and offset", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), layout, (n, where) => {
      scope(() => {
        const x = packed([n], where);
        assert.equal([...cpu.unary("neg", x).data], [...reference.unary("neg", x).data]);
      });
    }),
  );
});

/** Two shapes that broadcast: each axis of the result is kept or made 1 in each, and leading axes may be missing. */
const broadcasting = fc
  .array(fc.record({ length: fc.integer({ min: 1, max: 7 }), a: fc.boolean(), b: fc.boolean() }), {
    maxLength: 6,
  })
  .chain((axes) =>
    fc.record({
      shape: fc.constant(axes.map(({ length, a, b }) => (a || b ? length : 1))),
      a: fc.integer({ min: 0, max: 2 }).map((cut) =>
        trimmed(
          axes.map(({ length, a }) => (a ? length : 1)),
          cut,
        ),
      ),
      b: fc.integer({ min: 0, max: 2 }).map((cut) =>
        trimmed(
          axes.map(({ length, b }) => (b ? length : 1)),
          cut,
        ),
      ),
    }),
  );

/** Without leading ones, as far as there are, up to `cut`. */
const trimmed = (shape: Shape, cut: number): Shape =>
  cut > 0 && shape[0] === 1 ? trimmed(shape.slice(1), cut - 1) : shape;

test("binary functions are exact on every pair of shapes that broadcast", () => {
  fc.assert(
    fc.property(
      ...[broadcasting, fc.constantFrom(...binaryNames), layout, layout],
      ({ shape, a, b }, name, layoutOfA, layoutOfB) => {
        scope(() => {
          const [A, B] = [packed(a, layoutOfA), packed(b, layoutOfB)];
          const actual = [...cpu.binary(name, A, B, shape).data];
          // One correctly rounded operation, whose double rounding through float64 is harmless.
          assert.equal(actual, [...reference.binary(name, A, B, shape).data]);
        });
      },
    ),
    { numRuns: 300 },
  );
});

test("binary functions of long rows, with a number, a row and a column", () => {
  for (const [a, b] of [
    [[5000], [1]],
    [[1], [5000]],
    [[40, 130], [130]],
    [
      [40, 130],
      [40, 1],
    ],
    [
      [40, 1],
      [1, 130],
    ],
  ]) {
    const shape = a.length === 2 ? [40, 130] : [5000];
    const [A, B] = [array(numbers(3, sizeOf(a)), a), array(numbers(4, sizeOf(b)), b)];
    for (const name of binaryNames) {
      assert.equal([...cpu.binary(name, A, B, shape).data], [...reference.binary(name, A, B, shape).data]);
    }
  }
});

test("a contiguous copy of any view has the view's elements", () => {
  const shape = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 6 });
  fc.assert(
    fc.property(shape, layout, (lengths, where) => {
      // Outside the kernels' memory: plain loops.
      const expected = [...copy(view(lengths, { ...where, isInArena: false })).data];
      scope(() => assert.equal([...copy(view(lengths, { ...where, isInArena: true })).data], expected));
      assert.ok(!expected.some(Number.isNaN));
    }),
    { numRuns: 300 },
  );
});

test("binary functions treat NaN, ∞ and signed zeros as the reference", () => {
  const n = specials.length;
  const [A, B] = [array(specials, [n, 1]), array(specials, [n])];
  for (const name of binaryNames) {
    assert.equal(
      [...cpu.binary(name, A, B, [n, n]).data],
      [...reference.binary(name, A, B, [n, n]).data],
      name,
    );
  }
});

test.run();
