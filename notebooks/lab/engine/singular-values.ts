/**
 * @file All singular values of a matrix, quickly: the square roots of the eigenvalues of MᵀM or M Mᵀ, the smaller one, in
 * double precision. Those below about 1e-7 of the largest are rounding; a picture shows no difference. The library's
 * `svd` has them exactly, in ten times the time.
 */

/** In falling order, min(rows, columns) of them. */
export function singularValues(values: ArrayLike<number>, rows: number, columns: number): number[] {
  const n = Math.min(rows, columns);
  const eigenvalues = ofTridiagonal(tridiagonal(products(values, rows, columns), n));
  return Array.from(eigenvalues, (value) => Math.sqrt(Math.max(0, value))).sort((a, b) => b - a);
}

/** The lower triangle of MᵀM [columns, columns], or of M Mᵀ [rows, rows] when that is smaller. */
function products(values: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const n = Math.min(rows, columns);
  const isTall = rows >= columns;
  const G = new Float64Array(n * n);
  const slice = new Float64Array(n);
  for (let k = 0; k < Math.max(rows, columns); k++) {
    for (let i = 0; i < n; i++) slice[i] = isTall ? values[k * columns + i] : values[i * columns + k];
    for (let i = 0; i < n; i++) {
      const factor = slice[i];
      const at = i * n;
      for (let j = 0; j <= i; j++) G[at + j] += factor * slice[j];
    }
  }
  return G;
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** One shorter, with a zero at its end. */
  readonly beside: Float64Array;
}

/**
 * A tridiagonal matrix with the eigenvalues of a symmetric one, of which the lower triangle is read and overwritten:
 * reflections I − 2 v vᵀ/(v·v) make one column after the other zero below its second entry (Householder, 1958).
 */
function tridiagonal(A: Float64Array, n: number): Tridiagonal {
  const [diagonal, beside] = [new Float64Array(n), new Float64Array(n)];
  const [v, w] = [new Float64Array(n), new Float64Array(n)];
  for (let k = 0; k < n; k++) {
    diagonal[k] = A[k * n + k];
    if (k === n - 1) break;
    let square = 0;
    for (let i = k + 1; i < n; i++) square += (v[i] = A[i * n + k]) ** 2;
    const length = v[k + 1] > 0 ? -Math.sqrt(square) : Math.sqrt(square);
    beside[k] = length;
    v[k + 1] -= length;
    const scale = square - length * (v[k + 1] + length); // v·v/2
    if (!(scale > 0)) continue;
    let along = 0;
    w.fill(0);
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      let sum = A[row + i] * v[i];
      for (let j = k + 1; j < i; j++) {
        sum += A[row + j] * v[j];
        w[j] += A[row + j] * v[i];
      }
      w[i] += sum;
    }
    for (let i = k + 1; i < n; i++) along += (w[i] /= scale) * v[i];
    for (let i = k + 1; i < n; i++) w[i] -= (along / (2 * scale)) * v[i];
    for (let i = k + 1; i < n; i++)
      for (let j = k + 1; j <= i; j++) A[i * n + j] -= v[i] * w[j] + w[i] * v[j];
  }
  return { diagonal, beside };
}

/** Two or three make one eigenvalue; the bound is for numbers that never settle, such as infinities. */
const MOST_TURNS = 50;

/** Eigenvalues of a tridiagonal matrix by the QL algorithm with implicit shifts (Dubrulle, 1970, Numer. Math. 15). */
function ofTridiagonal({ diagonal: d, beside: e }: Tridiagonal): Float64Array {
  const n = d.length;
  const largest = d.reduce((most, value, i) => Math.max(most, Math.abs(value) + Math.abs(e[i])), 0);
  const negligible = Number.EPSILON * largest;
  for (let first = 0; first < n; first++) {
    for (let turns = 0; turns < MOST_TURNS; turns++) {
      let last = first;
      while (last < n - 1 && Math.abs(e[last]) > negligible) last++;
      if (last === first) break;
      turn(d, e, first, last);
    }
  }
  return d;
}

/** One QL step on the block from `first` to `last`, whose entries beside the diagonal are not negligible. */
function turn(d: Float64Array, e: Float64Array, first: number, last: number): void {
  const half = (d[first + 1] - d[first]) / (2 * e[first]);
  const root = Math.sqrt(half * half + 1);
  let g = d[last] - d[first] + e[first] / (half + (half < 0 ? -root : root));
  let [s, c, p] = [1, 1, 0];
  for (let i = last - 1; i >= first; i--) {
    const [f, b] = [s * e[i], c * e[i]];
    const length = Math.sqrt(f * f + g * g);
    e[i + 1] = length;
    if (length === 0) {
      d[i + 1] -= p;
      e[last] = 0;
      return;
    }
    s = f / length;
    c = g / length;
    g = d[i + 1] - p;
    const r = (d[i] - g) * s + 2 * c * b;
    p = s * r;
    d[i + 1] = g + p;
    g = c * r - b;
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}
