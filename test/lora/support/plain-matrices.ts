/**
 * @file The specification that adapted models are held against: matrices as lists of rows in double precision, the
 * papers' formulas by plain loops, nothing of the library.
 */

export type Matrix = readonly (readonly number[])[];

/** An adapter on one layer: its parameters by name, and its factor s. */
export interface PlainAdapter {
  readonly method: string;
  readonly scaling: number;
  readonly parameters: Readonly<Record<string, Matrix>>;
}

const zip = (A: Matrix, B: Matrix, f: (a: number, b: number) => number): Matrix =>
  A.map((row, i) => row.map((a, j) => f(a, B[i][j])));
export const add = (A: Matrix, B: Matrix): Matrix => zip(A, B, (a, b) => a + b);
export const scaled = (A: Matrix, s: number): Matrix => A.map((row) => row.map((a) => s * a));
export const product = (A: Matrix, B: Matrix): Matrix =>
  A.map((row) => B[0].map((_, j) => row.reduce((sum, a, k) => sum + a * B[k][j], 0)));

/** ΔW of an adapter on W0, by its paper's formula. */
export function delta({ method, scaling, parameters }: PlainAdapter, W0: Matrix): Matrix {
  const { A, B, m, P, Q, lambda } = parameters;
  switch (method) {
    case "lora":
    case "lora-fa":
    case "merged-linear": // of one slice
    case "lora-conv": // of a kernel of 1 × 1
      return scaled(product(B, A), scaling);
    case "adalora":
      return scaled(
        product(
          P,
          Q.map((row, i) => row.map((q) => lambda[i][0] * q)),
        ),
        scaling,
      );
    case "dora": {
      const V = add(W0, scaled(product(B, A), scaling));
      return V.map((row, i) => {
        const norm = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
        return row.map((v, j) => (norm === 0 ? v : (m[0][i] / norm) * v) - W0[i][j]);
      });
    }
    default:
      throw new RangeError(`no formula for ${method}`);
  }
}
