/**
 * @file Singular values, M = U diag(S) Vᵀ, and the pseudo-inverse, in double precision on row-major arrays.
 *
 *     M [m, n]   U [m, p]   S [p]   V [n, p]      p = min(m, n)
 */

import type { FloatArray } from "../array/storage.ts";
import {
  checkMatrix,
  columnsOf,
  type Doubles,
  dot,
  frobeniusNorm,
  fromColumns,
  identityColumns,
  NEGLIGIBLE,
  powerOfTwoAbove,
  product,
  squaredNorm,
  subtract,
  transposed,
} from "./matrix.ts";
import { qr } from "./qr.ts";

const eps = Number.EPSILON;

/** Rotations stop when no two columns are further than this from orthogonal; a sweep visits all pairs. */
const maxSweeps = 40;

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
  checkMatrix("svd", values, rows, cols);
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
  const S = Float64Array.from(order, (j) => (norms[j] ** 2 > NEGLIGIBLE ? norms[j] : 0));
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
        if (squares[i] < NEGLIGIBLE || squares[j] < NEGLIGIBLE) continue;
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
