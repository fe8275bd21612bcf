/** @file Initializations of weights, each with its paper, and the default generator of layers. */

import {
  array,
  deferredStorage,
  NDArray,
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

/** What new weights are: drawn; zeros; or without memory, their values to come from elsewhere. */
let weights: "drawn" | "zeros" | "deferred" = "drawn";

function withWeights<T>(who: string, next: typeof weights, fn: () => T): T {
  const before = weights;
  weights = next;
  try {
    return synchronous(who, fn());
  } finally {
    weights = before;
  }
}

/** Runs `fn`, inside which new weights are zeros and nothing is drawn: for models whose weights are loaded next. */
export const withoutInit = <T>(fn: () => T): T => withWeights("withoutInit", "zeros", fn);

/**
 * Runs `fn`, inside which new weights, biases not counted, take no memory: for a model whose weights stay in a file. Each
 * is a `deferredStorage` of lowrank/core, which has to be told where its values are.
 */
export const withDeferredWeights = <T>(fn: () => T): T => withWeights("withDeferredWeights", "deferred", fn);

/** True where initial values matter: not inside `withoutInit`, where they are replaced next. */
export const isInitializing = (): boolean => weights === "drawn";

const blank = (shape: Shape): NDArray =>
  weights === "zeros" ? zeros(shape) : new NDArray(deferredStorage(sizeOf(shape)), shape);

/** Normal with mean 0: N(0, std²). */
export const normal = (rng: Random, shape: Shape, std: number): NDArray =>
  weights === "drawn" ? array(rng.normal(sizeOf(shape), 0, std), shape) : blank(shape);

/** Uniform on [−bound, bound). */
export const uniform = (rng: Random, shape: Shape, bound: number): NDArray =>
  weights === "drawn" ? array(rng.uniform(sizeOf(shape), -bound, bound), shape) : blank(shape);

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
