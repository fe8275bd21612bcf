/** @file QR decomposition, M = Q R, in double precision on row-major arrays. */

import type { FloatArray } from "../array/storage.ts";
import {
  checkMatrix,
  columnsOf,
  type Doubles,
  dot,
  fromColumns,
  NEGLIGIBLE,
  powerOfTwoAbove,
  squaredNorm,
  subtract,
} from "./matrix.ts";

/**
 * QR decomposition by Householder reflections (Golub & Van Loan, Matrix Computations, §5.2). R is upper triangular with
 * a non-negative diagonal; the columns of Q are orthonormal whatever the rank.
 *
 * @param values [rows, cols], finite
 * @returns Q [rows, p], R [p, cols], p = min(rows, cols)
 */
export function qr(values: FloatArray, rows: number, cols: number): { Q: Doubles; R: Doubles } {
  checkMatrix("qr", values, rows, cols);
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
    const factor = square > NEGLIGIBLE ? 2 / square : 0;
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
