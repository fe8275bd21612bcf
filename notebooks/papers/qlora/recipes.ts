/** @file The recipes of QLoRA's tables 3 and 4: full fine-tuning in 32 bits, and adapters on a base in 32, 16, 8 or 4. */
import { add, bfloat16, linear, type Parameter, parameter, type Tensor } from "lowrank/autograd";
import { array, type NDArray, roundToBfloat16, scope } from "lowrank/core";
import { type AdaptedModel, inject } from "lowrank/lora";
import { type GPT2, isLinearLike, type LinearLike, Module } from "lowrank/nn";
import { type QuantizeModelOptions, quantizeModel } from "lowrank/quant";

/** A frozen dense layer in bfloat16: x, W, b, y and the gradients are rounded to bfloat16. */
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

/** Puts the linear layers of the blocks into bfloat16, in place. */
export function toBfloat16(model: GPT2): GPT2 {
  return replacing(model, () => {
    for (const [name, layer] of [...model.namedModules()]) {
      if (!isLinearLike(layer) || name === "lm_head") continue;
      const W = scope(() => layer.denseWeight()).value;
      model.replaceModule(name, new Bfloat16Linear(W, layer.bias as Parameter | null));
    }
  });
}

/** Calls `quantizeModel` and releases the dense weights, which the meter otherwise counts until garbage collection. */
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

/** Where LoRA is placed, and its rank. */
export interface Placement {
  readonly rank: number;
  readonly target?: "all-linear" | readonly string[];
  readonly seed: number;
}

/** LoRA with α = 2r. */
export function withLora(model: GPT2, { rank, target = "all-linear", seed }: Placement): AdaptedModel<GPT2> {
  return inject(model, { method: "lora", rank, alpha: 2 * rank, target, seed });
}
