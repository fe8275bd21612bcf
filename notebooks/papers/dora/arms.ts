/** @file The methods that DoRA's page compares on text, as arms of a study; all follow the queries as they train. */
import { type AdapterConfig, inject } from "lowrank/lora";
import type { GPT2, Module } from "lowrank/nn";
import { adamW, type Prepared } from "../../support/experiments/harness.ts";
import type { Arm } from "../../support/experiments/study.ts";
import { fullFineTuning } from "../../support/methods/baselines.ts";
import { follow, type Moved } from "./magnitude-direction.ts";

export type TextArm = Arm<GPT2, readonly Moved[], readonly Moved[]>;

/** Adapters on every linear layer, α = 2 r as in Table 8 of the paper. */
export function adapters(
  model: GPT2,
  method: "lora" | "dora",
  rank: number,
  seed: number,
  more: object = {},
) {
  const config = { method, rank, alpha: 2 * rank, target: "all-linear", seed, ...more };
  return inject(model, config as AdapterConfig);
}

/** The arms by name. @param rates learning rates of LoRA and DoRA; those of full fine-tuning are a fifth of them */
export function textArms(rank: number, rates: readonly number[]) {
  const arm = (
    name: string,
    prepare: (model: GPT2, seed: number) => Module,
    own: readonly number[] = rates,
  ): TextArm => ({
    name,
    rates: own,
    prepare(model, { rate, seed, steps }): Prepared<readonly Moved[]> {
      const module = prepare(model, seed);
      const quarters = [1, 2, 3, 4].map((part) => Math.ceil((part * steps) / 4));
      const { moved, afterStep } = follow(model, quarters);
      return { module, adapted: moved, optimizer: adamW(module, rate), afterStep };
    },
    read: (moved) => moved,
  });
  const half = Math.max(1, Math.floor(rank / 2));
  return {
    full: arm(
      "full fine-tuning",
      fullFineTuning,
      rates.map((rate) => rate / 5),
    ),
    lora: arm(`LoRA, r = ${rank}`, (model, seed) => adapters(model, "lora", rank, seed)),
    dora: arm(`DoRA, r = ${rank}`, (model, seed) => adapters(model, "dora", rank, seed)),
    half: arm(`DoRA, r = ${half}`, (model, seed) => adapters(model, "dora", half, seed)),
    exact: arm(`DoRA, r = ${rank}, exact gradient`, (model, seed) =>
      adapters(model, "dora", rank, seed, { normGradient: true }),
    ),
    lengths: arm("DoRA, lengths alone", (model, seed) => {
      const module = adapters(model, "dora", 1, seed);
      for (const [name, parameter] of module.namedParameters())
        if (/\.[AB]$/.test(name)) parameter.requiresGrad = false; // B A stays zero
      return module;
    }),
  };
}
