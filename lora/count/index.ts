/**
 * @file How many parameters a method trains, from its formula and a model's published configuration. Nothing is
 * allocated, so GPT-3 175B counts as fast as a toy.
 *
 * The formulas of methods that adapt layers are in formulas.ts, those of other methods in baselines.ts. An embedding's
 * table counts as W [width, rows], a convolution's kernel as W [out, in × kernel].
 */

import { ArgumentError, checkOptions, nearest } from "../../core/index.ts";
import {
  configurations,
  hiddenSize,
  layout,
  type ModelConfig,
  modelConfig,
  parameterCount,
} from "../../nn/index.ts";
import { elsewhere } from "../model/elsewhere.ts";
import type { MethodDefinition } from "../model/method.ts";
import { adapter, bitfit, full, lastLayers, prefixEmbedding, prefixLayer } from "./baselines.ts";
import { formulas } from "./formulas.ts";
import { type ModuleCount, type Rule, sum } from "./layout.ts";
import { onLayers } from "./on-layers.ts";
import { type CountMethod, type CountSpecs, type ModelSpec, type RankSpec, specOptions } from "./spec.ts";

export type { ModuleCount } from "./layout.ts";

/** What `countParameters` returns. */
export interface ParameterCount {
  /** Parameters that train. */
  readonly trainable: number;
  /**
   * Parameters of the base model and everything added. What an adapter trains in addition to its factors, biases too,
   * are copies of its own, so that the base stays as it is: `trainableParameters()` of the real model gives the same.
   * (PEFT trains the biases in their places and counts them once.)
   */
  readonly total: number;
  /** Parameters of the base model alone. */
  readonly base: number;
  /** 100 trainable / total. */
  readonly percent: number;
  /** The count module by module, or block by block. */
  readonly perModule: readonly ModuleCount[];
}

const rules: { readonly [M in CountMethod]: Rule<CountSpecs[M]> } = {
  full,
  "last-layers": lastLayers,
  bitfit,
  adapter,
  "prefix-embedding": prefixEmbedding,
  "prefix-layer": prefixLayer,
  lora: onLayers(formulas.lora),
  rslora: onLayers(formulas.rslora),
  "lora-plus": onLayers(formulas["lora-plus"]),
  "lora-fa": onLayers(formulas["lora-fa"]),
  adalora: onLayers(formulas.adalora),
  dora: onLayers(formulas.dora),
  vera: onLayers(formulas.vera),
  dvora: onLayers(formulas.dvora),
};

/**
 * Counts the trainable and the total parameters of a method on a model, exactly, without making either.
 *
 * @param method the name of a method of this library, or of one that the papers compare with, such as "bitfit"
 * @param spec the model, by name or by the fields of its config.json; the layers; the options of the method
 * @returns the counts, in total and module by module
 * @throws ArgumentError on an unknown method, option or configuration and on ranks and lengths that are no natural numbers
 * @throws AdapterError when a target matches nothing, a fused layer does not divide into its slices, a budget does not
 *   spread evenly, or a model has no biases to train
 * @example
 * countParameters("lora", { config: "gpt3-175b", rank: 8, target: "attn.c_proj" }).trainable; // 18874368
 */
export function countParameters<M extends CountMethod>(method: M, spec: CountSpecs[M]): ParameterCount;
/** The same for a method that is given as a value of `defineMethod`, by its count formula. */
export function countParameters(method: MethodDefinition, spec: RankSpec): ParameterCount;
export function countParameters(method: string | MethodDefinition, spec: ModelSpec): ParameterCount {
  const { name, rule, options } = ruleOf(method);
  checkOptions(`countParameters (method ${name})`, spec, options, elsewhere);
  const config = lookUp(spec.config);
  const modules = layout(config);
  const perModule = rule(modules, spec as never, hiddenSize(config));

  const base = parameterCount(modules);
  const trainable = sum(perModule.map((count) => count.trainable));
  const total = base + sum(perModule.map((count) => count.added));
  return { trainable, total, base, percent: (100 * trainable) / total, perModule };
}

/** The counting rule of a method, and the names of the options that it reads. */
function ruleOf(method: string | MethodDefinition): {
  readonly name: string;
  readonly rule: Rule<never>;
  readonly options: readonly string[];
} {
  if (typeof method === "object" && method?.count)
    return { name: method.name, rule: onLayers(method.count), options: specOptions.vera };
  if (typeof method === "string" && Object.hasOwn(rules, method)) {
    const name = method as CountMethod;
    return { name, rule: rules[name], options: specOptions[name] };
  }
  const expected = `method to be one of ${Object.keys(rules).join(", ")}, or a value of defineMethod with a count`;
  throw new ArgumentError("countParameters", expected, { method });
}

function lookUp(config: ModelSpec["config"]): ModelConfig {
  if (typeof config !== "string") return modelConfig(config as Readonly<Record<string, unknown>>);
  if (!Object.hasOwn(configurations, config)) {
    const near = nearest(config, Object.keys(configurations)).slice(0, 3).join(", ");
    throw new ArgumentError("countParameters", `config to be a name in configurations (nearest: ${near})`, {
      config,
    });
  }
  return configurations[config];
}
