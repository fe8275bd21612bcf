/** @file The methods that LoRA-FA's page compares, as arms of a study. */
import { type AdapterConfig, inject, LoraFAAdamW } from "lowrank/lora";
import type { GPT2, Module } from "lowrank/nn";
import { adamW, type Prepared } from "../../support/experiments/harness.ts";
import type { Arm } from "../../support/experiments/study.ts";
import { fullFineTuning } from "../../support/methods/baselines.ts";

export type QualityArm = Arm<GPT2, null, null>;

/** Adapters on every linear layer, with α = 2 r. */
export function adapters(
  model: GPT2,
  method: "lora" | "lora-fa",
  rank: number,
  { seed = 1, dropout = 0 }: { readonly seed?: number; readonly dropout?: number } = {},
) {
  const config = { method, rank, alpha: 2 * rank, target: "all-linear", seed, dropout };
  return inject(model, config as AdapterConfig);
}

/**
 * The arms by name. Each has a grid of its own, around where its best rate is known to lie; all grids have as many rates
 * and the same factor between them.
 *
 * @param rates learning rates of LoRA; those of full fine-tuning are a fifth of them, those of LoRA-FA twice as large
 */
export function qualityArms(rank: number, rates: readonly number[]) {
  const arm = (
    name: string,
    factor: number,
    prepare: (model: GPT2, seed: number) => Module,
    optimizer: (module: Module, lr: number) => Prepared<null>["optimizer"] = adamW,
  ): QualityArm => ({
    name,
    rates: rates.map((rate) => rate * factor),
    prepare(model, { rate, seed }) {
      const module = prepare(model, seed);
      return { module, adapted: null, optimizer: optimizer(module, rate) };
    },
  });
  const frozen = (r: number) => (model: GPT2, seed: number) => adapters(model, "lora-fa", r, { seed });
  return {
    full: arm("full fine-tuning", 0.2, fullFineTuning),
    lora: arm(`LoRA, r = ${rank}`, 1, (model, seed) => adapters(model, "lora", rank, { seed })),
    fa: arm(`LoRA-FA, r = ${rank}`, 2, frozen(rank)),
    doubled: arm(`LoRA-FA, r = ${2 * rank}`, 2, frozen(2 * rank)),
    corrected: arm(
      `LoRA-FA, r = ${rank}, corrected`,
      2,
      frozen(rank),
      (module, lr) => new LoraFAAdamW(module, { lr, weightDecay: 0, correctGradient: true }),
    ),
  };
}
