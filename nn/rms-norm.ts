/** @file RMS norm (Zhang & Sennrich, 2019, arXiv:1910.07467). */

import { type Parameter, parameter, rmsNorm, type Tensor } from "../autograd/index.ts";
import { ones } from "../core/index.ts";
import { checkSizes } from "./linear.ts";
import { Module } from "./module.ts";

/** y = w ∘ x / √(mean x² + eps) along the last axis. x [..., n], w [n], which starts at 1. */
export class RMSNorm extends Module {
  readonly eps: number;
  weight: Parameter;

  constructor(n: number, { eps = 1e-6 }: { readonly eps?: number } = {}) {
    super();
    checkSizes("RMSNorm", { n });
    this.eps = eps;
    this.weight = parameter(ones([n]));
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, this.eps);
  }

  override describe(): string {
    return `${this.weight.shape[0]}, eps ${this.eps}`;
  }
}
