/** @file Cholesky decomposition, A = L Lᵀ, in double precision on row-major arrays; linear systems and inverses by it. */

import type { FloatArray } from "../array/storage.ts";
import { ArgumentError } from "../errors.ts";
import { checkMatrix, type Doubles, fromColumns, identityColumns } from "./matrix.ts";

/**
 * Cholesky factor L with A = L Lᵀ. Only the lower triangle of A is read.
 * @param A [n, n], symmetric
 * @returns L [n, n], zero above the diagonal
 * @throws ArgumentError when A is not positive definite
 */
export function cholesky(A: FloatArray, n: number): Doubles {
  checkMatrix("cholesky", A, n, n);
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
  checkMatrix("solve", B, n, k);
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
