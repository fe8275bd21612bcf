/** @file The methods: each puts itself on a copy of the base, and says how it trains. */
import { type Parameter, parameter, type Tensor } from "lowrank/autograd";
import { zeros } from "lowrank/core";
import {
  type AdaLoRA,
  type AdaptedModel,
  type AdapterConfig,
  BudgetAllocator,
  inject,
  loraPlus,
  orthogonality,
} from "lowrank/lora";
import { AdamW, type Linear, type Llama, type Module } from "lowrank/nn";
import { vera } from "../../../test/lora/methods/vera.ts";
import { trainedRank } from "./counts.ts";
import { places } from "./places.ts";
import type { Controls } from "./types.ts";

/** Parts of AdaLoRA's steps: before the budget falls, and after it has (§4). */
export const BUDGET = { warmup: 0.15, final: 0.4 } as const;
/** Rounds of LoftQ's Algorithm 1: each decomposes every matrix once. */
export const ITERATIONS = 1;

/** A model ready to train. */
export interface Prepared {
  /** The model, with what the method put on it. */
  readonly module: Module;
  /** The model with its adapters; null for full fine-tuning and BitFit. */
  readonly adapted: AdaptedModel<Llama> | null;
  readonly optimizer: AdamW;
  /** AdaLoRA's allocator of the budget. */
  readonly allocator: BudgetAllocator | null;
  /** What is added to the loss: AdaLoRA's orthogonality. */
  readonly penalty: (() => Tensor) | null;
}

/** α, r and the other options of `inject`; null for a method that is no adapter. */
export function adapterConfig(controls: Controls, original: Module): AdapterConfig | null {
  const { method, rank, alpha, seed } = controls;
  const target = places[controls.place];
  const common = { rank, alpha, target, seed };
  switch (method) {
    case "full":
    case "bitfit":
      return null;
    case "lora":
    case "lora+":
      return { method: "lora", ...common };
    case "rslora":
      return { method: "lora", rankStabilized: true, ...common };
    case "dora":
    case "lora-fa":
      return { method, ...common };
    case "pissa":
    case "olora":
      return { method: "lora", init: method, ...common };
    case "loftq":
      return { method: "lora", init: "loftq", loftq: { original, iterations: ITERATIONS }, ...common };
    case "adalora": {
      const start = trainedRank(controls); // b(0) = 1.5 b(T), AdaLoRA §4
      return { method, ...common, rank: start, alpha: (alpha * start) / rank }; // the factor α/r stays
    }
    case "vera":
      return { method: vera, rank, target, seed } as unknown as AdapterConfig;
  }
}

/** Puts the method on `model`, a copy of `original` that may be quantized. */
export function prepare(model: Llama, original: Llama, controls: Controls): Prepared {
  const { method, rate, ratio, rank, steps } = controls;
  const plain = { adapted: null, allocator: null, penalty: null };
  if (method === "full") {
    model.requiresGrad_();
    return { module: model, optimizer: adamW(model.parameters(), rate), ...plain };
  }
  if (method === "bitfit") {
    const biases = [...model.namedParameters()].filter(([name]) => name.endsWith(".bias"));
    for (const [, bias] of biases) bias.requiresGrad = true;
    return {
      module: model,
      optimizer: adamW(
        biases.map(([, bias]) => bias),
        rate,
      ),
      ...plain,
    };
  }
  const adapted = inject(model, adapterConfig(controls, original) as AdapterConfig);
  const trained = adapted.parameters().filter(({ requiresGrad }) => requiresGrad);
  const optimizer =
    method === "lora+"
      ? new AdamW(loraPlus(adapted, { lr: rate, ratio, embeddingLr: null }), { lr: rate, weightDecay: 0 })
      : adamW(trained, rate);
  if (method !== "adalora") return { module: adapted, adapted, optimizer, allocator: null, penalty: null };
  const parts = [...adapted.adapter("default").values()] as AdaLoRA[];
  const allocator = new BudgetAllocator(parts, {
    totalSteps: steps,
    warmup: Math.round(BUDGET.warmup * steps),
    final: Math.round(BUDGET.final * steps),
    target: rank * parts.length,
  });
  const penalty = (): Tensor => orthogonality(parts, { weight: 0.1, form: "code" });
  return { module: adapted, adapted, optimizer, allocator, penalty };
}

const adamW = (parameters: readonly Parameter[], lr: number): AdamW =>
  new AdamW([...parameters], { lr, weightDecay: 0 });

/** Gives each matrix of the place a bias b = 0, for BitFit: a Llama has none. */
export function addBiases(model: Llama, place: Controls["place"]): void {
  for (const [name, module] of model.namedModules()) {
    if (!(places[place] as readonly string[]).includes(name.split(".").at(-1) as string)) continue;
    const layer = module as Linear;
    layer.bias = parameter(zeros([layer.outFeatures]), "adapters");
  }
}
