/** @file How tables 3 and 4 of QLoRA tune: all of a model in 32 bits, or adapters on a base in 32, 16, 8 or 4. */
import { add, bfloat16, linear, type Parameter, parameter, type Tensor } from "lowrank/autograd";
import { array, type NDArray, roundToBfloat16, scope } from "lowrank/core";
import { type AdaptedModel, inject } from "lowrank/lora";
import { type GPT2, isLinearLike, type LinearLike, Module } from "lowrank/nn";
import { type QuantizeModelOptions, quantizeModel } from "lowrank/quant";

/** A frozen dense layer that holds W, and computes, in bfloat16: x, W, b, y and the gradients are rounded to it. */
export class Bfloat16Linear extends Module implements LinearLike {
  weight: Parameter; // [out, in]
  bias: Parameter | null;

  constructor(W: NDArray, bias: Parameter | null) {
    super();
    this.weight = parameter(array(roundToBfloat16(Float32Array.from(W.data)), W.shape, "weights"));
    this.weight.requiresGrad = false;
    this.bias = bias;
  }

  get inFeatures(): number {
    return this.weight.shape[1];
  }

  get outFeatures(): number {
    return this.weight.shape[0];
  }

  round(x: Tensor): Tensor {
    return bfloat16(x);
  }

  project(x: Tensor): Tensor {
    return bfloat16(linear(bfloat16(x), this.weight));
  }

  forward(x: Tensor): Tensor {
    const y = this.project(x);
    return this.bias ? bfloat16(add(y, bfloat16(this.bias))) : y;
  }

  denseWeight(): Tensor {
    return this.weight;
  }

  withWeight(W: NDArray): Bfloat16Linear {
    return new Bfloat16Linear(W, this.bias);
  }
}

/** The linear layers of the blocks in bfloat16; the model is changed in place. */
export function toBfloat16(model: GPT2): GPT2 {
  return replacing(model, () => {
    for (const [name, layer] of [...model.namedModules()]) {
      if (!isLinearLike(layer) || name === "lm_head") continue;
      const W = scope(() => layer.denseWeight()).value;
      model.replaceModule(name, new Bfloat16Linear(W, layer.bias as Parameter | null));
    }
  });
}

/** `quantizeModel`, and the dense weights released: else the meter counts them until they are collected. */
export function toFewBits(model: GPT2, options: QuantizeModelOptions): GPT2 {
  return replacing(model, () => quantizeModel(model, options));
}

function replacing(model: GPT2, replace: () => void): GPT2 {
  const before = model.parameters();
  replace();
  const kept = new Set(model.parameters());
  for (const weight of before) if (!kept.has(weight)) weight.value.storage.release();
  return model;
}

export interface Placement {
  readonly rank: number;
  readonly target?: "all-linear" | readonly string[];
  readonly seed: number;
}

/** LoRA with α = 2r. */
export function withLora(model: GPT2, { rank, target = "all-linear", seed }: Placement): AdaptedModel<GPT2> {
  return inject(model, { method: "lora", rank, alpha: 2 * rank, target, seed });
}
