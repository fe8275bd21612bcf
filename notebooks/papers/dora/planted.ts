/**
 * @file A toy in which the ideal weight W* is known, for the question what a magnitude is good for. Of W0 [d, d] a part
 * of the rows' lengths, or a low-rank update, or both are changed:
 *
 *     scaled rows         W* = diag(s) W0                 s between ½ and 2: a change of full rank
 *     a low-rank update   W* = W0 + U Vᵀ                  of rank 4
 *     both                W* = diag(s) (W0 + U Vᵀ)
 *
 * LoRA and DoRA (Eq. 5) are written in plain tensors. All seeds train at once, as one batch [seeds, d, d]: AdamW treats
 * each number by itself, so the batch is so many runs. The loss is ‖W' − W*‖²_F/‖W* − W0‖²_F: 1 at the start.
 */
import { matmul, noGrad, type Parameter, parameter, type Tensor, tensor } from "lowrank/autograd";
import { qr, type Random, random, scope, svd } from "lowrank/core";
import { AdamW, kaimingUniform } from "lowrank/nn";
import { mean, sum } from "../../support/experiments/statistics.ts";
import { progress } from "../../support/terminal/progress.ts";

export const kinds = ["a low-rank update", "scaled rows", "both"] as const;
export type Kind = (typeof kinds)[number];

/** One toy for each seed: W0 and W*, each [seeds, d, d]. */
export interface Toys {
  readonly d: number;
  readonly seeds: number;
  readonly W0: Tensor;
  readonly ideal: Tensor;
}

/** Makes the toys. @param planted the rank of U Vᵀ, whose singular values are 1 */
export function plant(
  kind: Kind,
  { d, planted, seeds }: { d: number; planted: number; seeds: readonly number[] },
): Toys {
  const all = seeds.map((seed) => {
    const rng = random(seed);
    const W0 = rng.split("W0").normal(d * d, 0, 1 / Math.sqrt(d)); // rows of length about 1
    const [U, V] = ["U", "V"].map((side) => qr(rng.split(side).normal(d * planted), d, planted).Q);
    const s = rng
      .split("s")
      .uniform(d, -1, 1)
      .map((e) => 2 ** e);
    const low = (i: number, j: number): number =>
      sum(Array.from({ length: planted }, (_, k) => U[i * planted + k] * V[j * planted + k]));
    const ideal = W0.map((w, at) => {
      const [i, j] = [Math.floor(at / d), at % d];
      const moved = kind === "scaled rows" ? w : w + low(i, j);
      return kind === "a low-rank update" ? moved : s[i] * moved;
    });
    return { W0, ideal };
  });
  const stack = (part: "W0" | "ideal"): Tensor =>
    tensor(Float32Array.from(all.flatMap((one) => [...one[part]])), [seeds.length, d, d]);
  return { d, seeds: seeds.length, W0: stack("W0"), ideal: stack("ideal") };
}

/** The least error that any update of rank r leaves, for each toy (Eckart and Young, 1936): Σ_{i>r} σ_i² / Σ σ_i². */
export function eckartYoung({ d, seeds, W0, ideal }: Toys, r: number): number[] {
  const change = ideal.sub(W0).toArray();
  return Array.from({ length: seeds }, (_, seed) => {
    const { S } = svd(Float64Array.from(change.slice(seed * d * d, (seed + 1) * d * d)), d, d);
    const squares = Array.from(S, (σ) => σ * σ);
    return sum(squares.slice(r)) / sum(squares);
  });
}

export interface PlantedRun {
  readonly method: "LoRA" | "DoRA";
  readonly r: number;
  readonly rate: number;
  readonly steps: number;
}

/** W' of each toy from its parameters. */
export type Form = (W0: Tensor, A: Tensor, B: Tensor, m: Tensor) => Tensor;
export const forms: Readonly<Record<PlantedRun["method"], Form>> = {
  LoRA: (W0, A, B) => W0.add(matmul(B, A)),
  DoRA(W0, A, B, m) {
    const V = W0.add(matmul(B, A));
    return V.mul(m.div(V.norm(-1, { keepdims: true }).detach())); // the norm is a constant for gradients (§4.3)
  },
};

/** Trains on all toys with a linear decay and returns the error left in each. */
export function trainPlanted(toys: Toys, { method, r, rate, steps }: PlantedRun, rng: Random): number[] {
  return scope(() => {
    const { d, seeds, W0, ideal } = toys;
    const A = parameter(kaimingUniform(rng, [seeds, r, d], d));
    const B = parameter(tensor(new Float32Array(seeds * d * r), [seeds, d, r]).value);
    const m = parameter(noGrad(() => W0.norm(-1, { keepdims: true })).value);
    const trained: Parameter[] = method === "DoRA" ? [A, B, m] : [A, B];
    const optimizer = new AdamW(trained, { lr: rate, weightDecay: 0 });
    const size = noGrad(() => ideal.sub(W0).square().sum([1, 2]));
    const errors = (): Tensor => forms[method](W0, A, B, m).sub(ideal).square().sum([1, 2]).div(size);
    for (let step = 0; step < steps; step++)
      scope(() => {
        optimizer.groups[0].lr = rate * (1 - step / steps);
        errors().sum().backward();
        optimizer.step();
        optimizer.zeroGrad();
      });
    return noGrad(() => [...errors().toArray()]);
  });
}

/** The errors left by a method at a rank, one for each toy. */
export interface ToyResult {
  readonly kind: Kind;
  readonly method: PlantedRun["method"];
  readonly r: number;
  readonly rate: number;
  readonly errors: readonly number[];
  /** The least errors that an update of rank r leaves. */
  readonly bounds: readonly number[];
}

const RATES = [2e-2, 4e-2, 8e-2, 16e-2];
const SEARCH = [1000, 1001, 1002];

/**
 * Both methods on all kinds of toys at all ranks, each at its best rate of four, found with half of the steps on three toys
 * that are not reported.
 */
export function compareToys({
  ranks,
  seeds,
  steps,
}: {
  readonly ranks: readonly number[];
  readonly seeds: number;
  readonly steps: number;
}): ToyResult[] {
  const size = { d: 32, planted: 4 };
  const bar = progress(kinds.length * ranks.length * 2, "toys");
  const results = kinds.flatMap((kind) => {
    const reported = plant(kind, { ...size, seeds: Array.from({ length: seeds }, (_, seed) => seed) });
    const search = plant(kind, { ...size, seeds: SEARCH });
    return ranks.flatMap((r) => {
      const bounds = eckartYoung(reported, r);
      return (["LoRA", "DoRA"] as const).map((method): ToyResult => {
        const found = RATES.map((rate) => ({
          rate,
          error: mean(trainPlanted(search, { method, r, rate, steps: Math.ceil(steps / 2) }, random(2))),
        }));
        const { rate } = found.reduce((a, b) => (b.error < a.error ? b : a));
        const errors = trainPlanted(reported, { method, r, rate, steps }, random(1));
        bar.tick();
        return { kind, method, r, rate, errors, bounds };
      });
    });
  });
  bar.done();
  return results;
}
