/** @file The cpu device's matrix product agrees with the definition on every shape and layout. */

import fc from "fast-check";
import { array, mT, type NDArray, openDevice, scope, sizeOf, withDevice } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reference } from "../../../core/device/reference.ts";
import { numbers } from "../../support/numbers.ts";
import { extent, layout, view } from "../../support/views.ts";

const test = suite("cpu matmul");
const { matmul } = openDevice("cpu").kernels;

/** u: rounding once to float32 has a relative error of at most this. */
const UNIT = 2 ** -24;

const abs = (x: NDArray): NDArray => withDevice("reference", () => reference.unary("abs", x));

/**
 * |Y − AB| ≤ (k + 2) u |A||B| for every element: k products and k − 1 sums are rounded, whatever their order
 * (Higham 2002, §3.1), and the reference rounds once.
 */
function assertProduct(a: NDArray, b: NDArray): void {
  const actual = matmul(a, b).data;
  const expected = reference.matmul(a, b).data;
  const dense = (x: NDArray) => array(arrayOf(x), x.shape);
  const scale = reference.matmul(abs(dense(a)), abs(dense(b))).data;
  const bound = (a.shape[a.rank - 1] + 2) * UNIT;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]);
    assert.ok(error <= bound * scale[i], `element ${i}: ${actual[i]}, expected ${expected[i]}`);
  }
}

const arrayOf = (x: NDArray): Float32Array => Float32Array.from(x.data);

test("Y = A B for views of every shape and layout, batched or not", () => {
  const batch = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 });
  fc.assert(
    fc.property(...[batch, extent, extent, extent, layout, layout], (p, n, k, m, layoutOfA, layoutOfB) => {
      scope(() => assertProduct(view([...p, n, k], layoutOfA), view([...p, k, m], layoutOfB)));
    }),
    { numRuns: 200 },
  );
});

test("Y = A B for many batches of small matrices, and one side a row, a column or a single number", () => {
  const small = fc.constantFrom(1, 1, 2, 3, 5, 9);
  fc.assert(
    fc.property(
      ...[fc.array(small, { maxLength: 4 }), small, small, small, layout, layout],
      (p, n, k, m, a, b) => {
        scope(() => assertProduct(view([...p, n, k], a), view([...p, k, m], b)));
      },
    ),
    { numRuns: 400 },
  );
});

test("long inner lengths, long rows and columns, in every transposition", () => {
  const shapes = [
    ...[
      [3, 1000, 33],
      [70, 300, 50],
      [1, 257, 300],
      [300, 257, 1],
      [2, 513, 4],
      [200, 1, 200],
      [130, 128, 96],
    ],
    ...[
      [1, 1, 1],
      [257, 3, 17],
      [4, 64, 500],
      [500, 64, 4],
      [64, 600, 8],
    ],
  ];
  for (const [n, k, m] of shapes) {
    const A = array(numbers(n, n * k), [n, k]);
    const B = array(numbers(m, k * m), [k, m]);
    const At = mT(array(numbers(n, n * k), [k, n]));
    const Bt = mT(array(numbers(m, k * m), [m, k]));
    for (const a of [A, At]) for (const b of [B, Bt]) assertProduct(a, b);
  }
});

test("batches of products that are too large for one thread each", () => {
  const A = array(numbers(1, 3 * 128 * 100), [3, 128, 100]);
  const B = array(numbers(2, 3 * 100 * 120), [3, 100, 120]);
  assertProduct(A, B);
});

test("exact on small integers, whatever the order of the sums", () => {
  const integers = (n: number, k: number) =>
    array(
      numbers(n + k, n * k).map((x) => Math.round(x * 8)),
      [n, k],
    );
  for (const [n, k, m] of [
    [65, 300, 47],
    [17, 33, 16],
  ]) {
    const [A, B] = [integers(n, k), integers(k, m)];
    assert.equal(arrayOf(matmul(A, B)), arrayOf(reference.matmul(A, B)));
  }
});

test("NaN and ∞ reach the rows and columns they belong to, and no others", () => {
  for (const special of [Number.NaN, Infinity, -Infinity]) {
    const [n, k, m] = [9, 21, 19];
    const a = numbers(5, n * k).fill(1, 0, k);
    a[4 * k + 3] = special;
    const b = numbers(6, k * m);
    b[2 * m + 18] = special; // in the last, narrow strip
    const [A, B] = [array(a, [n, k]), array(b, [k, m])];
    const finite = (x: NDArray) => arrayOf(x).map((value) => (Number.isFinite(value) ? 1 : 0));
    assert.equal(finite(matmul(A, B)), finite(reference.matmul(A, B)));
  }
});

test("the operands do not change", () => {
  const [A, B] = [array(numbers(1, 600), [20, 30]), array(numbers(2, 600), [30, 20])];
  const [a, b] = [arrayOf(A), arrayOf(B)];
  matmul(A, B);
  assert.equal(arrayOf(A), a);
  assert.equal(arrayOf(B), b);
  assert.is(sizeOf(matmul(A, B).shape), 400);
});

test.run();
