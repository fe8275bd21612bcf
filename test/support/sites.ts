/** @file Layers of every kind that adapters go on, small, with an input each. */

import * as fc from "fast-check";
import { type Parameter, Tensor } from "lowrank/autograd";
import { array, indices, type NDArray, random, sizeOf } from "lowrank/core";
import { type Adapter, type LayerInput, viewWeight, type WeightView } from "lowrank/lora";
import { Conv1D, Conv1d, Conv2d, Embedding, Linear, type Module } from "lowrank/nn";

export const kinds = ["Linear", "Conv1D", "Embedding", "Conv1d", "Conv2d"] as const;

export interface Layer {
  readonly kind: (typeof kinds)[number];
  readonly layer: Module & { readonly weight: Parameter; forward(x: LayerInput): Tensor };
  readonly site: WeightView;
  readonly input: LayerInput;
}

/** What a layer is drawn from; `build` makes it, in the precision in use. */
export interface Draw {
  readonly kind: Layer["kind"];
  readonly inner: number;
  readonly outer: number;
  readonly groups: number;
  readonly stride: number;
  readonly rows: number;
  readonly seed: number;
}

export const draws = (only: readonly Layer["kind"][] = kinds): fc.Arbitrary<Draw> =>
  fc.record({
    kind: fc.constantFrom(...only),
    inner: fc.integer({ min: 1, max: 5 }),
    outer: fc.integer({ min: 1, max: 5 }),
    groups: fc.integer({ min: 1, max: 2 }),
    stride: fc.integer({ min: 1, max: 2 }),
    rows: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat(1_000_000),
  });

/** A frozen layer with |W| from 1 to 2, so that no row of W is small, and an input with |x| ≤ 1. */
export function build({ kind, inner, outer, groups, stride, rows, seed }: Draw): Layer {
  const rng = random(seed);
  const [into, out] = [inner * groups, outer * groups];
  const convolution = { stride, padding: 1, groups };
  const layers = {
    Linear: () => new Linear(inner, outer),
    Conv1D: () => new Conv1D(inner, outer),
    Embedding: () => new Embedding(inner, outer),
    Conv1d: () => new Conv1d(into, out, 3, convolution),
    Conv2d: () => new Conv2d(into, out, [2, 3], convolution),
  };
  const inputs = {
    Linear: () => numbers([rows, inner]),
    Conv1D: () => numbers([2, rows, inner]),
    Embedding: () => indices(Array.from({ length: rows }, () => rng.bits() % inner)),
    Conv1d: () => numbers([rows, into, 4]),
    Conv2d: () => numbers([rows, into, 3, 4]),
  };
  const numbers = (shape: readonly number[]): Tensor => new Tensor(drawn(rng.bits(), shape, 0, 1));
  const layer = layers[kind]() as Module as Layer["layer"];
  for (const parameter of layer.parameters()) parameter.assign(drawn(rng.bits(), parameter.shape, 1, 2));
  layer.requiresGrad_(false);
  return { kind, layer, site: viewWeight(layer), input: inputs[kind]() };
}

/** Values with low ≤ |x| < high, of both signs. */
export function drawn(seed: number, shape: readonly number[], low: number, high: number): NDArray {
  const rng = random(seed);
  const size = sizeOf(shape);
  const data = rng.uniform(size, low, high);
  return array(
    Float64Array.from(data, (x) => (rng.bits() % 2 === 0 ? x : -x)),
    shape,
  );
}

/** Gives every parameter of an adapter values with |x| ≤ 1/4: at their first ones every method agrees with its base. */
export function randomize(adapter: Adapter, seed: number): void {
  for (const [i, parameter] of adapter.parameters().entries())
    parameter.assign(drawn(seed + i, parameter.shape, 0, 0.25));
}

/** The layer's output with the adapter on it. */
export function adapted({ site, input }: Pick<Layer, "site" | "input">, adapter: Adapter): Tensor {
  const Wx = site.project(input);
  return site.addBias(Wx.add(adapter.update(site, input, Wx)));
}

/** The output of a plain layer that holds W + ΔW. */
export function merged({ site, input }: Pick<Layer, "site" | "input">, adapter: Adapter): Tensor {
  const layer = site.withWeight(site.weight().add(adapter.deltaWeight(site)).value) as Layer["layer"];
  return layer.forward(input);
}

/** The largest |a − b|. @throws when the shapes differ */
export function distance(a: Tensor | NDArray, b: Tensor | NDArray): number {
  const [x, y] = [a, b].map((one) => (one instanceof Tensor ? one.value : one));
  if (x.shape.join() !== y.shape.join()) throw new Error(`shapes [${x.shape}] and [${y.shape}]`);
  const [X, Y] = [x.data, y.data];
  let most = 0;
  for (let i = 0; i < X.length; i++) most = Math.max(most, Math.abs(X[i] - Y[i])); // NaN stays
  return most;
}
