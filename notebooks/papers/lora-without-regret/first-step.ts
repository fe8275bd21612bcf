/**
 * @file The first step of LoRA, in plain tensors: B₁ = −η s G Aᵀ for SGD, B₁ = −η sign(s G Aᵀ) for Adam, ΔW₁ = s B₁ A.
 * Measured are the loss that it saves to first order, −⟨G, ΔW₁⟩, its size ‖ΔW₁‖, and the size of its mean.
 */
import { noGrad, type Tensor, tensor } from "lowrank/autograd";
import { type Random, random } from "lowrank/core";
import { type GPT2, nextTokenLoss } from "lowrank/nn";
import type { Batch } from "../../support/data/domain.ts";
import { leastSquares, mean } from "../../support/experiments/statistics.ts";

/** Adam or SGD, and the factor s on B A: α/r or α/√r. */
export interface Rule {
  readonly optimizer: "Adam" | "SGD";
  readonly scaling: "α/r" | "α/√r";
}

export const RULES: readonly Rule[] = [
  { optimizer: "Adam", scaling: "α/r" },
  { optimizer: "Adam", scaling: "α/√r" },
  { optimizer: "SGD", scaling: "α/r" },
  { optimizer: "SGD", scaling: "α/√r" },
];

/** The power of r with which the expected saving grows: s r for Adam, s² r for SGD. */
export function power({ optimizer, scaling }: Rule): number {
  const ofScaling = scaling === "α/r" ? -1 : -0.5;
  return (optimizer === "Adam" ? ofScaling : 2 * ofScaling) + 1;
}

/** ∂L/∂W [out, in] of the first block's attention output, at the base, on a batch. */
export function gradientOf(model: GPT2, { ids, labels }: Batch): Tensor {
  const { weight } = model.transformer.h[0].attn.c_proj as unknown as { weight: Tensor };
  nextTokenLoss(model, ids, labels).backward();
  return noGrad(() => (weight.grad as Tensor).detach().T); // a Conv1D's weight is [in, out]
}

/** ΔW₁ of a rule with the rate 1. */
export type FirstStep = (G: Tensor, A: Tensor, rule: Rule, alpha: number) => Tensor;

export interface Measured extends Rule {
  readonly r: number;
  readonly seed: number;
  /** −⟨G, ΔW₁⟩ */
  readonly saved: number;
  /** ‖ΔW₁‖_F */
  readonly size: number;
}

export interface MeasureOptions {
  readonly ranks: readonly number[];
  readonly seeds: number;
  /** Draws of A whose mean is one seed's measurement. */
  readonly draws: number;
  readonly alpha: number;
}

/** Measures the first step for every rule, rank and seed, with A uniform on ±1/√in as the library draws it. */
export function measureFirstSteps(
  step: FirstStep,
  G: Tensor,
  { ranks, seeds, draws, alpha }: MeasureOptions,
): Measured[] {
  const width = G.shape[1];
  const bound = 1 / Math.sqrt(width);
  const one = (rule: Rule, r: number, rng: Random) => {
    const A = tensor(rng.uniform(r * width, -bound, bound), [r, width]);
    const dW = step(G, A, rule, alpha);
    return { saved: -G.mul(dW).sum().item(), size: Math.sqrt(dW.square().sum().item()) };
  };
  return noGrad(() =>
    RULES.flatMap((rule) =>
      ranks.flatMap((r) =>
        Array.from({ length: seeds }, (_, seed): Measured => {
          const rng = random(seed).split(r);
          const all = Array.from({ length: draws }, (_, i) => one(rule, r, rng.split(i)));
          return {
            ...rule,
            r,
            seed,
            saved: mean(all.map(({ saved }) => saved)),
            size: mean(all.map(({ size }) => size)),
          };
        }),
      ),
    ),
  );
}

/** The power of r by which `what` grows, for each seed: the slope of its logarithm. */
export function slopes(rows: readonly Measured[], rule: Rule, what: "saved" | "size"): number[] {
  const own = rows.filter((row) => row.optimizer === rule.optimizer && row.scaling === rule.scaling);
  return [...new Set(own.map(({ seed }) => seed))].map((seed) => {
    const points = own.filter((row) => row.seed === seed);
    return leastSquares(
      points.map(({ r }) => Math.log(r)),
      points.map((row) => Math.log(row[what])),
    ).slope;
  });
}

/** The mean over seeds by rank, relative to the mean at the first rank. */
export function relative(rows: readonly Measured[], rule: Rule, what: "saved" | "size") {
  const own = rows.filter((row) => row.optimizer === rule.optimizer && row.scaling === rule.scaling);
  const ranks = [...new Set(own.map(({ r }) => r))];
  const at = (r: number): number => mean(own.filter((row) => row.r === r).map((row) => row[what]));
  return ranks.map((r) => ({ r, value: at(r) / at(ranks[0]) }));
}

/** The ratio of LoRA's rate to full fine-tuning's at which Adam's first steps save as much: ‖G‖₁ over what LoRA saves. */
export function equalSavings(rows: readonly Measured[], G: Tensor, rule: Rule): number {
  const own = rows.filter((row) => row.optimizer === rule.optimizer && row.scaling === rule.scaling);
  return G.abs().sum().item() / mean(own.map(({ saved }) => saved));
}
