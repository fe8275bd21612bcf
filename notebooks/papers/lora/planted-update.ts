/** @file Trains LoRA on a layer whose ideal update is known: U Vᵀ with orthonormal columns, all singular values 1. */
import { type Tensor, tensor } from "lowrank/autograd";
import { frobeniusNorm, random, scope } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, fit, Linear, linearDecay, Module } from "lowrank/nn";
import { randomBasis, updatesOf } from "./subspaces.ts";

export interface Planted {
  /** Number of inputs, and of outputs, of the layer. */
  readonly width: number;
  /** Rank of the ideal update. */
  readonly planted: number;
  readonly steps: number;
}

class Net extends Module {
  layer: Linear;

  constructor(layer: Linear) {
    super();
    this.layer = layer;
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

/** ‖ΔW − U Vᵀ‖²_F / ‖U Vᵀ‖²_F after training LoRA of rank r on the ideal layer's outputs for Gaussian inputs. */
export function distanceToPlanted(r: number, { width, planted, steps }: Planted): number {
  return scope(() => {
    const [U, V] = ["U", "V"].map((side) => randomBasis(width, planted, random(6).split(side)));
    const [left, right] = [U, V].map(({ values }) => tensor(Float32Array.from(values), [width, planted]));
    const ideal = left.matmul(right.transpose(0, 1)); // [width, width]
    const net = new Net(new Linear(width, width, { bias: false, rng: random(7) }));
    const W = net.layer.weight.detach().add(ideal).transpose(0, 1);
    const model = inject(net, { method: "lora", rank: r, alpha: r, target: "layer", seed: 8 });
    const trained = model.parameters().filter(({ requiresGrad }) => requiresGrad);
    fit(model, {
      steps,
      optimizer: new AdamW(trained, { lr: 2e-2, weightDecay: 0 }),
      schedule: linearDecay({ warmup: 0, total: steps }),
      batch: (step) =>
        tensor(
          random(9)
            .split(step)
            .normal(64 * width, 0, 1),
          [64, width],
        ),
      loss: (x) => model.forward(x).sub(x.matmul(W)).square().mean(),
      progress: false,
    });
    const [{ delta }] = updatesOf(model).values();
    const error = delta.values.map((value, i) => value - ideal.value.data[i]);
    return (frobeniusNorm(error) / frobeniusNorm(ideal.value.data)) ** 2;
  });
}
