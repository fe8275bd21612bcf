/** @file A model of one linear layer without a bias, for what is computed by hand. */
import type { Tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { Linear, Module } from "lowrank/nn";

export class OneLayer extends Module {
  layer: Linear;

  /** @param weight [out, in] */
  constructor(weight: Tensor) {
    super();
    const [outFeatures, inFeatures] = weight.shape;
    this.layer = new Linear(inFeatures, outFeatures, { bias: false, rng: random(0) });
    this.layer.weight.assign(weight);
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}
