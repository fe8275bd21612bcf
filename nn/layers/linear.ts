/** @file LinearLike, the interface at which adapters and quantization meet; Linear; GPT-2's Conv1D. */

import { add, linear, matmul, mT, type Parameter, parameter, type Tensor } from "../../autograd/index.ts";
import { ArgumentError, type NDArray, type Random, mT as transposed, zeros } from "../../core/index.ts";
import { type Layer, Module } from "../module/module.ts";
import { checkFlag, checkLayer } from "../module/options.ts";
import { defaultRandom, kaimingUniform, normal } from "./init.ts";

/** Anything that maps x to x Wᵀ + b: what adapters adapt, and what quantization replaces. */
export interface LinearLike extends Layer {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: Tensor | null;
  /** W [out, in], dense, whatever the layer stores. */
  denseWeight(): Tensor;
  /** x Wᵀ without the bias, [..., in] → [..., out], by whatever means is cheapest. */
  project(x: Tensor): Tensor;
  /** A layer of the same kind and layout, with the same bias, that holds W [out, in] (quantized again if this one is). */
  withWeight(W: NDArray): LinearLike;
  /** x Mᵀ for a matrix M [n, k], when the layer does not compute in float32: adapters on it compute as it does. */
  times?(x: Tensor, M: Tensor): Tensor;
  /** y + b, when the layer does not compute in float32. */
  addBias?(y: Tensor): Tensor;
}

/** True for layers that map x to x Wᵀ + b. */
export const isLinearLike = (module: Module): module is Module & LinearLike =>
  "denseWeight" in module && "project" in module && "withWeight" in module;

export interface LinearOptions {
  readonly bias?: boolean;
  /** Where initial weights come from; see `manualSeed`. */
  readonly rng?: Random;
  /** When given, W starts as N(0, std²) and b as 0, as in transformers' models. */
  readonly std?: number;
}

/** y = x Wᵀ + b. x [..., in], W [out, in], b [out]. W and b start uniform on ±1/√in, as in PyTorch, or see `std`. */
export class Linear extends Module implements LinearLike {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;

  /** @throws ArgumentError unless both sizes are positive integers, and on an unknown option */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    checkLayer("Linear", options, ["bias", "rng", "std"]);
    const { bias = true, rng = defaultRandom(), std } = options;
    checkFlag("Linear", "bias", bias);
    checkSizes("Linear", { inFeatures, outFeatures });
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    const [W, b] = [[outFeatures, inFeatures], [outFeatures]];
    this.weight = parameter(std === undefined ? kaimingUniform(rng, W, inFeatures) : normal(rng, W, std));
    const initialBias = (): NDArray => (std === undefined ? kaimingUniform(rng, b, inFeatures) : zeros(b));
    this.bias = bias ? parameter(initialBias()) : null;
  }

  /** A layer around parameters that exist: the same ones, so that a head can be tied to an embedding. */
  static of(weight: Parameter, bias: Parameter | null = null): Linear {
    const [outFeatures, inFeatures] = weight.shape;
    const layer: Linear = Object.create(Linear.prototype);
    return Object.assign(layer, { training: true, inFeatures, outFeatures, weight, bias });
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  project(x: Tensor): Tensor {
    return linear(x, this.weight);
  }

  denseWeight(): Tensor {
    return this.weight;
  }

  withWeight(W: NDArray): Linear {
    const layer: Linear = Object.assign(Object.create(Object.getPrototypeOf(this)), this);
    layer.weight = parameterLike(this.weight, W);
    return layer;
  }

  override describe(): string {
    return `${this.inFeatures} → ${this.outFeatures}`;
  }
}

/** GPT-2's linear layer: y = x W + b with W stored [in, out]. Starts as GPT-2 does: W ~ N(0, 0.02²), b = 0. */
export class Conv1D extends Module implements LinearLike {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter;

  /** @throws ArgumentError unless both sizes are positive integers, and on an unknown option */
  constructor(
    inFeatures: number,
    outFeatures: number,
    options: { readonly rng?: Random; readonly std?: number } = {},
  ) {
    super();
    checkLayer("Conv1D", options, ["rng", "std"]);
    const { rng = defaultRandom(), std = 0.02 } = options;
    checkSizes("Conv1D", { inFeatures, outFeatures });
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = parameter(normal(rng, [inFeatures, outFeatures], std));
    this.bias = parameter(zeros([outFeatures]));
  }

  /** A layer around parameters that exist: weight [in, out], bias [out]. */
  static of(weight: Parameter, bias: Parameter): Conv1D {
    const [inFeatures, outFeatures] = weight.shape;
    const layer: Conv1D = Object.create(Conv1D.prototype);
    return Object.assign(layer, { training: true, inFeatures, outFeatures, weight, bias });
  }

  forward(x: Tensor): Tensor {
    return add(this.project(x), this.bias);
  }

  project(x: Tensor): Tensor {
    return matmul(x, this.weight);
  }

  denseWeight(): Tensor {
    return mT(this.weight);
  }

  withWeight(W: NDArray): Conv1D {
    const layer: Conv1D = Object.assign(Object.create(Object.getPrototypeOf(this)), this);
    layer.weight = parameterLike(this.weight, transposed(W));
    return layer;
  }

  override describe(): string {
    return `${this.inFeatures} → ${this.outFeatures}`;
  }
}

/** True for the linear layers whose weight is a plain parameter: Linear, Conv1D, and classes that extend them. */
export const isDenseLinear = (module: Module): module is Linear | Conv1D =>
  module instanceof Linear || module instanceof Conv1D;

/** A new parameter with these values, trainable if `before` is. */
export function parameterLike(before: Parameter, values: NDArray): Parameter {
  const after = parameter(values);
  after.requiresGrad = before.requiresGrad;
  return after;
}

/** Throws unless every size is a positive integer. */
export function checkSizes(who: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || size <= 0)
      throw new ArgumentError(who, `${name} a positive integer`, { [name]: size });
  }
}
