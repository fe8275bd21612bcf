/** @file One matrix, looked at: W0, ΔW, A, B and their gradients as grids, DoRA's magnitude, the format's histogram. */
import type { Parameter } from "lowrank/autograd";
import { type NDArray, rowNorms, scope } from "lowrank/core";
import type { DoRA } from "lowrank/lora";
import type { Llama, Module } from "lowrank/nn";
import { codebookFor, type QuantizedLinear } from "lowrank/quant";
import { Refusal } from "./refusal.ts";
import { factorsOf, type Run } from "./run.ts";
import type { Grid, Looked } from "./types.ts";
import { deltaOf, layerOf, originalWeight } from "./update.ts";

/** Bins of the histogram over [-1, 1]. */
const BINS = 101;

/** @throws Refusal when the run has no such matrix */
export function lookAt(run: Run, original: Llama, name: string): Looked {
  const at = run.matrices.findIndex((matrix) => matrix.name === name);
  const matrix = run.matrices[at];
  if (!matrix) throw new Refusal(`Matrix: expected one of this run's; got ${JSON.stringify(name)}.`);
  return scope(() => {
    const W0 = originalWeight(original, name);
    const { A = null, B = null } = factorsOf(run)[at] ?? {};
    const packed = packedOf(run, name);
    return {
      step: run.step,
      name,
      W0: gridOf(W0),
      stored: packed ? { rows: matrix.out, columns: matrix.in, values: packed.toArray() } : null,
      delta: gridOf(deltaOf(run, original, matrix)),
      A: A && gridOf(A.value),
      B: B && gridOf(B.value),
      gradA: gradientOf(A),
      gradB: gradientOf(B),
      magnitude: magnitudeOf(run, W0, name),
      quantized: packed && {
        values: codebookFor[packed.format].values.slice(),
        histogram: histogramOf(W0, packed.blockSize),
      },
    };
  });
}

/** A copy of a matrix or of a vector, which is one column. */
const gridOf = ({ data, shape: [rows, columns = 1] }: NDArray): Grid => ({
  rows,
  columns,
  values: Float32Array.from(data),
});

const gradientOf = (parameter: Parameter | null): Grid | null =>
  parameter?.gradValue ? gridOf(parameter.gradValue) : null;

/** The codes that the base's matrix is stored as; null for float32. */
function packedOf(run: Run, name: string) {
  const layer: Module = layerOf(run, name)?.original ?? run.model.getModule(name);
  return "packed" in layer ? (layer as QuantizedLinear).packed : null;
}

function magnitudeOf(run: Run, W0: NDArray, name: string): Looked["magnitude"] {
  const part = layerOf(run, name)?.adapters.get("default");
  if (part?.method !== "dora") return null;
  const [rows, columns] = W0.shape;
  return {
    m: Float32Array.from((part as DoRA).m.value.data),
    norms: Float32Array.from(rowNorms(W0.data, rows, columns)),
  };
}

/** How many of W0's numbers, divided by the largest of their block, fall into each bin of [-1, 1]. */
function histogramOf({ data }: NDArray, blockSize: number): Float32Array {
  const bins = new Float32Array(BINS);
  for (let start = 0; start < data.length; start += blockSize) {
    const block = data.subarray(start, start + blockSize);
    const largest = Math.max(...block.map(Math.abs)) || 1;
    for (const value of block) bins[Math.round(((value / largest + 1) / 2) * (BINS - 1))]++;
  }
  return bins;
}
