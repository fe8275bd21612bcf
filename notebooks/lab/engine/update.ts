/** @file ΔW of a run's matrices: as a matrix, as a product of factors, and by its singular values. */
import { noGrad } from "lowrank/autograd";
import { array, concat, contiguous, mT, type NDArray, qr, scope, svd } from "lowrank/core";
import type { AdaptedLayer, AdaptedModel } from "lowrank/lora";
import type { Linear, Llama } from "lowrank/nn";
import type { Run } from "./run.ts";
import { singularValues } from "./singular-values.ts";
import type { Controls, Matrix } from "./types.ts";

/** Singular values that are told of each matrix, at most. */
export const MOST_VALUES = 32;

/** The adapted layer of that name; null where the method has none. */
export const layerOf = ({ adapted }: Run, name: string): AdaptedLayer | null =>
  adapted?.layers.get(name) ?? null;

/** W0 of the base as it was before anything was done to it [out, in]. */
export const originalWeight = (original: Llama, name: string): NDArray =>
  (original.getModule(name) as Linear).weight.value;

/** ΔW [out, in]. */
export function deltaOf(run: Run, original: Llama, { name }: Matrix): NDArray {
  const layer = layerOf(run, name);
  if (layer) return noGrad(() => layer.delta("default").value);
  const W0 = originalWeight(original, name);
  if (run.controls.method !== "full") return array(new Float32Array(W0.size), W0.shape);
  const W = originalWeight(run.model, name).data;
  return array(
    W.map((value, i) => value - W0.data[i]),
    W0.shape,
  );
}

/** The largest singular values of ΔW of every matrix, in falling order. */
export const spectraOf = (run: Run, original: Llama): number[][] =>
  run.matrices.map((matrix) => scope(() => spectrumOf(run, original, matrix)));

function spectrumOf(run: Run, original: Llama, matrix: Matrix): number[] {
  const count = Math.min(matrix.out, matrix.in, MOST_VALUES);
  const layer = layerOf(run, matrix.name);
  const factors = layer && factorsOfDelta(run, layer, matrix.name);
  const S = factors
    ? ofProduct(factors.B, factors.A)
    : singularValues(deltaOf(run, original, matrix).data, matrix.out, matrix.in);
  return Array.from({ length: count }, (_, i) => S[i] ?? 0);
}

/** A matrix as a product B A; the scaling is in B. */
export interface Factors {
  readonly A: NDArray; // [r, in]
  readonly B: NDArray; // [out, r]
}

/** ΔW as a product, where it is one: s B A, and for a start that W0's residual makes up for, s B A − s B₀ A₀. */
function factorsOfDelta(run: Run, layer: AdaptedLayer, name: string): Factors | null {
  const now = productOf(layer);
  if (!now || layer.residuals.size === 0) return now;
  const start = run.starts.get(name);
  if (!start) return null;
  const B0 = array(
    start.B.data.map((value) => -value),
    start.B.shape,
  );
  return { A: concat([now.A, start.A], 0), B: concat([now.B, B0], 1) };
}

function productOf(layer: AdaptedLayer): Factors | null {
  const factors = noGrad(() => layer.adapters.get("default")?.factors());
  return factors ? { A: factors.A.value, B: factors.B.value } : null;
}

/** B₀ and A₀ of PiSSA and OLoRA by matrix. On a quantized base the residual is rounded, and ΔW is no product. */
export function startsOf(adapted: AdaptedModel | null, { method, format }: Controls): Map<string, Factors> {
  if (!adapted || format !== "float32" || (method !== "pissa" && method !== "olora")) return new Map();
  const copy = ({ data, shape }: NDArray): NDArray => array(Float32Array.from(data), shape);
  return new Map(
    Array.from(adapted.layers, ([name, layer]) => {
      const { A, B } = productOf(layer) as Factors;
      return [name, { A: copy(A), B: copy(B) }];
    }),
  );
}

/** Singular values of B A, exactly: B = Q₁ R₁ and Aᵀ = Q₂ R₂ leave those of R₁ R₂ᵀ [r, r]. */
function ofProduct(B: NDArray, A: NDArray): Float64Array {
  const [left, right] = [triangle(B), triangle(contiguous(mT(A)))];
  const [m, n] = [left.rows, right.rows];
  const inner = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let k = Math.max(i, j); k < left.columns; k++)
        inner[i * n + j] += left.R[i * left.columns + k] * right.R[j * right.columns + k];
  return svd(inner, m, n).S;
}

function triangle({ data, shape: [rows, columns] }: NDArray) {
  return { R: qr(data, rows, columns).R, rows: Math.min(rows, columns), columns };
}
