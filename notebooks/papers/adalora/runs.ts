/**
 * @file AdaLoRA and its ablations, ready for `runMethod`, with a record of the allocator's decisions.
 * Zhang et al., 2023, arXiv:2303.10512, Tables 4 and 5.
 */
import type { Tensor } from "lowrank/autograd";
import { type NDArray, random } from "lowrank/core";
import {
  type AdaLoRA,
  type AdaptedModel,
  type AnyModel,
  BudgetAllocator,
  type BudgetSchedule,
  inject,
  type LoRA,
  type Measure,
  type OrthogonalityOptions,
  orthogonality,
  type Target,
  tripletScores,
} from "lowrank/lora";
import { kaimingUniform } from "lowrank/nn";
import { adamW, type Prepared } from "../../support/experiments/harness.ts";

export interface Recipe {
  /** Initial rank r of every layer. */
  readonly rank: number;
  readonly target: Target;
  readonly layers?: readonly number[];
  readonly lr: number;
  readonly seed: number;
  /** Options of the regulariser. `weight: 0` (γ = 0) omits it. */
  readonly orthogonal?: OrthogonalityOptions;
}

export interface Pruning extends BudgetSchedule {
  /** b(T). */
  readonly budget: number;
  readonly measure?: Measure;
  /**
   * Whether every step's decisions are recorded as a `Moment`.
   * @default false
   */
  readonly record?: boolean;
}

/** The state after the allocator's work at one step. The lists have one entry per adapted layer. */
export interface Moment {
  /** t = 1, 2, …. */
  readonly step: number;
  /** b(t). */
  readonly budget: number;
  /** S_i of every triplet. */
  readonly scores: readonly (readonly number[])[];
  /** λ_i after masking. */
  readonly lambda: readonly (readonly number[])[];
  /** ‖Pᵀ P − I‖²_F and ‖Q Qᵀ − I‖²_F. */
  readonly left: readonly number[];
  readonly right: readonly number[];
}

/** A model with adapters of one kind, layer by layer, and the recorded moments of its training. */
export interface Subject<Part> {
  readonly model: AdaptedModel;
  readonly parts: readonly Part[];
  readonly layers: readonly string[];
  readonly moments: readonly Moment[];
}

/** α/r of every method here. */
const SCALING = 2;

/** LoRA. With `orthogonal`, it is Table 5's LoRA with the regulariser on B and A. */
export function lora(model: AnyModel, { lr, orthogonal, ...config }: Recipe): Prepared<Subject<LoRA>> {
  const module = inject(model, { method: "lora", alpha: SCALING * config.rank, ...config });
  const [layers, parts] = partsOf<LoRA>(module);
  const pairs = parts.map(({ A, B }) => ({ P: B, Q: A }));
  return {
    module,
    adapted: { model: module, parts, layers, moments: [] },
    optimizer: adamW(module, lr),
    ...(orthogonal ? { penalty: () => orthogonality(pairs, orthogonal) } : {}),
  };
}

/** LoRA with a rank of its own for each layer; layers of rank zero are left as they are. */
export function unevenLora(
  model: AnyModel,
  ranks: ReadonlyMap<string, number>,
  { lr, seed }: Pick<Recipe, "lr" | "seed">,
): Prepared<Subject<LoRA>> {
  const used = [...ranks].filter(([, rank]) => rank > 0);
  const module = inject(model, {
    method: "lora",
    target: used.map(([layer]) => layer),
    rank: 1,
    alpha: SCALING,
    rankPattern: Object.fromEntries(used),
    alphaPattern: Object.fromEntries(used.map(([layer, rank]) => [layer, SCALING * rank])),
    seed,
  });
  const [layers, parts] = partsOf<LoRA>(module);
  return { module, adapted: { model: module, parts, layers, moments: [] }, optimizer: adamW(module, lr) };
}

/** AdaLoRA. Without `pruning`, it is Table 5's SVD-LoRA. */
export function adaLora(model: AnyModel, recipe: Recipe, pruning?: Pruning): Prepared<Subject<AdaLoRA>> {
  const { lr, orthogonal = {}, ...config } = recipe;
  const module = inject(model, { method: "adalora", alpha: SCALING * config.rank, ...config });
  const [layers, parts] = partsOf<AdaLoRA>(module);
  const moments: Moment[] = [];
  return {
    module,
    adapted: { model: module, parts, layers, moments },
    optimizer: adamW(module, lr),
    ...(orthogonal.weight === 0 ? {} : { penalty: () => orthogonality(parts, orthogonal) }),
    ...(pruning ? allocation(parts, pruning, moments) : {}),
  };
}

/**
 * Table 4's pruned LoRA: the same allocator prunes whole doublets (B_*i, A_i*). A doublet is a triplet whose λ_i is 1
 * and does not train, so that S_i is the mean score of B_*i and A_i* alone. A masked doublet has zero gradients and
 * does not come back.
 */
export function prunedLora(model: AnyModel, recipe: Recipe, pruning: Pruning): Prepared<Subject<AdaLoRA>> {
  const { lr, orthogonal: _, ...config } = recipe;
  const module = inject(model, { method: "adalora", alpha: SCALING * config.rank, ...config });
  const [layers, parts] = partsOf<AdaLoRA>(module);
  const rng = random(config.seed);
  for (const [k, { P, lambda, Q }] of parts.entries()) {
    P.assign(P.toArray().fill(0));
    Q.assign(kaimingUniform(rng.split(layers[k]), Q.shape, Q.shape[1]).data);
    lambda.assign(lambda.toArray().fill(1));
    lambda.requiresGrad = false;
  }
  const moments: Moment[] = [];
  return {
    module,
    adapted: { model: module, parts, layers, moments },
    optimizer: adamW(module, lr),
    ...allocation(parts, pruning, moments),
  };
}

function allocation(
  parts: readonly AdaLoRA[],
  { budget, measure = "smoothed", record = false, ...schedule }: Pruning,
  moments: Moment[],
): Pick<Prepared<unknown>, "beforeStep" | "afterStep" | "kept"> {
  const allocator = new BudgetAllocator(parts, { ...schedule, target: budget, measure });
  return {
    beforeStep: () => allocator.observe(),
    afterStep(step) {
      const t = step + 1;
      allocator.allocate(t);
      if (!record) return;
      moments.push({
        step: t,
        budget: allocator.budget(t),
        scores: parts.map((part, k) => tripletScores(part, allocator.scores[k], measure)),
        lambda: parts.map(({ lambda }) => Array.from(lambda.toArray())),
        left: parts.map(({ P }) => distanceToOrthonormal(columns(P))),
        right: parts.map(({ Q }) => distanceToOrthonormal(rows(Q))),
      });
    },
    kept: allocator.scores.flatMap((scores) => Object.values(scores).flatMap(Object.values) as NDArray[]),
  };
}

function partsOf<Part>(model: AdaptedModel): [string[], Part[]] {
  const all = [...model.adapter("default")];
  return [all.map(([name]) => name), all.map(([, part]) => part as Part)];
}

const rows = (Q: Tensor): Float32Array[] => {
  const [r, inFeatures] = Q.shape;
  const values = Q.toArray();
  return Array.from({ length: r }, (_, i) => values.subarray(i * inFeatures, (i + 1) * inFeatures));
};

const columns = (P: Tensor): Float32Array[] => {
  const [out, r] = P.shape;
  const values = P.toArray();
  return Array.from({ length: r }, (_, i) => Float32Array.from({ length: out }, (_, j) => values[j * r + i]));
};

/** ‖G − I‖²_F with G_ij the inner product of vectors i and j. */
export function distanceToOrthonormal(vectors: readonly Float32Array[]): number {
  let sum = 0;
  for (const [i, u] of vectors.entries())
    for (const [j, v] of vectors.entries()) {
      const dot = u.reduce((total, x, at) => total + x * v[at], 0);
      sum += (dot - (i === j ? 1 : 0)) ** 2;
    }
  return sum;
}
