/** @file LoRA with two rates on a language model, as arms of `study`: one for each ratio λ = η_B/η_A. */
import { inject, loraPlus } from "lowrank/lora";
import { AdamW, type GPT2 } from "lowrank/nn";
import type { Arm } from "../../support/experiments/study.ts";

/** Geometric means √(η_A η_B) to try, the same for every ratio, so that no arm has more tries or a finer grid. */
const RATES = [2.5e-3, 5e-3, 1e-2, 2e-2] as const;

export const armName = (ratio: number): string =>
  ratio === 1 ? "LoRA, one rate" : ratio > 1 ? `LoRA+, λ = ${ratio}` : `turned round, λ = 1/${1 / ratio}`;

/** The arm of one ratio: `rate` is the geometric mean of its two rates. */
export const withRatio = (ratio: number, rank: number, search: number): Arm<GPT2, GPT2, undefined> => ({
  name: armName(ratio),
  rates: search > 0 ? RATES : [RATES[2]],
  prepare(model, { rate, seed }) {
    const module = inject(model, { rank, alpha: 2 * rank, target: "all-linear", seed });
    const lr = rate / Math.sqrt(ratio);
    return {
      module,
      adapted: model,
      optimizer: new AdamW(loraPlus(module, { lr, ratio }), { weightDecay: 0 }),
    };
  },
});
