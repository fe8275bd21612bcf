/** @file RMS norm (Zhang & Sennrich, 2019, arXiv:1910.07467). */

import { type Parameter, parameter, rmsNorm, type Tensor } from "../../autograd/index.ts";
import { ArgumentError, ones } from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import { checkSizes } from "./linear.ts";

/** RMS norm: y = w ∘ x / √(mean x² + eps) along the last axis. x [..., n], w [n], which starts at 1. */
export class RMSNorm extends Module {
  readonly eps: number;
  weight: Parameter;

  /**
   * @param n length of the last axis
   * @param options eps: by default 1e-6
   * @throws ArgumentError unless n is a positive integer and eps ≥ 0, and on an unknown option
   */
  constructor(n: number, options: { readonly eps?: number } = {}) {
    super();
    checkLayer("RMSNorm", options, ["eps"]);
    const { eps = 1e-6 } = options;
    checkSizes("RMSNorm", { n });
    if (!(typeof eps === "number" && eps >= 0 && eps < Infinity))
      throw new ArgumentError("RMSNorm", "eps ≥ 0", { eps });
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
