/** @file Linear algebra: decompositions give back the matrix, factors are what they are called, and bad input is refused. */

import * as fc from "fast-check";
import {
  ArgumentError,
  cholesky,
  frobeniusNorm,
  inverse,
  pseudoInverse,
  qr,
  random,
  rowNorms,
  ShapeError,
  solve,
  svd,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("linalg");

interface Matrix {
  readonly values: Float64Array;
  readonly rows: number;
  readonly cols: number;
}

const matrix = (values: ArrayLike<number>, rows: number, cols: number): Matrix => {
  return { values: Float64Array.from(values), rows, cols };
};
const transpose = ({ values, rows, cols }: Matrix): Matrix => {
  return matrix(
    values.map((_, k) => values[(k % rows) * cols + Math.floor(k / rows)]),
    cols,
    rows,
  );
};
const times = (A: Matrix, B: Matrix): Matrix => {
  const entry = (i: number, j: number) => {
    let sum = 0;
    for (let k = 0; k < A.cols; k++) sum += A.values[i * A.cols + k] * B.values[k * B.cols + j];
    return sum;
  };
  const values = Array.from({ length: A.rows * B.cols }, (_, k) => entry(Math.floor(k / B.cols), k % B.cols));
  return matrix(values, A.rows, B.cols);
};
const diagonal = (entries: ArrayLike<number>): Matrix => {
  const n = entries.length;
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++) values[i * n + i] = entries[i];
  return { values, rows: n, cols: n };
};
const identity = (n: number) => diagonal(new Float64Array(n).fill(1));

/** Entries within `tolerance` of each other. Written so that a NaN fails. */
function assertClose(got: Matrix, expected: Matrix, tolerance: number, what: string): void {
  assert.equal([got.rows, got.cols], [expected.rows, expected.cols], what);
  assert.is(got.values.length, expected.values.length, what);
  for (let k = 0; k < got.values.length; k++) {
    const error = Math.abs(got.values[k] - expected.values[k]);
    if (!(error <= tolerance)) {
      assert.unreachable(
        `${what}: entry ${k} is ${got.values[k]}, expected ${expected.values[k]} ± ${tolerance}`,
      );
    }
  }
}

/**
 * Rounding, relative to the size of what is computed. A column meets at most n - 1 rotations a sweep, seldom more than
 * ten sweeps, and p reflections of QR; each adds a few ε of its length. In truth the errors partly cancel.
 */
const rounding = (rows: number, cols: number) => 50 * (rows + cols + 1) * Number.EPSILON;

const size = fc.nat(7);
/** Zero, or at least 2^-20: products of tinier numbers are rounded absolutely, not relatively. Scale is drawn apart. */
const fraction = fc.integer({ min: -(2 ** 20), max: 2 ** 20 }).map((k) => k / 2 ** 20);
const entry = fc.oneof(fraction, fc.integer({ min: -2, max: 2 }));
const entries = (length: number) => fc.array(entry, { minLength: length, maxLength: length });
const dense = (rows: number, cols: number) =>
  entries(rows * cols).map((values) => matrix(values, rows, cols));

/** Matrices of every shape and of every kind of trouble: rank too low, columns of very different length, extreme scale. */
const anyMatrix: fc.Arbitrary<Matrix> = fc
  .record({ rows: size, cols: size, rank: fc.nat(3) })
  .chain((shape) => {
    const { rows, cols, rank } = shape;
    const lowRank = fc.tuple(dense(rows, rank), dense(rank, cols)).map(([B, A]) => times(B, A));
    const graded = dense(rows, cols).map(({ values }) =>
      matrix(
        values.map((x, k) => x * 10 ** (-5 * (k % cols))),
        rows,
        cols,
      ),
    );
    const scaled = fc
      .tuple(dense(rows, cols), fc.integer({ min: -900, max: 900 }))
      .map(([{ values }, power]) =>
        matrix(
          values.map((x) => x * 2 ** power),
          rows,
          cols,
        ),
      );
    return fc.oneof(dense(rows, cols), lowRank, graded, scaled);
  });

/** A matrix with orthonormal columns, rows ≥ cols, from a seed. */
const orthonormal = (seed: number, rows: number, cols: number) =>
  matrix(qr(random(seed).normal(rows * cols), rows, cols).Q, rows, cols);

function decomposed({ values, rows, cols }: Matrix) {
  const { U, S, V } = svd(values, rows, cols);
  const p = Math.min(rows, cols);
  return { U: matrix(U, rows, p), S, V: matrix(V, cols, p), p };
}

/** Divides everything by the power of two nearest to the largest entry, exactly, so that the tests' own sums are safe. */
function normalized(M: Matrix): { M: Matrix; scale: number } {
  const largest = M.values.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  const scale = largest === 0 ? 1 : 2 ** Math.round(Math.log2(largest));
  return {
    M: matrix(
      M.values.map((x) => x / scale),
      M.rows,
      M.cols,
    ),
    scale,
  };
}

// --- Singular values

test("U diag(S) Vᵀ = M", () => {
  fc.assert(
    fc.property(anyMatrix, (given) => {
      const { U, S, V } = decomposed(given);
      const { M, scale } = normalized(given);
      const scaledS = S.map((value) => value / scale);
      const tolerance = rounding(M.rows, M.cols) * frobeniusNorm(M.values);
      assertClose(times(times(U, diagonal(scaledS)), transpose(V)), M, tolerance, "U S Vᵀ");
    }),
    { numRuns: 500 },
  );
});

test("UᵀU = 1 and VᵀV = 1, whatever the rank", () => {
  fc.assert(
    fc.property(anyMatrix, (M) => {
      const { U, V, p } = decomposed(M);
      const tolerance = rounding(M.rows, M.cols);
      assertClose(times(transpose(U), U), identity(p), tolerance, "UᵀU");
      assertClose(times(transpose(V), V), identity(p), tolerance, "VᵀV");
    }),
    { numRuns: 500 },
  );
});

test("singular values are not negative and descend, and Σ S² = ‖M‖²", () => {
  fc.assert(
    fc.property(anyMatrix, (given) => {
      const { M } = normalized(given);
      const { S } = decomposed(M);
      for (let i = 0; i < S.length; i++) assert.ok(S[i] >= 0 && (i === 0 || S[i] <= S[i - 1]));
      const norm = frobeniusNorm(M.values);
      assert.ok(Math.abs(frobeniusNorm(S) - norm) <= rounding(M.rows, M.cols) * norm);
    }),
  );
});

test("a matrix built from singular values has them", () => {
  const value = fc.oneof(fc.constant(0), fraction.map(Math.abs));
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 6 }).map((list) => Float64Array.from(list).sort().reverse()),
      fc.nat(3),
      fc.boolean(),
      fc.nat(),
      (values, extra, wide, seed) => {
        const p = values.length;
        const tall = orthonormal(seed, p + extra, p);
        const square = orthonormal(seed + 1, p, p);
        const M = times(times(tall, diagonal(values)), transpose(square));
        const { S } = decomposed(wide ? transpose(M) : M);
        // Weyl: a singular value moves by no more than the norm of what rounding added to the matrix.
        const tolerance = rounding(p + extra, p) * frobeniusNorm(values);
        assertClose(matrix(S, 1, p), matrix(values, 1, p), tolerance, "S");
      },
    ),
  );
});

test("singular values that can be worked out by hand", () => {
  const { U, S, V } = svd(Float64Array.of(3, 0, 4, 5), 2, 2);
  const tolerance = rounding(2, 2) * 5;
  assertClose(matrix(S, 1, 2), matrix([Math.sqrt(45), Math.sqrt(5)], 1, 2), tolerance, "S");
  const [a, b] = [Math.sqrt(0.1), Math.sqrt(0.9)];
  assertClose(matrix(U, 2, 2), matrix([a, b, b, -a], 2, 2), tolerance, "U");
  assertClose(
    matrix(V, 2, 2),
    matrix([Math.SQRT1_2, Math.SQRT1_2, Math.SQRT1_2, -Math.SQRT1_2], 2, 2),
    tolerance,
    "V",
  );
  const ones = svd(new Float32Array(12).fill(1), 3, 4).S;
  assertClose(matrix(ones, 1, 3), matrix([Math.sqrt(12), 0, 0], 1, 3), rounding(3, 4) * 4, "S of ones");
});

test("tiny singular values next to large ones keep their digits, when only the columns' lengths differ", () => {
  // Demmel & Veselić: one-sided Jacobi is accurate relative to each value if M = B D with D diagonal and B well
  // conditioned, here orthonormal; bidiagonalization would lose all below 1e-16 of the largest.
  const lengths = [1e20, 1, 1e-20];
  const { S } = decomposed(times(orthonormal(0, 5, 3), diagonal(lengths)));
  for (const [i, length] of lengths.entries()) {
    assert.ok(Math.abs(S[i] / length - 1) < rounding(5, 3), `S[${i}] = ${S[i]}`);
  }
});

test("the transpose exchanges U and V up to signs; a power of two scales S exactly", () => {
  fc.assert(
    fc.property(dense(4, 3), fc.integer({ min: -500, max: 500 }), (M, power) => {
      const { U, S, V } = decomposed(M);
      const flipped = decomposed(transpose(M));
      const tolerance = rounding(4, 3) * frobeniusNorm(M.values);
      assertClose(matrix(flipped.S, 1, 3), matrix(S, 1, 3), tolerance, "S");
      const scaled = decomposed(
        matrix(
          M.values.map((x) => x * 2 ** power),
          4,
          3,
        ),
      );
      assert.equal(
        scaled.S,
        S.map((value) => value * 2 ** power),
      );
      assert.equal([scaled.U, scaled.V], [U, V]);
    }),
    { examples: [[matrix([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3], 4, 3), 100]] },
  );
});

test("signs are fixed: the entry of largest magnitude in each column of U is positive", () => {
  fc.assert(
    fc.property(anyMatrix, (M) => {
      const { U, p } = decomposed(M);
      for (let j = 0; j < p; j++) {
        const column = Array.from({ length: M.rows }, (_, i) => U.values[i * p + j]);
        const negative = Math.max(...column.map((x) => -x));
        assert.ok(Math.max(...column) >= negative, `column ${j} of U: ${column}`);
      }
    }),
  );
});

test("a larger matrix, and one of rank 4, obey the laws too", () => {
  for (const rank of [40, 4]) {
    const [B, A] = [
      matrix(random(1).normal(90 * rank), 90, rank),
      matrix(random(2).normal(rank * 40), rank, 40),
    ];
    const M = times(B, A);
    const { U, S, V, p } = decomposed(M);
    const tolerance = rounding(90, 40);
    const norm = frobeniusNorm(M.values);
    assertClose(times(times(U, diagonal(S)), transpose(V)), M, tolerance * norm, "U S Vᵀ");
    assertClose(times(transpose(U), U), identity(p), tolerance, "UᵀU");
    assertClose(times(transpose(V), V), identity(p), tolerance, "VᵀV");
    assert.is(S.filter((value) => value > tolerance * norm).length, rank);
  }
});

// --- QR

test("Q R = M, QᵀQ = 1, and R is upper triangular with a diagonal that is not negative", () => {
  fc.assert(
    fc.property(anyMatrix, (given) => {
      const { M, scale } = normalized(given);
      const { rows, cols } = M;
      const p = Math.min(rows, cols);
      const { Q, R } = qr(given.values, rows, cols);
      const [q, r] = [
        matrix(Q, rows, p),
        matrix(
          R.map((x) => x / scale),
          p,
          cols,
        ),
      ];
      assertClose(times(q, r), M, rounding(rows, cols) * frobeniusNorm(M.values), "Q R");
      assertClose(times(transpose(q), q), identity(p), rounding(rows, cols), "QᵀQ");
      for (let i = 0; i < p; i++) {
        assert.ok(R[i * cols + i] >= 0);
        for (let j = 0; j < i; j++) assert.is(R[i * cols + j], 0);
      }
    }),
    { numRuns: 500 },
  );
});

test("a matrix built as Q R with a positive diagonal decomposes into that Q and that R", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(3), fc.nat(), (n, extra, seed) => {
      const q = orthonormal(seed, n + extra, n);
      // Off the diagonal |R| ≤ 1/n, on it 1: the condition number is small, so Q and R are as exact as M.
      const r = matrix(
        random(seed)
          .uniform(n * n, -1 / n, 1 / n)
          .map((x, k) => (k % n > Math.floor(k / n) ? x : k % (n + 1) === 0 ? 1 : 0)),
        n,
        n,
      );
      const M = times(q, r);
      const { Q, R } = qr(M.values, M.rows, n);
      assertClose(matrix(R, n, n), r, 10 * rounding(n + extra, n), "R");
      assertClose(matrix(Q, n + extra, n), q, 10 * rounding(n + extra, n), "Q");
    }),
  );
});

// --- Cholesky, inverses

/** G Gᵀ + 1: symmetric, eigenvalues from 1 to 1 + 7 · 7 · 4. */
const positiveDefinite = fc.nat(7).chain((n) =>
  dense(n, n).map((G) => {
    const gram = times(G, transpose(G));
    return matrix(
      gram.values.map((x, k) => x + (k % (n + 1) === 0 ? 1 : 0)),
      n,
      n,
    );
  }),
);

test("L Lᵀ = A, with L lower triangular", () => {
  fc.assert(
    fc.property(positiveDefinite, (A) => {
      const n = A.rows;
      const L = matrix(cholesky(A.values, n), n, n);
      assert.ok(L.values.every((x, k) => k % n <= Math.floor(k / n) || x === 0));
      assertClose(times(L, transpose(L)), A, rounding(n, n) * frobeniusNorm(A.values), "L Lᵀ");
    }),
  );
});

test("A solve(A, B) = B and A inverse(A) = 1", () => {
  fc.assert(
    fc.property(positiveDefinite, fc.nat(3), fc.nat(), (A, k, seed) => {
      const n = A.rows;
      const B = matrix(random(seed).normal(n * k), n, k);
      const X = matrix(solve(A.values, B.values, n, k), n, k);
      // Backward stable: the residual is rounding of ‖A‖ ‖X‖.
      const norm = frobeniusNorm(A.values);
      assertClose(times(A, X), B, rounding(n, n) * norm * frobeniusNorm(X.values), "A X");
      const inverted = matrix(inverse(A.values, n), n, n);
      assertClose(
        times(A, inverted),
        identity(n),
        rounding(n, n) * norm * frobeniusNorm(inverted.values),
        "A A⁻¹",
      );
    }),
  );
});

test("a matrix that is not positive definite is refused", () => {
  for (const values of [[0], [-1], [1, 2, 2, 1], [1, 1, 1, 1]]) {
    const n = Math.sqrt(values.length);
    assert.throws(
      () => inverse(Float64Array.from(values), n),
      (error: unknown) =>
        error instanceof ArgumentError && /cholesky: expected a positive definite matrix/.test(error.message),
    );
  }
});

test("the pseudo-inverse M⁺ obeys Penrose's four equations, at any rank", () => {
  // Values of M that are not zero lie in [1/2, 2], so M and M⁺ have entries of at most 2 and lose few digits.
  const value = fc.oneof(fc.constant(0), fc.double({ min: 0.5, max: 2, noNaN: true }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 5 }), fc.nat(3), fc.nat(), (values, extra, seed) => {
      const p = values.length;
      const M = times(times(orthonormal(seed, p + extra, p), diagonal(values)), orthonormal(seed + 1, p, p));
      const plus = matrix(pseudoInverse(M.values, M.rows, M.cols, 1e-8), M.cols, M.rows);
      const tolerance = 64 * rounding(p + extra, p);
      assertClose(times(times(M, plus), M), M, tolerance, "M M⁺ M = M");
      assertClose(times(times(plus, M), plus), plus, tolerance, "M⁺ M M⁺ = M⁺");
      assertClose(times(M, plus), transpose(times(M, plus)), tolerance, "M M⁺ is symmetric");
      assertClose(times(plus, M), transpose(times(plus, M)), tolerance, "M⁺ M is symmetric");
    }),
  );
});

// --- Norms, corners, bad arguments

test("norms are square roots of sums of squares", () => {
  assert.is(frobeniusNorm(Float32Array.of(3, 0, 4, 0)), 5);
  assert.is(frobeniusNorm(new Float32Array()), 0);
  assert.equal(rowNorms(Float32Array.of(3, 4, 0, 0, 5, 12), 3, 2), Float64Array.of(5, 0, 13));
  assert.equal(rowNorms(new Float32Array(), 2, 0), Float64Array.of(0, 0));
  // Summed in double: in float32, 2^24 + 1 would be 2^24.
  assert.is(frobeniusNorm(Float32Array.of(4096, 1)), Math.sqrt(2 ** 24 + 1));
});

test("matrices without rows or columns have empty decompositions", () => {
  assert.equal(svd(new Float32Array(), 0, 3), {
    U: new Float64Array(),
    S: new Float64Array(),
    V: new Float64Array(),
  });
  assert.equal(qr(new Float32Array(), 3, 0), { Q: new Float64Array(), R: new Float64Array() });
  assert.equal(pseudoInverse(new Float32Array(), 0, 2), new Float64Array());
});

test("sizes that do not fit and values that are not finite are refused", () => {
  const shape = (error: unknown) =>
    error instanceof ShapeError && /rows 2, cols 2, values 3/.test(error.message);
  for (const f of [svd, qr, pseudoInverse, rowNorms])
    assert.throws(() => f(new Float32Array(3), 2, 2), shape);
  assert.throws(() => cholesky(new Float32Array(3), 2), shape);
  for (const bad of [Number.NaN, Infinity]) {
    const values = Float64Array.of(1, 2, bad, 4);
    for (const f of [svd, qr, pseudoInverse])
      assert.throws(() => f(values, 2, 2), /finite values; got .*index 2/);
  }
});

test.run();
