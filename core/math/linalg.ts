/**
 * @file The linear algebra that the papers need, in double precision on plain row-major arrays: singular values, QR,
 * Cholesky, inverses, norms. Only + - * / √ are used, so results are the same on every platform.
 *
 *     M = U diag(S) Vᵀ      M [m, n]   U [m, p]   S [p]   V [n, p]      p = min(m, n)
 *     M = Q R               M [m, n]   Q [m, p]   R [p, n]
 *     A = L Lᵀ              A [n, n] symmetric, positive definite       L [n, n] lower triangular
 */

import type { FloatArray } from "../array/storage.ts";
import { ArgumentError, ShapeError } from "../errors.ts";

type Doubles = Float64Array<ArrayBuffer>;

const eps = Number.EPSILON;

/** Rotations stop when no two columns are further than this from orthogonal; a sweep visits all pairs. */
const maxSweeps = 40;

/** Squared norms below this, in a matrix whose largest entry is about 1, are zero: their products would underflow. */
const nothing = 2 ** -900;

/**
 * Singular value decomposition M = U diag(S) Vᵀ, by one-sided Jacobi rotations: Hestenes, 1958, "Inversion of Matrices
 * by Biorthogonalization and Related Results", J. SIAM 6; the pair order of de Rijk, 1989, SIAM J. Sci. Stat. Comput.
 * 10. Slower than bidiagonalization, and more accurate: small singular values keep their digits (Demmel & Veselić,
 * 1992). A tall matrix is reduced by QR first, and the rotations act on its triangle.
 *
 * Columns of U and V are orthonormal also where S is 0. Signs are fixed: the entry of largest magnitude in each column
 * of U is positive.
 *
 * @param values [rows, cols], finite
 * @returns U [rows, p], S [p] descending, V [cols, p], p = min(rows, cols)
 */
export function svd(values: FloatArray, rows: number, cols: number): { U: Doubles; S: Doubles; V: Doubles } {
  check("svd", values, rows, cols);
  if (rows < cols) {
    const { U, S, V } = svdTall(transposed(values, rows, cols), cols, rows);
    fixSigns(V, U, rows, cols, rows);
    return { U: V, S, V: U };
  }
  const tall = svdTall(values, rows, cols);
  fixSigns(tall.U, tall.V, rows, cols, cols);
  return tall;
}

function svdTall(values: FloatArray, m: number, n: number): { U: Doubles; S: Doubles; V: Doubles } {
  const { Q, R } = qr(values, m, n);
  const scale = powerOfTwoAbove(R);
  const W = columnsOf(
    Float64Array.from(R, (value) => value / scale),
    n,
    n,
  ); // n columns, to become U diag(S) of R
  const V = identityColumns(n); // the product of the rotations
  rotateUntilOrthogonal(W, V);
  const norms = W.map(frobeniusNorm);
  const order = norms.map((_, j) => j).sort((a, b) => norms[b] - norms[a]);
  const S = Float64Array.from(order, (j) => (norms[j] ** 2 > nothing ? norms[j] : 0));
  const directions = order.map((j, k) => (S[k] > 0 ? W[j].map((value) => value / norms[j]) : null));
  const inner = fromColumns(completeBasis(directions, n), n); // [n, n]
  return {
    U: product(Q, inner, m, n, n),
    S: S.map((value) => value * scale),
    V: fromColumns(
      order.map((j) => V[j]),
      n,
    ),
  };
}

/**
 * Rotates pairs of columns of W, and those of V alike, until all columns of W are orthogonal to working precision.
 * For columns x, y the rotation [c s; -s c] with t = s/c, t² + 2 ζ t = 1, ζ = (y·y - x·x)/(2 x·y) makes x·y zero.
 */
function rotateUntilOrthogonal(W: Doubles[], V: Doubles[]): void {
  const n = W.length;
  const tolerance = eps * Math.max(8, Math.sqrt(n)); // what rounding leaves of a sum of n products
  for (let sweep = 0, rotated = true; rotated && sweep < maxSweeps; sweep++) {
    rotated = false;
    const squares = Float64Array.from(W, squaredNorm);
    for (let i = 0; i < n - 1; i++) {
      bringLargestTo(i, squares, W, V);
      for (let j = i + 1; j < n; j++) {
        if (squares[i] < nothing || squares[j] < nothing) continue;
        const inner = dot(W[i], W[j]);
        if (Math.abs(inner) <= tolerance * Math.sqrt(squares[i]) * Math.sqrt(squares[j])) continue;
        rotated = true;
        const zeta = (squares[j] - squares[i]) / (2 * inner);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        rotate(W[i], W[j], c, c * t);
        rotate(V[i], V[j], c, c * t);
        // x, the longer, grows by what y loses. Where y loses most of its length, the difference would be inexact.
        squares[i] -= t * inner;
        const left = squares[j] + t * inner;
        squares[j] = left > squares[j] / 2 ? left : squaredNorm(W[j]);
      }
    }
  }
}

/** De Rijk: the longest of the columns not yet visited comes next, so that large values settle first. */
function bringLargestTo(i: number, squares: Float64Array, W: Doubles[], V: Doubles[]): void {
  let largest = i;
  for (let j = i + 1; j < W.length; j++) if (squares[j] > squares[largest]) largest = j;
  if (largest === i) return;
  [squares[i], squares[largest]] = [squares[largest], squares[i]];
  [W[i], W[largest]] = [W[largest], W[i]];
  [V[i], V[largest]] = [V[largest], V[i]];
}

/** (x, y) ← (c x - s y, s x + c y) */
function rotate(x: Float64Array, y: Float64Array, c: number, s: number): void {
  for (let k = 0; k < x.length; k++) {
    const xk = x[k];
    const yk = y[k];
    x[k] = c * xk - s * yk;
    y[k] = s * xk + c * yk;
  }
}

/**
 * Replaces each null by a unit vector orthogonal to all others: of the coordinate axes the one that the others cover
 * least, its components along them taken off, twice, since once leaves rounding errors ("twice is enough", Giraud et
 * al., 2005).
 */
function completeBasis(columns: readonly (Doubles | null)[], length: number): Doubles[] {
  const basis = columns.filter((column) => column !== null);
  const covered = new Float64Array(length);
  const cover = (column: Float64Array) => {
    for (let i = 0; i < length; i++) covered[i] += column[i] * column[i];
  };
  basis.forEach(cover);
  return columns.map((column) => {
    if (column) return column;
    const axis = new Float64Array(length);
    axis[covered.indexOf(covered.reduce((a, b) => Math.min(a, b)))] = 1;
    for (let pass = 0; pass < 2; pass++) for (const other of basis) subtract(axis, dot(axis, other), other);
    const norm = frobeniusNorm(axis);
    const added = axis.map((value) => value / norm);
    basis.push(added);
    cover(added);
    return added;
  });
}

/** Flips columns of U [m, p] and V [n, p] together so that U's entry of largest magnitude is positive. */
function fixSigns(U: Doubles, V: Doubles, m: number, n: number, p: number): void {
  for (let j = 0; j < p; j++) {
    let largest = 0;
    for (let i = 0; i < m; i++) if (Math.abs(U[i * p + j]) > Math.abs(largest)) largest = U[i * p + j];
    if (largest >= 0) continue;
    for (let i = 0; i < m; i++) U[i * p + j] = -U[i * p + j];
    for (let i = 0; i < n; i++) V[i * p + j] = -V[i * p + j];
  }
}

/**
 * QR decomposition by Householder reflections (Golub & Van Loan, Matrix Computations, §5.2). R is upper triangular with
 * a non-negative diagonal; the columns of Q are orthonormal whatever the rank.
 *
 * @param values [rows, cols], finite
 * @returns Q [rows, p], R [p, cols], p = min(rows, cols)
 */
export function qr(values: FloatArray, rows: number, cols: number): { Q: Doubles; R: Doubles } {
  check("qr", values, rows, cols);
  const p = Math.min(rows, cols);
  const scale = powerOfTwoAbove(values);
  const columns = columnsOf(
    Float64Array.from(values, (value) => value / scale),
    rows,
    cols,
  );
  // Reflection k is x ↦ x - (2/v·v) (v·x) v, with v zero before k.
  const reflections: { v: Doubles; factor: number }[] = [];
  for (let k = 0; k < p; k++) {
    const v = columns[k].slice();
    v.fill(0, 0, k);
    const norm = Math.sqrt(squaredNorm(v));
    v[k] += v[k] < 0 ? -norm : norm; // the sum that does not cancel; the column becomes ∓norm e_k
    const square = squaredNorm(v);
    const factor = square > nothing ? 2 / square : 0;
    reflections.push({ v, factor });
    for (let j = k; j < cols; j++) subtract(columns[j], factor * dot(v, columns[j], k), v, k);
  }
  const q = Array.from({ length: p }, (_, j) => new Float64Array(rows).fill(1, j, j + 1));
  for (let k = p - 1; k >= 0; k--) {
    const { v, factor } = reflections[k]; // columns before k are still axes before k, and stay
    for (let j = k; j < p; j++) subtract(q[j], factor * dot(v, q[j], k), v, k);
  }
  const R = new Float64Array(p * cols);
  for (let i = 0; i < p; i++) {
    const sign = columns[i][i] < 0 ? -1 : 1;
    for (let j = i; j < cols; j++) R[i * cols + j] = sign * columns[j][i] * scale;
    if (sign < 0) q[i] = q[i].map((value) => -value);
  }
  return { Q: fromColumns(q, rows), R };
}

/**
 * Cholesky factor L with A = L Lᵀ. Only the lower triangle of A is read.
 * @param A [n, n], symmetric
 * @returns L [n, n], zero above the diagonal
 * @throws ArgumentError when A is not positive definite
 */
export function cholesky(A: FloatArray, n: number): Doubles {
  check("cholesky", A, n, n);
  const L = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = A[i * n + j];
      for (let k = 0; k < j; k++) sum -= L[i * n + k] * L[j * n + k];
      if (i > j) L[i * n + j] = sum / L[j * n + j];
      else if (sum > 0) L[i * n + i] = Math.sqrt(sum);
      else throw new ArgumentError("cholesky", "a positive definite matrix", { row: i, pivot: sum });
    }
  }
  return L;
}

/**
 * X with A X = B, for a symmetric positive definite A.
 * @param A [n, n]
 * @param B [n, k]
 * @returns X [n, k]
 * @throws ArgumentError when A is not positive definite
 */
export function solve(A: FloatArray, B: FloatArray, n: number, k: number): Doubles {
  check("solve", B, n, k);
  const L = cholesky(A, n);
  const X = Float64Array.from(B);
  for (let column = 0; column < k; column++) {
    for (let i = 0; i < n; i++) {
      let sum = X[i * k + column]; // L Y = B, from the top
      for (let j = 0; j < i; j++) sum -= L[i * n + j] * X[j * k + column];
      X[i * k + column] = sum / L[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = X[i * k + column]; // Lᵀ X = Y, from the bottom
      for (let j = i + 1; j < n; j++) sum -= L[j * n + i] * X[j * k + column];
      X[i * k + column] = sum / L[i * n + i];
    }
  }
  return X;
}

/**
 * A⁻¹ [n, n] of a symmetric positive definite A [n, n].
 * @throws ArgumentError when A is not positive definite
 */
export function inverse(A: FloatArray, n: number): Doubles {
  return solve(A, fromColumns(identityColumns(n), n), n, n);
}

/**
 * The Moore-Penrose pseudo-inverse V diag(1/S) Uᵀ of M, with singular values up to `cutoff` times the largest as zeros.
 * @param values [rows, cols], finite
 * @returns [cols, rows]
 */
export function pseudoInverse(
  values: FloatArray,
  rows: number,
  cols: number,
  cutoff = eps * Math.max(rows, cols),
): Doubles {
  const { U, S, V } = svd(values, rows, cols);
  const p = S.length;
  const scaled = V.map((value, i) => (S[i % p] > cutoff * S[0] ? value / S[i % p] : 0)); // [cols, p]
  return product(scaled, transposed(U, rows, p), cols, p, rows);
}

/** √(Σ x²), summed in double precision. */
export function frobeniusNorm(values: FloatArray): number {
  return Math.sqrt(squaredNorm(values));
}

/** The Euclidean norm of each row: [rows, cols] to [rows]. */
export function rowNorms(values: FloatArray, rows: number, cols: number): Doubles {
  checkSize("rowNorms", values, rows, cols);
  return Float64Array.from({ length: rows }, (_, i) =>
    frobeniusNorm(values.subarray(i * cols, (i + 1) * cols)),
  );
}

function check(who: string, values: FloatArray, rows: number, cols: number): void {
  checkSize(who, values, rows, cols);
  const index = values.findIndex((value: number) => !Number.isFinite(value));
  if (index >= 0) throw new ArgumentError(who, "finite values", { value: values[index], index });
}

function checkSize(who: string, values: FloatArray, rows: number, cols: number): void {
  if (!(rows >= 0 && cols >= 0 && values.length === rows * cols)) {
    throw new ShapeError(who, "rows · cols values", { rows, cols, values: values.length });
  }
}

/** The power of two next above the largest magnitude: dividing by it is exact, and squares neither over- nor underflow. */
function powerOfTwoAbove(values: FloatArray): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  let power = 1;
  while (power <= largest && power < 2 ** 1023) power *= 2;
  while (power > 2 * largest && power > 2 ** -1022) power /= 2;
  return power;
}

/** x · y from index `from` on, in four sums: one alone would wait for each addition to end. */
function dot(x: FloatArray, y: FloatArray, from = 0): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let k = from;
  for (; k + 3 < x.length; k += 4) {
    s0 += x[k] * y[k];
    s1 += x[k + 1] * y[k + 1];
    s2 += x[k + 2] * y[k + 2];
    s3 += x[k + 3] * y[k + 3];
  }
  for (; k < x.length; k++) s0 += x[k] * y[k];
  return s0 + s1 + (s2 + s3);
}

function squaredNorm(x: FloatArray): number {
  return dot(x, x);
}

/** x ← x - factor y, from index `from` on */
function subtract(x: Float64Array, factor: number, y: Float64Array, from = 0): void {
  for (let k = from; k < x.length; k++) x[k] -= factor * y[k];
}

function identityColumns(n: number): Doubles[] {
  return Array.from({ length: n }, (_, j) => new Float64Array(n).fill(1, j, j + 1));
}

function columnsOf(values: FloatArray, rows: number, cols: number): Doubles[] {
  return Array.from({ length: cols }, (_, j) =>
    Float64Array.from({ length: rows }, (_, i) => values[i * cols + j]),
  );
}

/** [length, columns] from its columns. */
function fromColumns(columns: readonly FloatArray[], length: number): Doubles {
  const values = new Float64Array(length * columns.length);
  columns.forEach((column, j) => {
    for (let i = 0; i < length; i++) values[i * columns.length + j] = column[i];
  });
  return values;
}

function transposed(values: FloatArray, rows: number, cols: number): Doubles {
  return fromColumns(
    Array.from({ length: rows }, (_, i) => values.subarray(i * cols, (i + 1) * cols)),
    cols,
  );
}

/** A [m, k] · B [k, n] */
function product(A: FloatArray, B: FloatArray, m: number, k: number, n: number): Doubles {
  const C = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < k; l++) {
      const a = A[i * k + l];
      for (let j = 0; j < n; j++) C[i * n + j] += a * B[l * n + j];
    }
  }
  return C;
}
