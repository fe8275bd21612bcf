/** @file Trains LoRA on a layer whose ideal update is known: U Vᵀ with orthonormal columns, all singular values 1. */
import * as Plot from "@observablehq/plot";
import { tensor } from "lowrank/autograd";
import { frobeniusNorm, random, scope } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, fit, kaimingUniform, linearDecay } from "lowrank/nn";
import { linePlot, meanStd, type Picture, type Spread } from "../../support/index.ts";
import { OneLayer } from "./one-layer.ts";
import { randomBasis, updatesOf } from "./subspaces.ts";

export interface Planted {
  /** Number of inputs, and of outputs, of the layer. */
  readonly width: number;
  /** Rank of the ideal update. */
  readonly planted: number;
  readonly steps: number;
  /** Of the layer, the update, the data and A. @default 0 */
  readonly seed?: number;
}

/** ‖ΔW − U Vᵀ‖²_F / ‖U Vᵀ‖²_F after training LoRA of rank r on the ideal layer's outputs for Gaussian inputs. */
export function distanceToPlanted(r: number, { width, planted, steps, seed = 0 }: Planted): number {
  return scope(() => {
    const rng = random(seed);
    const [left, right] = ["U", "V"].map((side) => {
      const { values } = randomBasis(width, planted, rng.split(side));
      return tensor(Float32Array.from(values), [width, planted]);
    });
    const ideal = left.matmul(right.T); // [width, width]
    const weight = tensor(kaimingUniform(rng.split("W"), [width, width], width).data, [width, width]);
    const W = weight.add(ideal).T;
    const model = inject(new OneLayer(weight), { method: "lora", rank: r, alpha: r, target: "layer", seed });
    const trained = model.parameters().filter(({ requiresGrad }) => requiresGrad);
    fit(model, {
      steps,
      optimizer: new AdamW(trained, { lr: 2e-2, weightDecay: 0 }),
      schedule: linearDecay({ warmup: 0, total: steps }),
      batch: (step) => tensor(rng.split(step).normal(64 * width, 0, 1), [64, width]),
      loss: (x) => model.forward(x).sub(x.matmul(W)).square().mean(),
      progress: false,
    });
    const [{ delta }] = updatesOf(model).values();
    const error = delta.values.map((value, i) => value - ideal.value.data[i]);
    return (frobeniusNorm(error) / frobeniusNorm(ideal.value.data)) ** 2;
  });
}

/** What LoRA reaches at a rank, and the bound below which no product of that rank can come. */
export interface Distance {
  readonly rank: number;
  readonly distance: Spread;
  /** By Eckart and Young, all singular values being 1. */
  readonly bound: number;
}

export function plantedDistances(
  ranks: readonly number[],
  { seeds, ...task }: Omit<Planted, "seed"> & { readonly seeds: number },
): Distance[] {
  return ranks.map((rank) => ({
    rank,
    distance: meanStd(Array.from({ length: seeds }, (_, seed) => distanceToPlanted(rank, { ...task, seed }))),
    bound: Math.max(0, 1 - rank / task.planted),
  }));
}

export function plantedPlot(points: readonly Distance[]): Picture {
  return linePlot(points, {
    x: "rank",
    y: "distance",
    xLabel: "rank r",
    yLabel: "squared distance, relative",
    title: "The distance to an update of rank 4, after training",
    caption: plantedSentence(points),
    plot: {
      marks: [
        Plot.line(points, {
          x: "rank",
          y: "bound",
          stroke: "#ff725c",
          strokeWidth: 2,
          strokeDasharray: "5 5",
        }),
      ],
    },
  });
}

/** How far training stays from the bound. */
export function plantedSentence(points: readonly Distance[]): string {
  const most = Math.max(...points.map(({ distance, bound }) => distance.mean - bound));
  return most < 0.005
    ? "Each rank takes off a quarter, and from r = 4 on nothing is left. The dashed bound of Eckart and Young lies on the line: training finds the best product that there is."
    : `Dashed: the bound of Eckart and Young. Training stays up to ${most.toFixed(3)} above it.`;
}
