/**
 * @file A task whose best allocation of ranks is known. Layers stand side by side. Each must learn, from white inputs, a
 * planted change ΔW_k of known singular values, so that the expected loss of an update, less that of the noise in the
 * targets, is Σ_k ‖ΔW_k − s P_k Λ_k Q_k‖²_F. By the Eckart–Young theorem the best b triplets are those of the b largest
 * singular values of all layers, and the least loss is the sum of the squares of the other singular values.
 */
import { add, noGrad, Tensor } from "lowrank/autograd";
import { array, qr, type Random, random, scope } from "lowrank/core";
import { evaluated, Linear, Module, mseLoss } from "lowrank/nn";
import { type Prepared, trainPrepared } from "../../support/experiments/harness.ts";
import { sum } from "../../support/experiments/statistics.ts";

/** A layer's size, and the singular values of the change that it must learn, largest first. */
export interface Planted {
  readonly name: string;
  readonly out: number;
  readonly in: number;
  readonly singularValues: readonly number[];
}

/** Layers side by side: one input x_k [..., in] and one output y_k [..., out] each. */
export class SideBySide extends Module {
  readonly layers: Linear[];

  constructor(planted: readonly Planted[], rng: Random) {
    super();
    this.layers = planted.map(
      (one, k) => new Linear(one.in, one.out, { bias: false, rng: rng.split(`layer ${k}`) }),
    );
  }

  forward(inputs: readonly Tensor[]): Tensor[] {
    return this.layers.map((layer, k) => layer.forward(inputs[k]));
  }
}

export const identity = (n: number): Tensor =>
  new Tensor(
    array(
      Float32Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0)),
      [n, n],
    ),
  );

/** A model of one linear layer, `layer`, with the given weight [out, in]. */
export class OneLayer extends Module {
  readonly layer: Linear;

  constructor(weight: Tensor) {
    super();
    const [out, into] = weight.shape;
    this.layer = new Linear(into, out, { bias: false, rng: random(0) });
    this.layer.weight.assign(weight);
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

export interface PlantedRun<T> {
  readonly trainable: number;
  /** Σ_k ‖ΔW_k − learned change‖²_F / Σ_k ‖ΔW_k‖²_F, without the noise; 1 before training. */
  readonly residual: number;
  readonly read: T;
}

export interface PlantedOptions {
  readonly steps: number;
  readonly rows: number;
  readonly seed: number;
  /**
   * Standard deviation of the noise in every output of the targets.
   * @default 0
   */
  readonly noise?: number;
}

/** Trains the method that `prepare` puts on the layers, and measures the remaining error. */
export function runPlanted<A, T>(
  planted: readonly Planted[],
  prepare: (model: SideBySide) => Prepared<A>,
  { steps, rows, seed, noise = 0 }: PlantedOptions,
  read: (adapted: A) => T,
): PlantedRun<T> {
  const rng = random(seed);
  const [model, teacher] = [new SideBySide(planted, rng), new SideBySide(planted, rng)];
  for (const [k, { weight }] of teacher.layers.entries()) {
    const change = plant(planted[k], rng.split(`change ${k}`));
    weight.assign(weight.toArray().map((w, i) => w + change[i]));
  }
  const total = sum(planted.map(({ singularValues }) => energy(singularValues)));
  /** Σ_k of the mean over rows of ‖y_k − goal_k‖², as a fraction of Σ_k ‖ΔW_k‖²_F; `disturb` adds the noise. */
  const distance = (
    inputs: readonly Tensor[],
    disturb = (goal: Tensor, _: number): Tensor => goal,
  ): Tensor => {
    const goals = noGrad(() => teacher.forward(inputs).map(disturb));
    return model
      .forward(inputs)
      .map((y, k) => mseLoss(y, goals[k]).mul(planted[k].out / total))
      .reduce((total, one) => add(total, one));
  };

  const prepared = prepare(model);
  trainPrepared(prepared, {
    steps,
    batch: (step) => {
      const source = rng.split("batches").split(step);
      const draw = (width: number): Tensor => new Tensor(array(source.normal(rows * width), [rows, width]));
      return { inputs: planted.map((one) => draw(one.in)), errors: planted.map((one) => draw(one.out)) };
    },
    loss: ({ inputs, errors }) => distance(inputs, (goal, k) => goal.add(errors[k].mul(noise))),
  });
  // Rows √in e_i are white: the mean over them of ‖D x‖² is ‖D‖²_F.
  const basis = planted.map((one) => {
    const rows = Float32Array.from({ length: one.in ** 2 }, (_, i) =>
      i % (one.in + 1) === 0 ? Math.sqrt(one.in) : 0,
    );
    return new Tensor(array(rows, [one.in, one.in]));
  });
  return {
    trainable: sum(prepared.optimizer.parameters().map(({ size }) => size)),
    residual: evaluated(prepared.module, () => distance(basis).item()),
    read: scope(() => read(prepared.adapted)),
  };
}

/** The smallest residual that the given ranks of the layers allow. */
export function bestResidual(planted: readonly Planted[], ranks: readonly number[]): number {
  const left = planted.map(({ singularValues }, k) => energy(singularValues.slice(ranks[k])));
  const all = planted.map(({ singularValues }) => energy(singularValues));
  return sum(left) / sum(all);
}

/** Number of triplets of each layer in the best allocation of `budget`: those of the largest singular values. */
export function bestRanks(planted: readonly Planted[], budget: number): number[] {
  const all = planted.flatMap(({ singularValues }, k) => singularValues.map((value) => ({ k, value })));
  const chosen = all.sort((a, b) => b.value - a.value).slice(0, budget);
  return planted.map((_, k) => chosen.filter((one) => one.k === k).length);
}

/** ΔW = U diag(σ) Vᵀ [out, in], row by row, with random U and V of orthonormal columns. */
function plant({ out, in: inFeatures, singularValues }: Planted, rng: Random): Float64Array {
  const n = singularValues.length;
  const orthonormal = (rows: number, name: string): Float64Array =>
    qr(rng.split(name).normal(rows * n, 0, 1), rows, n).Q; // [rows, n]
  const [U, V] = [orthonormal(out, "U"), orthonormal(inFeatures, "V")];
  return Float64Array.from({ length: out * inFeatures }, (_, at) => {
    const [i, j] = [Math.floor(at / inFeatures), at % inFeatures];
    return sum(singularValues.map((σ, k) => U[i * n + k] * σ * V[j * n + k]));
  });
}

const energy = (values: readonly number[]): number => sum(values.map((value) => value ** 2));
