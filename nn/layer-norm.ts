/** @file Layer norm (Ba, Kiros & Hinton, 2016, arXiv:1607.06450). */

import { layerNorm, type Parameter, parameter, type Tensor } from "../autograd/index.ts";
import { ones, zeros } from "../core/index.ts";
import { checkSizes } from "./linear.ts";
import { Module } from "./module.ts";

/** y = w ∘ (x − mean) / √(var + eps) + b along the last axis. x [..., n], w and b [n], which start at 1 and 0. */
export class LayerNorm extends Module {
  readonly eps: number;
  weight: Parameter;
  bias: Parameter;

  constructor(n: number, { eps = 1e-5 }: { readonly eps?: number } = {}) {
    super();
    checkSizes("LayerNorm", { n });
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
