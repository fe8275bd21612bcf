/**
 * @file A layer W0 [32, 32] whose ideal weight W* is known, on which LoRA or DoRA trains. For white inputs the expected
 * loss is the squared distance ‖W' − W*‖²_F itself, so no batch is drawn: the loss is
 *
 *     ‖ΔW − ΔW*‖²_F / ‖ΔW*‖²_F        ΔW* = W* − W0, 1 before the first step
 */
import { noGrad, type Tensor, tensor } from "lowrank/autograd";
import { qr, random, svd } from "lowrank/core";
import { DoRA, LoRA, viewWeight } from "lowrank/lora";
import { AdamW, kaimingUniform, Linear, linearDecay } from "lowrank/nn";
import { inStep, onLoops, type Training } from "./training.ts";

/** Rows and columns of the layer. */
export const SIDE = 32;

/** Singular values that can be chosen, and that are shown. */
export const BARS = 8;

export interface PlantedSettings {
  readonly method: "LoRA" | "DoRA";
  readonly rank: number;
  /** s = α/r */
  readonly scaling: number;
  /** Learning rate of A; AdamW, falling linearly to 0. */
  readonly rate: number;
  /** η_B/η_A */
  readonly ratio: number;
  /** The factor that starts at zero. */
  readonly zero: "A" | "B";
  readonly steps: number;
}

export interface PlantedState {
  readonly step: number;
  /** ‖ΔW − ΔW*‖²_F / ‖ΔW*‖²_F before each step, and after the last. */
  readonly errors: readonly number[];
  /** ΔW [32, 32] and ΔW* − ΔW. */
  readonly delta: Float32Array;
  readonly left: Float32Array;
  /** The largest singular values of ΔW, as many as `BARS`. */
  readonly values: readonly number[];
}

/** The frozen weight W0, with rows of length about 1. */
export const frozenWeight: Float32Array = random(1).normal(SIDE * SIDE, 0, 1 / Math.sqrt(SIDE));

const bases = ["U", "V"].map(
  (side) =>
    qr(
      random(0)
        .split(side)
        .normal(SIDE * BARS),
      SIDE,
      BARS,
    ).Q,
);

/** ΔW* = U diag(σ) Vᵀ with these singular values; U and V have orthonormal columns. @param values at most `BARS` */
export function plantedUpdate(values: readonly number[]): Float32Array {
  const [U, V] = bases;
  return Float32Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [i, j] = [Math.floor(at / SIDE), at % SIDE];
    return values.reduce((sum, σ, k) => sum + U[i * BARS + k] * σ * V[j * BARS + k], 0);
  });
}

/** W* − W0 for W* = diag(m) W0, where the rows' lengths change by factors between 1/`spread` and `spread`. */
export function scaledRows(spread: number): Float32Array {
  const e = random(2).uniform(SIDE, -1, 1);
  return frozenWeight.map((w, at) => (spread ** e[Math.floor(at / SIDE)] - 1) * w);
}

/** The singular values of a matrix [32, 32], largest first. */
export const singularValues = (matrix: Float32Array): number[] => [...svd(matrix, SIDE, SIDE).S];

/** What any update of rank r leaves at least: Σ_{i>r} σ_i² / Σ σ_i² (Eckart and Young, 1936). 0 for an update of zeros. */
export function bound(values: readonly number[], rank: number): number {
  const energy = (from: number): number => values.slice(from).reduce((sum, σ) => sum + σ * σ, 0);
  return energy(0) === 0 ? 0 : energy(rank) / energy(0);
}

/** Trains a method on the layer towards ΔW* [32, 32]. */
export function trainPlanted(
  ideal: Float32Array,
  { method, rank, scaling, rate, ratio, zero, steps }: PlantedSettings,
): Training<PlantedState> {
  const size = ideal.reduce((sum, value) => sum + value * value, 0) || 1;
  const { adapter, weight, target, optimizer } = onLoops(() => {
    const layer = new Linear(SIDE, SIDE, { bias: false, rng: random(3) });
    layer.weight.assign(frozenWeight);
    const weight = viewWeight(layer);
    const options = { rank, alpha: scaling * rank, rng: random(4) };
    const adapter = method === "DoRA" ? new DoRA(weight, options) : new LoRA(weight, options);
    if (zero === "A") {
      adapter.A.assign(new Float32Array(rank * SIDE));
      adapter.B.assign(kaimingUniform(random(5), [SIDE, rank], SIDE));
    }
    const rest = adapter instanceof DoRA ? [adapter.m] : [];
    const optimizer = new AdamW(
      [
        { params: [adapter.A], lr: rate },
        { params: [adapter.B, ...rest], lr: rate * ratio },
      ],
      { weightDecay: 0 },
    );
    return { adapter, weight, target: tensor(ideal, [SIDE, SIDE]), optimizer };
  });
  const factor = linearDecay({ total: steps });
  const rates = optimizer.groups.map(({ lr }) => lr);
  const distance = (): Tensor => adapter.deltaWeight(weight).sub(target).square().sum().div(size);
  const errors: number[] = [];
  let step = 0;
  return {
    steps,
    step: () =>
      inStep(() => {
        optimizer.groups.forEach((group, k) => {
          group.lr = rates[k] * factor(step);
        });
        const loss = distance();
        errors[step] = loss.item();
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
        step++;
      }),
    read() {
      const delta = onLoops(() => noGrad(() => adapter.deltaWeight(weight).toArray()));
      const left = ideal.map((value, at) => value - delta[at]);
      const last = left.reduce((sum, value) => sum + value * value, 0) / size;
      const values = adapter instanceof LoRA ? ofProduct(adapter) : singularValues(delta).slice(0, BARS);
      return { step, errors: [...errors, last], delta, left, values };
    },
  };
}

/** The singular values of (α/r) B A, from the QR decompositions of its two thin factors. */
function ofProduct({ A, B, scaling, rank: r }: LoRA): number[] {
  const [a, b] = [A.toArray(), B.toArray()];
  const aT = Float64Array.from({ length: SIDE * r }, (_, at) => a[(at % r) * SIDE + Math.floor(at / r)]);
  const left = qr(Float64Array.from(b), SIDE, r).R; //   [r, r]
  const right = qr(aT, SIDE, r).R;
  const inner = Float64Array.from({ length: r * r }, (_, at) => {
    const [i, j] = [Math.floor(at / r), at % r];
    let sum = 0;
    for (let k = 0; k < r; k++) sum += left[i * r + k] * right[j * r + k];
    return scaling * sum;
  });
  return [...svd(inner, r, r).S, ...Array(BARS).fill(0)].slice(0, BARS);
}
