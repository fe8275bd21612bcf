/**
 * @file The merged weight W0 + Σ w ΔW of a layer, part by part, so that a weight of any size takes a few megabytes: each
 * part is a smaller layer with a part of the adapter, and the library's own merge computes it.
 *
 *     rows of W [out, in]        every row of ΔW depends on its row of W0, B and m alone       all of PEFT's methods
 *     columns of W               column j of ΔW = s B A is s B a_j, whatever W0 is             all of them but DoRA
 *
 * A file has the rows of W side by side, except where it stores Wᵀ: there (Conv1D, embeddings) it has the columns.
 */

import { noGrad, Parameter } from "../../../autograd/index.ts";
import {
  binary,
  type FloatArray,
  fromHost,
  mT,
  type NDArray,
  reshape,
  type Shape,
  scope,
  sizeOf,
  slice,
  withPrecision,
} from "../../../core/index.ts";
import { Conv1D, Embedding, Linear, parameterLike } from "../../../nn/index.ts";
import { type AdaptedLayer, adaptedLayer } from "../../model/adapted-layer.ts";
import type { Adapter } from "../../model/adapter.ts";
import { formFor } from "../methods.ts";

/** The factor of each adapter's ΔW, by its name. */
export type AdapterWeights = ReadonlyMap<string, number>;

/** A part of a merged weight, as the file stores it: rows of its tensor. */
export interface MergedPart {
  /** The first element of the part, counted in the file's tensor. */
  readonly from: number;
  /** W0, Σ w ΔW, and their sum in the precision of W0, in the order of the file's tensor. */
  readonly before: FloatArray;
  readonly delta: FloatArray;
  readonly after: FloatArray;
}

/** Reads the elements `from` to before `to` of the base's tensor. */
export type ReadElements = (from: number, to: number) => FloatArray;

/**
 * Computes the merged weight of a layer in parts of about `most` elements.
 * @param shape of the tensor in the file
 * @param read reads W0 as the file has it
 */
export function* mergedParts(
  layer: AdaptedLayer,
  weights: AdapterWeights,
  shape: Shape,
  read: ReadElements,
  most: number,
): Generator<MergedPart> {
  const isTransposed = layer.original instanceof Conv1D || layer.original instanceof Embedding;
  const axis = isTransposed ? "in" : "out";
  const names = [...weights.keys()].filter((name) => layer.adapters.has(name));
  const rows = shape[0];
  const width = sizeOf(shape.slice(1));
  const parts = names.map((name) => layer.adapters.get(name) as Adapter);
  const isKnown = layer.residuals.size === 0 && parts.every(({ method }) => formFor(method) !== undefined);
  const isDivisible = isKnown && (axis === "out" || parts.every((adapter) => adapter.factors() !== null));
  const step = isDivisible ? Math.max(1, Math.floor(most / Math.max(1, width))) : rows;
  for (let first = 0; first < rows; first += step) {
    const last = Math.min(rows, first + step);
    const before = read(first * width, last * width);
    const merge = (): MergedPart =>
      scope(() => {
        const W = fromHost(before, [last - first, width]);
        const part = isKnown ? partOf(layer, names, axis, first, last, isTransposed ? mT(W) : W) : layer;
        const { delta, merged } = mergedWeight(part, names, weights); // [out, in]
        const inFile = (M: NDArray): FloatArray => (isTransposed ? mT(M) : M).data.slice();
        return { from: first * width, before, delta: inFile(delta), after: inFile(merged) };
      });
    yield before instanceof Float64Array ? withPrecision("float64", merge) : merge();
  }
}

/** Σ w ΔW and W0 + Σ w ΔW over `names` [out, in], summed in the order of `AdaptedLayer.mergedWeight`. */
function mergedWeight(layer: AdaptedLayer, names: readonly string[], weights: AdapterWeights) {
  const sum = (a: NDArray, b: NDArray): NDArray => binary("add", a, b);
  return noGrad(() => {
    const deltas = names.map((name) => {
      const weight = weights.get(name) as number;
      const delta = layer.delta(name);
      return (weight === 1 ? delta : delta.mul(weight)).value;
    });
    const isPlain = layer.residuals.size === 0 || names.some((name) => weights.get(name) !== 1);
    return {
      delta: deltas.reduce(sum),
      merged: isPlain ? deltas.reduce(sum, layer.W0.weight().value) : layer.mergedWeight(names),
    };
  });
}

/** The layer's rows (or columns) `from` to before `to`, as a linear layer W [out, in] with that part of the adapters. */
function partOf(
  layer: AdaptedLayer,
  names: readonly string[],
  axis: "in" | "out",
  from: number,
  to: number,
  W: NDArray,
): AdaptedLayer {
  const part = adaptedLayer(Linear.of(new Parameter(W)));
  for (const name of names)
    part.addAdapter(name, adapterPart(layer.adapters.get(name) as Adapter, axis, from, to));
  return part;
}

/** An adapter of the same method with a part of the parameters. */
function adapterPart(adapter: Adapter, axis: "in" | "out", from: number, to: number): Adapter {
  const part: Adapter = Object.assign(Object.create(Object.getPrototypeOf(adapter)), adapter);
  const { tensors } = formFor(adapter.method) as NonNullable<ReturnType<typeof formFor>>;
  const sizes = { rank: 1, out: 2, in: 2, channels: 2, kernel: [] };
  for (const [name, { shape }] of Object.entries(tensors)) {
    const grown = axis === "out" ? { ...sizes, out: 3 } : { ...sizes, in: 3, channels: 3 };
    const at = shape(sizes).findIndex((length, i) => length !== shape(grown)[i]);
    if (at < 0) continue; // of every part, such as A of rows
    const whole = (part as unknown as Record<string, Parameter>)[name];
    (part as unknown as Record<string, Parameter>)[name] = parameterLike(
      whole,
      slice(matrixOf(whole), at, from, to),
    );
  }
  return part;
}

/** A parameter as a matrix or a vector: convolutions' factors have more axes in files, not here. */
const matrixOf = ({ value }: Parameter): NDArray =>
  value.rank <= 2 ? value : reshape(value, [value.shape[0], sizeOf(value.shape.slice(1))]);
