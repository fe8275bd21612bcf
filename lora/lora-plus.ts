/**
 * @file LoRA+: Efficient Low Rank Adaptation of Large Models. Hayou, Ghosh & Yu, 2024, arXiv:2402.12354.
 *
 *     A ← A − η g_A          B ← B − λ η g_B          λ > 1                         (§4)
 *
 * The layer is LoRA's; only the rates differ. With width n the change of the output through A and that through B are
 * both Θ(1) only if η_A = Θ(1/n) and η_B = Θ(1): equal rates learn inefficiently. λ around 2⁴ for RoBERTa, 2¹ to 2² for
 * LLaMA (§5), larger for harder tasks, with η below LoRA's usual.
 *
 * A recipe of parameter groups, for any optimizer whose groups have lr and weightDecay:
 *
 *     new AdamW(loraPlus(model, { lr: 2e-4, ratio: 16, weightDecay: 0.01 }))
 *
 *     group          parameters                                        rate     decay
 *     A              A, and other trained matrices                     η        yes
 *     embedding      A and B of adapted embeddings                     own      yes
 *     B              B, and vectors such as DoRA's m                   λ η      yes
 *     B, no decay    biases, weights of norms                          λ η      no
 *
 * Vectors in group B and the rule of decay are the authors' code, and so is the rate of embeddings; PEFT leaves the
 * embeddings' A and B in group A: `embeddingLr: null`.
 */

import type { Parameter } from "../autograd/index.ts";
import { ArgumentError, checkOptions, optionNames } from "../core/index.ts";
import { type Group, LayerNorm, type Module, parametersIn, RMSNorm } from "../nn/index.ts";
import { AdaptedLayer } from "./model/adapted-layer.ts";
import { Adapter } from "./model/adapter.ts";
import { rateNames } from "./model/elsewhere.ts";

export interface LoraPlusOptions {
  /** η, the learning rate of A. */
  readonly lr: number;
  /** λ = η_B/η_A. */
  readonly ratio: number;
  /**
   * The rate of adapted embeddings' A and B; null gives both the rate of A.
   * @default 1e-6
   */
  readonly embeddingLr?: number | null;
  /** @default 0 */
  readonly weightDecay?: number;
}

const loraPlusOptions = optionNames<LoraPlusOptions>({
  lr: true,
  ratio: true,
  embeddingLr: true,
  weightDecay: true,
});

/** The names of the authors' code and of PEFT's create_loraplus_optimizer. */
const loraPlusConfig = {
  learning_rate: "lr",
  loraplus_lr: "lr",
  ...rateNames,
  lambda: "ratio",
  λ: "ratio",
  betas: "the optimizer's betas",
  eps: "the optimizer's eps",
  optimizer_cls: "the optimizer, given these groups",
};

export interface Rates {
  lr: number;
  weightDecay: number;
}

/**
 * The trainable parameters of `model` in LoRA+'s groups, for an optimizer. Groups without parameters are left out.
 *
 * @example
 *     const optimizer = new AdamW(loraPlus(adapted, { lr: 2e-4, ratio: 16 }));
 *
 * @throws ArgumentError on a negative setting
 */
export function loraPlus(model: Module, options: LoraPlusOptions): (Group<Rates> & Rates)[] {
  checkOptions("loraPlus", options, loraPlusOptions, loraPlusConfig);
  const { lr, ratio, embeddingLr = 1e-6, weightDecay = 0 } = options;
  for (const [name, value] of Object.entries({ lr, ratio, embeddingLr: embeddingLr ?? 0, weightDecay })) {
    if (!(value >= 0)) throw new ArgumentError("loraPlus", `${name} ≥ 0`, { [name]: value });
  }
  const groups = {
    A: { lr, weightDecay },
    embedding: { lr: embeddingLr ?? lr, weightDecay },
    B: { lr: lr * ratio, weightDecay },
    "B, no decay": { lr: lr * ratio, weightDecay: 0 },
  };
  const members = new Map<Parameter, keyof typeof groups>();
  for (const [, module] of model.namedModules()) {
    if (module instanceof AdaptedLayer && module.W0.kind === "embedding") {
      for (const adapter of module.adapters.values()) {
        for (const [name, parameter] of adapter.namedParameters()) {
          if (name === "A" || name === "B") members.set(parameter, embeddingLr === null ? "A" : "embedding");
        }
      }
    }
    const isNorm = module instanceof LayerNorm || module instanceof RMSNorm;
    for (const { name, value: parameter } of parametersIn(module)) {
      if (members.has(parameter)) continue;
      const isB = module instanceof Adapter && (name === "B" || name === "P"); // P is AdaLoRA's
      if (!isB && parameter.shape.length !== 1) members.set(parameter, "A");
      else members.set(parameter, isNorm || name === "bias" ? "B, no decay" : "B");
    }
  }
  return Object.entries(groups).flatMap(([name, rates]) => {
    const params = [...members].flatMap(([parameter, group]) =>
      group === name && parameter.requiresGrad ? [parameter] : [],
    );
    return params.length > 0 ? [{ name, params, ...rates }] : [];
  });
}
