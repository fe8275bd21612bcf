/** @file Layer norm (Ba, Kiros & Hinton, 2016, arXiv:1607.06450). */

import { layerNorm, type Parameter, parameter, type Tensor } from "../../autograd/index.ts";
import { ArgumentError, ones, zeros } from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import { checkSizes } from "./linear.ts";

/** Layer norm: y = w ∘ (x − mean) / √(var + eps) + b along the last axis. x [..., n], w and b [n], which start at 1 and 0. */
export class LayerNorm extends Module {
  readonly eps: number;
  weight: Parameter;
  bias: Parameter;

  /**
   * @param n length of the last axis
   * @param options eps: by default 1e-5
   * @throws ArgumentError unless n is a positive integer and eps ≥ 0, and on an unknown option
   */
  constructor(n: number, options: { readonly eps?: number } = {}) {
    super();
    checkLayer("LayerNorm", options, ["eps"]);
    const { eps = 1e-5 } = options;
    checkSizes("LayerNorm", { n });
    if (!(typeof eps === "number" && eps >= 0 && eps < Infinity))
      throw new ArgumentError("LayerNorm", "eps ≥ 0", { eps });
    this.eps = eps;
    this.weight = parameter(ones([n]));
    this.bias = parameter(zeros([n]));
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.eps);
  }

  override describe(): string {
    return `${this.weight.shape[0]}, eps ${this.eps}`;
  }
}
