/**
 * @file Linear layers: LinearLike, the interface at which adapters and quantization meet; Linear; and Conv1D, GPT-2's
 * linear layer with a transposed weight. (Conv1D is no convolution: that is Conv1d, in conv.ts.)
 */

import { add, linear, matmul, mT, type Parameter, parameter, type Tensor } from "../../autograd/index.ts";
import { ArgumentError, type NDArray, type Random, mT as transposed, zeros } from "../../core/index.ts";
import { type Layer, Module } from "../module/module.ts";
import { checkFlag, checkLayer } from "../module/options.ts";
import { defaultRandom, kaimingUniform, normal } from "./init.ts";

/** Any layer that maps x to x Wᵀ + b, however W is stored. Adapters adapt such layers, and quantization replaces them. */
export interface LinearLike extends Layer {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: Tensor | null;
  /** W [out, in] as a dense tensor, however the layer stores it. */
  denseWeight(): Tensor;
  /** x Wᵀ without the bias, [..., in] → [..., out]. */
  project(x: Tensor): Tensor;
  /** A layer of the same kind and layout, with the same bias, that holds W [out, in]. A quantized layer quantizes W. */
  withWeight(W: NDArray): LinearLike;
  /** x Mᵀ for a matrix M [n, k], when the layer does not compute in float32: adapters on it compute as it does. */
  times?(x: Tensor, M: Tensor): Tensor;
  /** y + b, when the layer does not compute in float32. */
  addBias?(y: Tensor): Tensor;
}

/** True for layers that map x to x Wᵀ + b. */
export const isLinearLike = (module: Module): module is Module & LinearLike =>
  "denseWeight" in module && "project" in module && "withWeight" in module;

/** The options of `Linear`. */
export interface LinearOptions {
  /** Whether the layer has a bias b. @default true */
  readonly bias?: boolean;
  /** Generator of the initial weights. @default that of `manualSeed` */
  readonly rng?: Random;
  /** W starts as N(0, std²) and b as 0, as in transformers' models. @default W and b start uniform on ±1/√in */
  readonly std?: number;
}

/**
 * The linear layer y = x Wᵀ + b: x [..., in], W [out, in], b [out]. W and b start uniform on ±1/√in, as in PyTorch, or as
 * `std` says.
 *
 * @example
 * const layer = new Linear(768, 3072);
 * const y = layer.forward(x); //                 [..., 768] → [..., 3072]
 */
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

  /** A layer around existing parameters, not copies of them: so a head can share the weight of an embedding. */
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

/**
 * GPT-2's linear layer: y = x W + b with W stored [in, out], the transpose of Linear's. Starts as GPT-2 does:
 * W ~ N(0, 0.02²), b = 0. The name is transformers'; it is no convolution (that is Conv1d).
 */
export class Conv1D extends Module implements LinearLike {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter;

  /** @throws ArgumentError unless both sizes are positive integers, and on an unknown option */
  constructor(inFeatures: number, outFeatures: number, options: Pick<LinearOptions, "rng" | "std"> = {}) {
    super();
    checkLayer("Conv1D", options, ["rng", "std"]);
    const { rng = defaultRandom(), std = 0.02 } = options;
    checkSizes("Conv1D", { inFeatures, outFeatures });
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = parameter(normal(rng, [inFeatures, outFeatures], std));
    this.bias = parameter(zeros([outFeatures]));
  }

  /** A layer around existing parameters: weight [in, out], bias [out]. */
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

/** A new parameter with these values, trainable if and only if `before` is. */
export function parameterLike(before: Parameter, values: NDArray): Parameter {
  const after = parameter(values);
  after.requiresGrad = before.requiresGrad;
  return after;
}

/** @throws ArgumentError unless every size is a positive integer */
export function checkSizes(who: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || size <= 0)
      throw new ArgumentError(who, `${name} a positive integer`, { [name]: size });
  }
}
