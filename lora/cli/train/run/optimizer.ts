/** @file The optimizer of a run, its parameter groups (LoRA+), and its schedule. */

import {
  AdamW,
  constant,
  cosine,
  linearDecay,
  type Module,
  type Optimizer,
  type Schedule,
  SGD,
} from "../../../../nn/index.ts";
import { AdamW8bit, PagedAdamW } from "../../../../quant/index.ts";
import { LoraFAAdamW, loraPlus } from "../../../index.ts";
import { ratioOf } from "./methods.ts";
import type { RunSettings } from "./settings.ts";

/** The optimizer of what trains in `model`. */
export function optimizerOf(model: Module, settings: RunSettings): Optimizer<{ lr: number }> {
  const { lr, weightDecay, optimizer, correctGradient, pagedBudget = 64 } = settings;
  if (correctGradient) return new LoraFAAdamW(model, { lr, weightDecay, correctGradient });
  const params = groupsOf(model, settings);
  const common = { lr, weightDecay };
  if (optimizer === "sgd") return new SGD(params, { ...common, momentum: 0.9 });
  if (optimizer === "8bit") return new AdamW8bit(params, common);
  if (optimizer === "paged")
    return new PagedAdamW(params, { ...common, budget: Math.ceil(pagedBudget * 1e6) });
  return new AdamW(params, common);
}

/** Closes what an optimizer has open: the page file of a paged one. */
export function closeOptimizer(optimizer: Optimizer<{ lr: number }>): void {
  if (optimizer instanceof PagedAdamW) optimizer.close();
}

/** What trains, in one group, or in LoRA+'s groups where B has a rate of its own. */
function groupsOf(model: Module, settings: RunSettings) {
  const { lr, weightDecay, loraPlusEmbeddingLr: embeddingLr } = settings;
  const ratio = ratioOf(settings);
  if (ratio !== 1 || settings.method === "lora+")
    return loraPlus(model, { lr, ratio, weightDecay, embeddingLr });
  return model.parameters().filter(({ requiresGrad }) => requiresGrad);
}

/** The factor on the rate at each step. */
export function scheduleOf({ schedule, warmup }: RunSettings, steps: number): Schedule {
  if (schedule === "constant") return constant({ warmup });
  return { linear: linearDecay, cosine }[schedule]({ warmup, total: steps });
}
