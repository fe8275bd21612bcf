/**
 * @file Recipes: each puts one method on a model and gives its optimizer, ready to train. All work on any language model.
 */
import { type NDArray, scope } from "lowrank/core";
import {
  type AdaLoRA,
  type AdaptedModel,
  type AdapterConfig,
  BudgetAllocator,
  type ConfigOf,
  inject,
  loraPlus,
  type MethodDefinition,
  orthogonality,
} from "lowrank/lora";
import { AdamW, evaluated, type LanguageModel, type Module } from "lowrank/nn";
import type { Batch } from "../data/domain.ts";
import { adamW, type Prepared } from "../experiments/harness.ts";

/** An adapted language model. */
export interface Trained {
  readonly model: LanguageModel;
  /** The model with its adapters; null for a method that has none. */
  readonly adapters: AdaptedModel<LanguageModel> | null;
  readonly seed: number;
  /** AdaLoRA's singular values in use, by step; of the others none. */
  readonly inUse: readonly number[];
}

/** Puts a method on a model. @param how the learning rate, the seed of what the method draws, the steps of the run */
export type Recipe = (
  model: LanguageModel,
  how: { readonly rate: number; readonly seed: number; readonly steps: number },
) => Prepared<Trained>;

/** Full fine-tuning: every parameter. */
export function everything(): Recipe {
  return (model, { rate, seed }) => {
    model.requiresGrad_();
    return {
      module: model,
      adapted: { model, adapters: null, seed, inUse: [] },
      optimizer: adamW(model, rate),
    };
  };
}

/** BitFit (Ben Zaken et al., 2021, arXiv:2106.10199): every bias, those of the layer norms too. */
export function biases(): Recipe {
  return (model, { rate, seed }) => {
    model.requiresGrad_(false);
    for (const [name, parameter] of model.namedParameters())
      if (name.endsWith(".bias")) parameter.requiresGrad = true;
    return {
      module: model,
      adapted: { model, adapters: null, seed, inUse: [] },
      optimizer: adamW(model, rate),
    };
  };
}

/** A method of `inject`, with AdamW or with another optimizer. */
export function adapter(
  config: AdapterConfig | ConfigOf<MethodDefinition>,
  optimizer: (module: Module, rate: number) => AdamW = adamW,
): Recipe {
  return (model, { rate, seed }) => {
    const adapters = inject(model, { ...(config as AdapterConfig), seed } as AdapterConfig);
    return {
      module: adapters,
      adapted: { model, adapters, seed, inUse: [] },
      optimizer: optimizer(adapters, rate),
    };
  };
}

/** LoRA+: B learns `ratio` times as fast as A. The rates' geometric mean is the rate, so that grids mean the same. */
export function plus(ratio: number): (module: Module, rate: number) => AdamW {
  return (module, rate) =>
    new AdamW(loraPlus(module, { lr: rate / Math.sqrt(ratio), ratio, embeddingLr: null }), {
      lr: rate / Math.sqrt(ratio),
      weightDecay: 0,
    });
}

/**
 * AdaLoRA with the allocator and the regulariser of the authors' code: from 3r/2 triplets a layer to r on average, α/r0 = 2
 * throughout (§4: b(0) = 1.5 b(T)).
 */
export function adaLora({ rank }: { readonly rank: number }): Recipe {
  const start = Math.max(rank, Math.ceil(1.5 * rank));
  return (model, { rate, seed, steps }) => {
    const config = { method: "adalora", rank: start, alpha: 2 * start, target: "all-linear", seed } as const;
    const adapters = inject(model, config);
    const parts = [...adapters.adapter("default").values()] as AdaLoRA[];
    const allocator = new BudgetAllocator(parts, {
      totalSteps: steps,
      warmup: Math.round(0.15 * steps),
      final: Math.round(0.4 * steps),
      target: rank * parts.length,
    });
    const inUse: number[] = [];
    return {
      module: adapters,
      adapted: { model, adapters, seed, inUse },
      optimizer: adamW(adapters, rate),
      penalty: () => orthogonality(parts, { weight: 0.1, form: "code" }),
      beforeStep: () => allocator.observe(),
      afterStep(step) {
        allocator.allocate(step + 1);
        inUse.push(parts.reduce((sum, part) => sum + part.activeRank(), 0));
      },
      kept: allocator.scores.flatMap((scores) => Object.values(scores).flatMap(Object.values) as NDArray[]),
    };
  };
}

/**
 * Adapters merged into the weights: the largest difference of a logit, and the largest logit of all.
 *
 * @param batch rows of one token more than the model reads
 */
export function mergeError(
  { model, adapters }: Trained,
  { ids: { data, shape } }: Batch,
): { readonly difference: number; readonly largest: number } | null {
  if (!adapters) return null;
  const read = { data: data.subarray(0, shape[1] - 1), shape: [1, shape[1] - 1] }; // the first row, without its last token
  return scope(() => {
    const [before, after] = [model, adapters.toPlain()].map((one) =>
      evaluated(one, () => Float64Array.from(one.forward(read).value.data)),
    );
    return {
      difference: before.reduce((most, value, i) => Math.max(most, Math.abs(value - after[i])), 0),
      largest: before.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    };
  });
}
