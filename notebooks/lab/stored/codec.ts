/**
 * @file The stored run as JSON that is small: losses with all their digits, other numbers with five, matrices as bytes in
 * base64, spectra without their zeros. ΔW is not stored: it is (α/r) B A.
 */
import type { Grid, Looked, Measured, StoredRun } from "../engine/types.ts";

/** A matrix in 8 bits: value = byte · largest/127. */
interface PackedGrid {
  readonly rows: number;
  readonly columns: number;
  readonly largest: number;
  readonly bytes: string;
}

type PackedLook = Pick<Looked, "step" | "name"> & {
  readonly A: PackedGrid;
  readonly B: PackedGrid;
  readonly gradA: PackedGrid | null;
  readonly gradB: PackedGrid | null;
};

/** What the file holds. */
export interface PackedRun {
  readonly opened: StoredRun["opened"];
  readonly steps: StoredRun["steps"];
  readonly measured: StoredRun["measured"];
  readonly W0: PackedGrid;
  readonly looked: readonly PackedLook[];
}

/** Numbers that a test computes again, bit for bit: losses, and the rate that they come from. */
const exact = new Set(["loss", "learned", "own", "rate"]);

/** The text of the file. */
export function packRun({ opened, steps, measured, looked }: StoredRun): string {
  const packed: PackedRun = {
    opened: { ...opened, before: withoutZeros(opened.before) },
    steps: steps.map((step) => ({ ...step, milliseconds: 0 })), // times are the machine's, and no part of the run
    measured: measured.map(withoutZeros),
    W0: packGrid(looked[0].W0),
    looked: looked.map(({ step, name, A, B, gradA, gradB }) => ({
      step,
      name,
      A: packGrid(A as Grid),
      B: packGrid(B as Grid),
      gradA: gradA && packGrid(gradA),
      gradB: gradB && packGrid(gradB),
    })),
  };
  const short = (name: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isInteger(value) && !exact.has(name)
      ? Number(value.toPrecision(5))
      : value;
  return `${JSON.stringify(packed, short)}\n`;
}

/** The run in the file. */
export function unpackRun(packed: PackedRun): StoredRun {
  const { opened, steps, measured, looked } = packed;
  const { alpha, rank } = opened.controls;
  const W0 = unpackGrid(packed.W0);
  const withZeros = (of: Measured): Measured => ({
    ...of,
    spectra: of.spectra.map((values, i) => {
      const { out, in: into } = opened.matrices[i];
      return Array.from({ length: Math.min(out, into, 32) }, (_, k) => values[k] ?? 0);
    }),
  });
  return {
    opened: { ...opened, before: withZeros(opened.before) },
    steps,
    measured: measured.map(withZeros),
    looked: looked.map(({ step, name, ...grids }): Looked => {
      const [A, B] = [unpackGrid(grids.A), unpackGrid(grids.B)];
      return {
        step,
        name,
        W0,
        stored: null,
        delta: product(B, A, alpha / rank),
        A,
        B,
        gradA: grids.gradA && unpackGrid(grids.gradA),
        gradB: grids.gradB && unpackGrid(grids.gradB),
        magnitude: null,
        quantized: null,
      };
    }),
  };
}

const withoutZeros = (measured: Measured): Measured => ({
  ...measured,
  spectra: measured.spectra.map((values) => values.filter((value) => value > 0)),
});

function packGrid({ rows, columns, values }: Grid): PackedGrid {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const bytes = Array.from(values, (value) =>
    String.fromCharCode(largest === 0 ? 128 : 128 + Math.round((127 * value) / largest)),
  );
  return { rows, columns, largest, bytes: btoa(bytes.join("")) };
}

function unpackGrid({ rows, columns, largest, bytes }: PackedGrid): Grid {
  const values = Float32Array.from(atob(bytes), (byte) => ((byte.charCodeAt(0) - 128) * largest) / 127);
  return { rows, columns, values };
}

/** s B A. */
function product(B: Grid, A: Grid, s: number): Grid {
  const values = new Float32Array(B.rows * A.columns);
  for (let i = 0; i < B.rows; i++)
    for (let k = 0; k < B.columns; k++)
      for (let j = 0; j < A.columns; j++)
        values[i * A.columns + j] += s * B.values[i * B.columns + k] * A.values[k * A.columns + j];
  return { rows: B.rows, columns: A.columns, values };
}
