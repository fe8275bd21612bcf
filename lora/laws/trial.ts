/** @file The models that laws are tried on, made from a trial: one layer, known numbers, adapters that do something. */

import { matmul, noGrad, Tensor } from "../../autograd/index.ts";
import {
  array,
  currentPrecision,
  type FloatArray,
  type NDArray,
  type Random,
  random,
  unary,
} from "../../core/index.ts";
import { Conv1D, Conv2d, Embedding, Linear, Module } from "../../nn/index.ts";
import { DoRA } from "../dora.ts";
import type { AdapterConfig, Method } from "../methods.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import { inject } from "../model/inject.ts";
import { type LayerInput, viewWeight, type WeightView } from "../model/weight-view.ts";
import { hasOption } from "./concern.ts";
import type { Trial } from "./law.ts";

/** A model of one layer. */
export class OneLayer extends Module {
  layer: Module;

  constructor(layer: Module) {
    super();
    this.layer = layer;
  }

  forward(x: LayerInput): Tensor {
    return (this.layer as Module & { forward(x: LayerInput): Tensor }).forward(x);
  }
}

/** Numbers of the trial's kind. */
export const draw = ({ values }: Pick<Trial, "values">, rng: Random, length: number): Float32Array =>
  values === "dyadic"
    ? Float32Array.from({ length }, () => (rng.integer(9) - 4) / 4)
    : rng.uniform(length, -1, 1);

/** The plain model of a trial. */
export function plainModel(trial: Trial): OneLayer {
  const { out, in: into, site, seed } = trial;
  const rng = random(seed).split("layer");
  const layers = {
    linear: () => new Linear(into, out, { rng }),
    conv1d: () => new Conv1D(into, out, { rng }),
    embedding: () => new Embedding(into, out, { rng }),
    conv2d: () => new Conv2d(into, out, 2, { rng }),
  };
  const model = new OneLayer(layers[site]());
  for (const [name, parameter] of model.namedParameters())
    parameter.assign(draw(trial, rng.split(name), parameter.size));
  return model;
}

/** The trial's input: `batch` rows. */
export function inputOf(trial: Trial): LayerInput {
  const { in: into, batch, site, seed } = trial;
  const rng = random(seed).split("input");
  if (site === "embedding") {
    return { data: Int32Array.from({ length: 2 * batch }, () => rng.integer(into)), shape: [batch, 2] };
  }
  const shape = site === "conv2d" ? [batch, into, 3, 3] : [batch, into];
  return new Tensor(
    array(
      draw(
        trial,
        rng,
        shape.reduce((a, b) => a * b),
      ),
      shape,
    ),
  );
}

export const configOf = (
  { method, rank, alpha, seed }: Trial,
  other: Partial<AdapterConfig> = {},
): AdapterConfig =>
  ({
    method,
    rank,
    ...(hasOption(method, "alpha") && { alpha }),
    seed,
    target: "layer",
    ...other,
  }) as AdapterConfig;

/** The model with a new adapter "a". */
export const freshModel = (trial: Trial, other?: Partial<AdapterConfig>): AdaptedModel<OneLayer> =>
  inject(plainModel(trial), { ...configOf(trial, other), name: "a" });

/** The model with adapters of these names, each with values of its own; the first is active. */
export function trainedModel(trial: Trial, names: readonly string[] = ["a"]): AdaptedModel<OneLayer> {
  const model = inject(plainModel(trial), { ...configOf(trial), name: names[0] });
  for (const name of names.slice(1)) model.addAdapter(name, configOf(trial));
  for (const name of names) randomize(model, name, trial);
  return model;
}

/** Gives an adapter's parameters values of the trial's kind; magnitudes are positive. */
export function randomize(model: AdaptedModel, name: string, trial: Trial): void {
  for (const [field, parameter] of adapterOf(model, name).namedParameters()) {
    const values = draw(trial, random(trial.seed).split(name).split(field), parameter.size);
    parameter.assign(field === "m" ? values.map((value) => value + 1.25) : values);
  }
}

export const layerOf = (model: AdaptedModel): AdaptedLayer => model.layers.get("layer") as AdaptedLayer;

export const adapterOf = (model: AdaptedModel, name = "a") => {
  const adapter = layerOf(model).adapters.get(name);
  if (!adapter) throw new RangeError(`no adapter ${name}`);
  return adapter;
};

/** The output of the model for x. */
export const outputOf = (model: AdaptedModel | OneLayer, x: LayerInput): NDArray =>
  noGrad(() => (model.forward as (x: LayerInput) => Tensor).call(model, x).value);

/** max |a − b|; NaN, and different shapes, are infinitely far from everything. */
export function distance(a: NDArray, b: NDArray): number {
  if (a.size !== b.size) return Number.POSITIVE_INFINITY;
  const [x, y] = [a.data, b.data];
  let largest = 0;
  for (let i = 0; i < x.length; i++) {
    const d = Math.abs(x[i] - y[i]);
    if (!(d <= largest)) largest = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }
  return largest;
}

/** Relative rounding of one operation. */
export const unit = (): number => (currentPrecision() === "float64" ? 2 ** -53 : 2 ** -24);

/**
 * A bound on the rounding error of an output: with M ≥ |W0| + |terms of ΔW|, no partial sum exceeds |x| Mᵀ, and a product of in
 * and rank terms and the few steps around it round at most in + rank + 12 times. Two ways of computing it differ by
 * twice that.
 */
export function outputBound(model: AdaptedModel, names: readonly string[], x: LayerInput): number {
  const { W0 } = layerOf(model);
  const M = noGrad(() => magnitude(W0, model, names));
  const y = viewWeight(W0.withWeight(M.value)).project(absolute(x)).value.data;
  const ranks = names.reduce((sum, name) => sum + adapterOf(model, name).rank, 0);
  const largest = largestOf(y);
  return 2 * (W0.in + ranks + 12) * unit() * (largest + 1); // + 1: the bias
}

/** The same for an entry of W0 + Σ ΔW. */
export function weightBound(model: AdaptedModel, names: readonly string[]): number {
  const { W0 } = layerOf(model);
  const M = noGrad(() => magnitude(W0, model, names)).value.data;
  const ranks = names.reduce((sum, name) => sum + adapterOf(model, name).rank, 0);
  return 2 * (ranks + 12) * unit() * largestOf(M);
}

function largestOf(values: FloatArray): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, value);
  return largest;
}

function magnitude(W0: WeightView, model: AdaptedModel, names: readonly string[]): Tensor {
  const W = W0.weight().abs();
  return names.reduce((M, name) => {
    const adapter = adapterOf(model, name);
    const factors = adapter.factors();
    if (factors) return M.add(matmul(factors.B.abs(), factors.A.abs()));
    if (!(adapter instanceof DoRA)) return M.add(adapter.deltaWeight(W0).abs()).add(W);
    const V = W.add(matmul(adapter.B.abs(), adapter.A.abs()).mul(Math.abs(adapter.scaling)));
    return M.add(V.mul(adapter.gain(W0).abs().reshape(W0.out, 1))).add(W.mul(2)); //  g ∘ V' − W0, and W0 again
  }, W);
}

const absolute = (x: LayerInput): LayerInput => (x instanceof Tensor ? new Tensor(unary("abs", x.value)) : x);

/** Methods with ΔW = B A of rank r, linear in each factor. */
export const products: readonly Method[] = ["lora", "adalora", "lora-fa"];
