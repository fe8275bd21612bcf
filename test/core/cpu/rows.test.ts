/** @file Reductions, softmax and normalization of the cpu device agree with the reference. */

import fc from "fast-check";
import {
  addRows,
  array,
  indices,
  type Kernels,
  type NDArray,
  openDevice,
  scatterAdd,
  scope,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reference } from "../../../core/device/reference.ts";
import { numbers } from "../../support/numbers.ts";
import { extent, layout, packed } from "../../support/views.ts";

const test = suite("cpu rows");
const cpu = openDevice("cpu").kernels as Kernels;

const EPSILON = 2 ** -23;

function assertClose(actual: NDArray, expected: NDArray, tolerance: number): void {
  assert.equal(actual.shape, expected.shape);
  const [a, e] = [actual.data, expected.data];
  for (let i = 0; i < e.length; i++) {
    const isClose = Object.is(a[i], e[i]) || a[i] === e[i] || Math.abs(a[i] - e[i]) <= tolerance;
    assert.ok(isClose, `element ${i}: ${a[i]}, expected ${e[i]} within ${tolerance}`);
  }
}

test("sums within n ε Σ|x|, maxima and minima exactly, over any middle axis", () => {
  fc.assert(
    fc.property(...[fc.integer({ min: 1, max: 4 }), extent, extent, layout], (outer, n, inner, where) => {
      scope(() => {
        const x = packed([outer, n, inner], where);
        for (const width of [inner, 1]) {
          const shape = [outer, n * (inner / width), width] as const;
          const result = [outer, width];
          const run = (kernels: Kernels, name: "sum" | "max" | "min") =>
            kernels.reduce(name, x, ...shape, result);
          // |x| ≤ 1, so Σ|x| ≤ n; and the order of the sums makes far less of it than n ε.
          assertClose(run(cpu, "sum"), run(reference, "sum"), shape[1] ** 2 * EPSILON);
          assertClose(run(cpu, "max"), run(reference, "max"), 0);
          assertClose(run(cpu, "min"), run(reference, "min"), 0);
        }
      });
    }),
  );
});

test("the sum of a million ones is a million, of any row or column", () => {
  const ones = array(new Float32Array(2 ** 20).fill(1));
  assert.is(cpu.reduce("sum", ones, 1, 2 ** 20, 1, []).data[0], 2 ** 20);
  assert.equal([...cpu.reduce("sum", ones, 1, 2 ** 18, 4, [4]).data], [2 ** 18, 2 ** 18, 2 ** 18, 2 ** 18]);
});

test("sums down an axis: the error does not grow with its length", () => {
  // Up to 256 numbers one by one, or 128 sums of eight; more of them are a tree of blocks of 64.
  const bound = 130 * EPSILON;
  fc.assert(
    fc.property(
      ...[fc.integer({ min: 1, max: 40_000 }), fc.integer({ min: 2, max: 9 }), fc.nat()],
      (n, inner, seed) => {
        const x = array(
          numbers(seed, n * inner).map((v) => Math.abs(v) + 0.1),
          [n, inner],
        );
        const [actual, exact] = [cpu, reference].map((kernels) =>
          kernels.reduce("sum", x, 1, n, inner, [inner]),
        );
        exact.data.forEach((sum, i) => {
          assert.ok(
            Math.abs(actual.data[i] - sum) <= bound * sum,
            `${n} rows: ${actual.data[i]}, expected ${sum}`,
          );
        });
      },
    ),
    { numRuns: 30 },
  );
});

test("millions of equal numbers, whose rounding errors all point one way, down an axis and by row", () => {
  for (const rows of [1000, 1025, 70_000, 2_000_001]) {
    const x = array(new Float32Array(2 * rows).fill(0.1), [rows, 2]);
    const sums = [
      ...cpu.reduce("sum", x, 1, rows, 2, [2]).data,
      cpu.reduce("sum", x, 1, rows * 2, 1, []).data[0] / 2,
    ];
    for (const sum of sums)
      assert.ok(Math.abs(sum / rows / Math.fround(0.1) - 1) < 4e-6, `${rows}: ${sum / rows}`);
  }
});

test("rows of a table and places of an array that a million numbers are added to", () => {
  const n = 2 ** 20 + 1;
  const ids = indices(Int32Array.from({ length: n }, (_, i) => (i % 4 === 0 ? 1 : 0)));
  const expected = [n - Math.ceil(n / 4), Math.ceil(n / 4)].map((count) => count * Math.fround(0.1));
  const x = array(new Float32Array(n).fill(0.1));
  for (const sums of [addRows(x, ids, 2), scatterAdd(x, ids, 0, [2])]) {
    sums.data.forEach((sum, i) => {
      assert.ok(Math.abs(sum / expected[i] - 1) < EPSILON, `${sum}, expected ${expected[i]}`);
    });
  }
});

test("long sums lose no more than a few ε", () => {
  const n = 300_000;
  const x = array(numbers(1, n).map((v) => v + 1.5));
  const [actual, exact] = [cpu, reference].map((kernels) => kernels.reduce("sum", x, 1, n, 1, []).data[0]);
  assert.ok(Math.abs(actual - exact) <= 4 * EPSILON * exact, `${actual}, expected ${exact}`);
});

test("softmax, its logarithm, its causal form and its gradient, on rows of any length", () => {
  fc.assert(
    fc.property(extent, extent, layout, fc.integer({ min: 1, max: 80 }), (count, n, where, scale) => {
      scope(() => {
        const x = cpu.binary("mul", packed([count, n], where), array([scale]), [count, n]);
        // y ≤ 1 and its exponent, up to 2·80, are rounded: a few ε each. The logarithm itself reaches 2·80 + log n.
        assertClose(cpu.softmax(x, false), reference.softmax(x, false), 8 * EPSILON);
        assertClose(cpu.softmax(x, true), reference.softmax(x, true), 170 * EPSILON);
        const queries = Math.min(count, n);
        assertClose(cpu.causalSoftmax(x, queries), reference.causalSoftmax(x, queries), 8 * EPSILON);
        const y = reference.softmax(x, false);
        const dY = packed([count, n], { ...where, seed: where.seed + 1 });
        assertClose(cpu.softmaxGrad(y, dY), reference.softmaxGrad(y, dY), 8 * EPSILON);
      });
    }),
  );
});

test("softmax of rows with NaN, ∞, and nothing but −∞", () => {
  const { NaN: nan } = Number;
  const x = array(
    [1, nan, 2, 3, 4, Infinity, 1, 1, -Infinity, -Infinity, -Infinity, -Infinity, 0, -Infinity, 0, 1],
    [4, 4],
  );
  for (const log of [false, true]) assertClose(cpu.softmax(x, log), reference.softmax(x, log), 4 * EPSILON);
  assertClose(cpu.causalSoftmax(x, 4), reference.causalSoftmax(x, 4), 4 * EPSILON);
});

test("normalization and its gradient, with and without the mean", () => {
  fc.assert(
    fc.property(extent, extent, layout, fc.boolean(), (count, n, where, centre) => {
      scope(() => {
        const x = packed([count, n], where);
        const [actual, expected] = [cpu, reference].map((kernels) => kernels.normalize(x, 1e-3, centre));
        // r ≤ 1/√ε₀ = 32 magnifies the rounding of x − mean, and x̂ ≤ √n.
        assertClose(actual.xHat, expected.xHat, 64 * EPSILON * (1 + Math.sqrt(n)));
        assertClose(actual.r, expected.r, 32 * 16 * EPSILON);
        const { xHat, r } = expected;
        const dXHat = packed([count, n], { ...where, seed: where.seed + 1 });
        assertClose(
          cpu.normalizeGrad(xHat, r, dXHat, centre),
          reference.normalizeGrad(xHat, r, dXHat, centre),
          32 * 16 * EPSILON * Math.sqrt(n),
        );
      });
    }),
  );
});

test("an AdamW step changes parameter and state as the reference", () => {
  const step = {
    lr: 0.01,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0.1,
    correction1: 0.1,
    correction2: 0.001,
  };
  const [ours, theirs] = [cpu, reference].map((kernels) => {
    const [w, g, m, v] = [1, 2, 3, 4].map((seed) =>
      array(numbers(seed, 1000).map(seed === 4 ? Math.abs : (x) => x)),
    );
    for (let t = 0; t < 3; t++) kernels.adam(w, g, m, v, step);
    return { w, m, v };
  });
  for (const name of ["w", "m", "v"] as const) assertClose(ours[name], theirs[name], 16 * EPSILON);
});

test.run();
