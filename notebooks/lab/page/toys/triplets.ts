/**
 * @file AdaLoRA on six small layers whose ideal updates have ranks 0 to 5, so that the best allocation of a budget is known:
 * the triplets of the largest singular values. Inputs are white: the loss is Σ_k ‖ΔW_k − ΔW*_k‖²_F, as a part of
 * Σ_k ‖ΔW*_k‖²_F, and the regulariser γ Σ_k R(P_k, Q_k).
 */
import { noGrad, type Tensor, tensor } from "lowrank/autograd";
import { qr, random } from "lowrank/core";
import {
  AdaLoRA,
  BudgetAllocator,
  type BudgetSchedule,
  type Measure,
  orthogonality,
  tripletScores,
  viewWeight,
} from "lowrank/lora";
import { AdamW, Linear, linearDecay } from "lowrank/nn";
import { inStep, onLoops, type Training } from "./training.ts";

const SIDE = 16;
/** r of every layer at the start. */
export const RANK = 6;
export const STEPS = 160;
const RATE = 0.06;
/** ΔW*_k has k singular values: 1, 0.9, … */
export const PLANTED: readonly (readonly number[])[] = Array.from({ length: 6 }, (_, rank) =>
  Array.from({ length: rank }, (_, i) => 1 - 0.1 * i),
);
/** b(0) */
export const INITIAL = RANK * PLANTED.length;

export interface LivesSettings {
  /** b(T) */
  readonly budget: number;
  /** t_i and t_f */
  readonly warmup: number;
  readonly final: number;
  /** γ */
  readonly gamma: number;
  readonly measure: Measure;
}

/** What is known after a step. The lists have one entry for each layer. */
export interface Moment {
  /** b(t) */
  readonly budget: number;
  /** S_i of each triplet, and λ_i after masking. */
  readonly scores: readonly (readonly number[])[];
  readonly lambda: readonly (readonly number[])[];
  /** Σ_k ‖ΔW_k − ΔW*_k‖²_F / Σ_k ‖ΔW*_k‖²_F */
  readonly error: number;
}

export interface Lives {
  /** The first is that before training; then one after each step. */
  readonly moments: readonly Moment[];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const squares = (values: readonly number[]): number => sum(values.map((σ) => σ * σ));
const ENERGY = sum(PLANTED.map(squares));

/** The least error that a number of triplets leaves: all but the largest singular values. */
export function leastError(budget: number): number {
  const all = PLANTED.flat().sort((a, b) => b - a);
  return squares(all.slice(budget)) / ENERGY;
}

/** The steps of the schedule, such that one at least is left in which to prune. */
export const scheduleOf = ({ warmup, final }: LivesSettings): BudgetSchedule => ({
  totalSteps: STEPS,
  warmup,
  final: Math.min(final, STEPS - warmup - 1),
});

export function trainTriplets(settings: LivesSettings): Training<Lives> {
  const { adapters, ideals, optimizer, allocator } = onLoops(() => {
    const views = PLANTED.map((_, k) => viewWeight(new Linear(SIDE, SIDE, { bias: false, rng: random(k) })));
    const adapters = views.map(
      (view, k) => new AdaLoRA(view, { rank: RANK, alpha: 2 * RANK, rng: random(8).split(`layer ${k}`) }),
    );
    const ideals = PLANTED.map((values, k) => tensor(plant(values, k), [SIDE, SIDE]));
    const optimizer = new AdamW(
      adapters.flatMap(({ P, lambda, Q }) => [P, lambda, Q]),
      { lr: RATE, weightDecay: 0 },
    );
    const allocator = new BudgetAllocator(adapters, {
      ...scheduleOf(settings),
      target: settings.budget,
      measure: settings.measure,
    });
    return { adapters, ideals, optimizer, allocator };
  });
  const factor = linearDecay({ total: STEPS });
  const distance = (): Tensor =>
    adapters
      .map((adapter, k) => adapter.deltaWeight().sub(ideals[k]).square().sum())
      .reduce((total, one) => total.add(one))
      .div(ENERGY);
  const look = (step: number): Moment => ({
    budget: allocator.budget(step),
    scores: adapters.map((adapter, k) => tripletScores(adapter, allocator.scores[k], settings.measure)),
    lambda: adapters.map(({ lambda }) => [...lambda.toArray()]),
    error: onLoops(() => noGrad(() => distance().item())),
  });
  let moments: readonly Moment[] = [look(0)];
  return {
    steps: STEPS,
    step() {
      const step = moments.length;
      inStep(() => {
        optimizer.groups[0].lr = RATE * factor(step - 1);
        let loss = distance();
        if (settings.gamma > 0) loss = loss.add(orthogonality(adapters, { weight: settings.gamma }));
        loss.backward();
        allocator.observe();
        optimizer.step();
        optimizer.zeroGrad();
        allocator.allocate(step);
      });
      moments = [...moments, look(step)];
    },
    read: () => ({ moments }),
  };
}

/** ΔW* = U diag(σ) Vᵀ [16, 16] with U and V of orthonormal columns. */
function plant(values: readonly number[], layer: number): Float32Array {
  const n = values.length;
  if (n === 0) return new Float32Array(SIDE * SIDE);
  const rng = random(9).split(`change ${layer}`);
  const [U, V] = ["U", "V"].map((side) => qr(rng.split(side).normal(SIDE * n), SIDE, n).Q);
  return Float32Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [i, j] = [Math.floor(at / SIDE), at % SIDE];
    return sum(values.map((σ, k) => U[i * n + k] * σ * V[j * n + k]));
  });
}

/** What a triplet does at a moment: not yet begun, in use, come back in this step, or masked. */
export type Phase = "waiting" | "alive" | "back" | "masked";

export function phaseOf(moments: readonly Moment[], t: number, layer: number, triplet: number): Phase {
  if (t === 0) return "waiting";
  if (moments[t].lambda[layer][triplet] === 0) return "masked";
  return t > 1 && moments[t - 1].lambda[layer][triplet] === 0 ? "back" : "alive";
}
