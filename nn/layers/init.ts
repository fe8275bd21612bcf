/** @file Initializations of weights, each with its paper, and the default generator of layers. */

import {
  array,
  type NDArray,
  type Random,
  random,
  type Shape,
  sizeOf,
  synchronous,
  zeros,
} from "../../core/index.ts";

let generator = random(0);

/** Seeds the default generator of layers. @param seed as for `random` */
export function manualSeed(seed: number): void {
  generator = random(seed);
}

/** The default generator of layers, seeded with 0 unless `manualSeed` is called: the same numbers in every run of a program. */
export const defaultRandom = (): Random => generator;

let drawing = true;

/** Runs `fn`, inside which new weights are zeros and nothing is drawn: for models whose weights are loaded next. */
export function withoutInit<T>(fn: () => T): T {
  const before = drawing;
  drawing = false;
  try {
    return synchronous("withoutInit", fn());
  } finally {
    drawing = before;
  }
}

/** Normal with mean 0: N(0, std²). */
export const normal = (rng: Random, shape: Shape, std: number): NDArray =>
  drawing ? array(rng.normal(sizeOf(shape), 0, std), shape) : zeros(shape);

/** Uniform on [−bound, bound). */
export const uniform = (rng: Random, shape: Shape, bound: number): NDArray =>
  drawing ? array(rng.uniform(sizeOf(shape), -bound, bound), shape) : zeros(shape);

/**
 * Kaiming-uniform with a = √5, PyTorch's default for linear layers and LoRA's for A: uniform on ±1/√fanIn
 * (He et al. 2015, arXiv:1502.01852: bound = √(6 / ((1 + a²) fanIn))).
 */
export const kaimingUniform = (rng: Random, shape: Shape, fanIn: number): NDArray =>
  uniform(rng, shape, fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0);

/**
 * Xavier-uniform (Glorot & Bengio 2010): uniform on ±√(6 / (fanIn + fanOut)). No layer here starts with it; it is for
 * models of your own: `layer.weight.assign(xavierUniform(rng, [out, in], in, out))`.
 */
export const xavierUniform = (rng: Random, shape: Shape, fanIn: number, fanOut: number): NDArray =>
  uniform(rng, shape, Math.sqrt(6 / (fanIn + fanOut)));
