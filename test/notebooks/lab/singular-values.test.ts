/** @file The lab's singular values are those of the library's svd, as far as squares in double precision can tell. */
import fc from "fast-check";
import { random, svd } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { singularValues } from "../../../notebooks/lab/engine/singular-values.ts";

const values = suite("the lab's singular values");

/**
 * An error of n ε σ₁² in an eigenvalue σ², from sums of up to 200 squares and as many reflections, is one of √(n ε) σ₁ in
 * a σ near zero, and far less in the larger ones.
 */
function agree(M: Float32Array, rows: number, columns: number): void {
  const [got, expected] = [singularValues(M, rows, columns), svd(M, rows, columns).S];
  assert.is(got.length, expected.length);
  const n = Math.max(rows, columns);
  for (const [i, value] of got.entries())
    assert.ok(
      Math.abs(value ** 2 - expected[i] ** 2) <= 8 * n * Number.EPSILON * expected[0] ** 2,
      `σ${i + 1}: ${value}, not ${expected[i]}`,
    );
}

values("of any matrix: wide, tall, of low rank, with zeros", () => {
  const side = fc.integer({ min: 1, max: 40 });
  const scale = fc.constantFrom(1e-12, 1, 1e9);
  fc.assert(
    fc.property(
      side,
      side,
      fc.integer({ min: 0, max: 3 }),
      fc.nat(),
      scale,
      (rows, columns, rank, seed, of) => {
        const rng = random(seed);
        const M = new Float32Array(rows * columns);
        const full = rng.normal(M.length);
        const [B, A] = [rng.normal(rows * 3), rng.normal(3 * columns)];
        for (let i = 0; i < rows; i++)
          for (let j = 0; j < columns; j++) {
            let sum = rank === 3 ? full[i * columns + j] : 0;
            for (let k = 0; k < rank; k++) sum += B[i * 3 + k] * A[k * columns + j];
            M[i * columns + j] = of * sum;
          }
        agree(M, rows, columns);
      },
    ),
    { numRuns: 60 },
  );
});

values("of a matrix with known ones: a diagonal, and zero", () => {
  assert.equal(singularValues([3, 0, 0, 0, 0, -5], 2, 3), [5, 3]);
  assert.equal(singularValues(new Float32Array(12), 3, 4), [0, 0, 0]);
  assert.equal(singularValues([-2], 1, 1), [2]);
});

values.run();
