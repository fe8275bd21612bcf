/**
 * @file Plain row-major matrices in double precision: products, norms, columns; what svd, qr and cholesky are made of.
 * Only + - * / √ are used, so that results are the same on every platform.
 */

import type { FloatArray } from "../array/storage.ts";
import { ArgumentError, ShapeError } from "../errors.ts";

export type Doubles = Float64Array<ArrayBuffer>;

/** Squared norms below this, in a matrix whose largest entry is about 1, are zero: their products would underflow. */
export const NEGLIGIBLE = 2 ** -900;

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

/** @throws ShapeError when the count is not rows · cols; ArgumentError naming the first value that is not finite */
export function checkMatrix(who: string, values: FloatArray, rows: number, cols: number): void {
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
export function powerOfTwoAbove(values: FloatArray): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  let power = 1;
  while (power <= largest && power < 2 ** 1023) power *= 2;
  while (power > 2 * largest && power > 2 ** -1022) power /= 2;
  return power;
}

/** x · y from index `from` on, in four sums: one alone would wait for each addition to end. */
export function dot(x: FloatArray, y: FloatArray, from = 0): number {
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

/** x · x */
export function squaredNorm(x: FloatArray): number {
  return dot(x, x);
}

/** x ← x - factor y, from index `from` on */
export function subtract(x: Float64Array, factor: number, y: Float64Array, from = 0): void {
  for (let k = from; k < x.length; k++) x[k] -= factor * y[k];
}

/** The columns of the identity [n, n]. */
export function identityColumns(n: number): Doubles[] {
  return Array.from({ length: n }, (_, j) => new Float64Array(n).fill(1, j, j + 1));
}

/** The columns of a matrix [rows, cols]. */
export function columnsOf(values: FloatArray, rows: number, cols: number): Doubles[] {
  return Array.from({ length: cols }, (_, j) =>
    Float64Array.from({ length: rows }, (_, i) => values[i * cols + j]),
  );
}

/** The matrix [length, number of columns] with these columns. */
export function fromColumns(columns: readonly FloatArray[], length: number): Doubles {
  const values = new Float64Array(length * columns.length);
  columns.forEach((column, j) => {
    for (let i = 0; i < length; i++) values[i * columns.length + j] = column[i];
  });
  return values;
}

/** [rows, cols] to [cols, rows]. */
export function transposed(values: FloatArray, rows: number, cols: number): Doubles {
  return fromColumns(
    Array.from({ length: rows }, (_, i) => values.subarray(i * cols, (i + 1) * cols)),
    cols,
  );
}

/** A [m, k] · B [k, n] */
export function product(A: FloatArray, B: FloatArray, m: number, k: number, n: number): Doubles {
  const C = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < k; l++) {
      const a = A[i * k + l];
      for (let j = 0; j < n; j++) C[i * n + j] += a * B[l * n + j];
    }
  }
  return C;
}
