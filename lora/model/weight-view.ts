/**
 * @file WeightView: a layer seen as one matrix W [out, in], whatever the layer is, so that each method is written once.
 *
 *     linear, Conv1D, quantized    W = denseWeight()                   A x = x Aᵀ
 *     embedding                    W = tableᵀ [dim, num]               A x = the columns of A that the ids name
 *     convolution                  W = kernel [out, in/groups · k]     A x = the convolution with A's rows as kernels
 *
 * For a convolution that is PEFT's form: A has the layer's stride, padding and dilation, B is pointwise. With groups,
 * all groups share A; in PEFT's form there, A sees all channels and B is grouped (peft/forms/lora-grouped.ts),
 * which the former is written as, of rank groups r.
 */

import { concat, linear, matmul, mT, mul, reshape, type Tensor, takeRows } from "../../autograd/index.ts";
import {
  AdapterError,
  type IndexLike,
  type NDArray,
  mT as transposed,
  reshape as withShape,
} from "../../core/index.ts";
import {
  Conv1d,
  Conv2d,
  conv1d,
  conv2d,
  Embedding,
  isLinearLike,
  type LinearLike,
  type Module,
  overrides,
} from "../../nn/index.ts";

/** The input of a layer: activations, or ids for an embedding. */
export type LayerInput = Tensor | IndexLike;

/** A layer as one matrix W [out, in]: its size, its products, and a layer like it with another weight. */
export interface WeightView {
  readonly kind: "linear" | "embedding" | "convolution";
  /** The size of the matrix: W [out, in]. */
  readonly out: number;
  readonly in: number;
  /** For a convolution: the lengths of its kernel, and its groups. */
  readonly convolution?: { readonly kernel: readonly number[]; readonly groups: number };
  /** W [out, in], dense. */
  weight(): Tensor;
  /** A number that changes with every in-place change of W. */
  version(): number;
  /** W x, without the bias: [..., out]; images [batch, out, ...]. */
  project(x: LayerInput): Tensor;
  /** A x for A [r, in]: [..., r]; images [batch, r, ...]. With groups each applies A: [batch, groups r, ...], or A is
   * [r, groups in] over all of them. */
  down(x: LayerInput, A: Tensor): Tensor;
  /** B z for B [out, r] and z = A x from `down`: [..., out]; images [batch, out, ...]. */
  up(z: Tensor, B: Tensor): Tensor;
  /** g ∘ y, with one factor g [out] for each output. */
  scaleOutput(y: Tensor, g: Tensor): Tensor;
  /** y + v, with one summand v [out] for each output. */
  shiftOutput(y: Tensor, v: Tensor): Tensor;
  /** y + b, b the layer's bias, if it has one. */
  addBias(y: Tensor): Tensor;
  /** A layer of the same kind, with the same bias, that holds W [out, in]. */
  withWeight(W: NDArray): Module;
}

/**
 * Wraps `layer` as a weight matrix.
 * @param name of the layer, for the error
 * @throws AdapterError when it is of no kind that an adapter can go on, or has a forward of its own
 */
export function viewWeight(layer: Module, name = layer.constructor.name): WeightView {
  checkComputation(layer, name);
  if (isLinearLike(layer)) return ofLinear(layer);
  if (layer instanceof Embedding) return ofEmbedding(layer);
  if (layer instanceof Conv1d) {
    return ofConvolution(layer, (x, W, groups) => conv1d(x, W, null, { ...layer.options, groups }));
  }
  if (layer instanceof Conv2d) {
    return ofConvolution(layer, (x, W, groups) => conv2d(x, W, null, { ...layer.options, groups }));
  }
  throw new AdapterError(
    `inject: expected a linear, embedding or convolution layer at ${name}; got ${layer.constructor.name}`,
  );
}

/**
 * Adapters compute beside W x, and merging changes W: a layer that computes more than W x + b would do so to one of the
 * two only.
 * @throws AdapterError naming what the layer's class overrides
 */
function checkComputation(layer: Module, name: string): void {
  const changed = overrides(layer);
  if (changed.length === 0) return;
  throw new AdapterError(
    `inject: expected a layer whose weight says all that it computes at ${name}; got ${layer.constructor.name}, with ` +
      `${changed.join(" and ")} of its own, which an adapter would go past. Do what else it does in a module around ` +
      "the layer, implement LinearLike in full (forward, project, denseWeight, withWeight), or exclude it",
  );
}

/** The number of in-place changes of the layer's parameters so far. */
const versionOf = (layer: Module): number =>
  layer.parameters().reduce((sum, { value }) => sum + value.storage.version, 0);

function ofLinear(layer: LinearLike): WeightView {
  const times = (x: Tensor, M: Tensor): Tensor => (layer.times ? layer.times(x, M) : linear(x, M));
  return {
    kind: "linear",
    out: layer.outFeatures,
    in: layer.inFeatures,
    weight: () => layer.denseWeight(),
    version: () => versionOf(layer),
    project: (x) => layer.project(x as Tensor),
    down: (x, A) => times(x as Tensor, A),
    up: times,
    scaleOutput: (y, g) => mul(y, g),
    shiftOutput: (y, v) => y.add(v),
    addBias: (y) => layer.addBias?.(y) ?? (layer.bias ? y.add(layer.bias) : y),
    withWeight: (W) => layer.withWeight(W),
  };
}

function ofEmbedding(layer: Embedding): WeightView {
  return {
    kind: "embedding",
    out: layer.embeddingDim,
    in: layer.numEmbeddings,
    weight: () => mT(layer.weight),
    version: () => versionOf(layer),
    project: (ids) => layer.forward(ids as IndexLike),
    down: (ids, A) => takeRows(mT(A), ids as IndexLike),
    up: (z, B) => linear(z, B),
    scaleOutput: (y, g) => mul(y, g),
    shiftOutput: (y, v) => y.add(v),
    addBias: (y) => y,
    withWeight: (W) => layer.withWeight(transposed(W)),
  };
}

function ofConvolution(
  layer: Conv1d | Conv2d,
  convolve: (x: Tensor, kernel: Tensor, groups: number) => Tensor,
): WeightView {
  const [out, ...rest] = layer.weight.shape; //                  [out, in/groups, k...]
  const { groups = 1 } = layer.options;
  const into = rest.reduce((product, length) => product * length, 1);
  const perUnit = (v: Tensor): Tensor => reshape(v, [out, ...rest.slice(1).map(() => 1)]);
  return {
    kind: "convolution",
    out,
    in: into,
    convolution: { kernel: rest.slice(1), groups },
    weight: () => reshape(layer.weight, [out, into]),
    version: () => versionOf(layer),
    project: (x) => convolve(x as Tensor, layer.weight, groups),
    down(x, A) {
      const isAcross = A.shape[1] === groups * into; //          A over the channels of all groups
      const [channels, ...lengths] = rest;
      const kernel = reshape(A, [A.shape[0], isAcross ? groups * channels : channels, ...lengths]);
      if (isAcross) return convolve(x as Tensor, kernel, 1); //  [batch, r, ...]
      return convolve(x as Tensor, concat(Array(groups).fill(kernel), 0), groups); // [batch, groups r, ...]
    },
    up(z, B) {
      const [batch, , ...extent] = z.shape;
      const r = B.shape[1];
      const Z = reshape(z, [batch, groups, r, extent.reduce((product, length) => product * length, 1)]);
      return reshape(matmul(reshape(B, [groups, out / groups, r]), Z), [batch, out, ...extent]);
    },
    scaleOutput: (y, g) => mul(y, perUnit(g)),
    shiftOutput: (y, v) => y.add(perUnit(v)),
    addBias: (y) => (layer.bias ? y.add(perUnit(layer.bias)) : y),
    withWeight: (W) => layer.withWeight(withShape(W, layer.weight.shape)),
  };
}
