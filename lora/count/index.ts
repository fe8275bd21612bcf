/**
 * @file How many parameters a method trains, from its formula and a model's published configuration. Nothing is
 * allocated, so GPT-3 175B counts as fast as a toy.
 *
 * Per adapted layer W [d_out, d_in] at rank r (an embedding table is W [width, rows], a convolution
 * W [out, in × kernel]):
 *
 *   method          trains                       added but frozen     source
 *   lora            r (d_in + d_out)                                  Hu et al. 2021, §5.1
 *   rslora          as lora                                           Kalajdzievski 2023
 *   lora-plus       as lora                                           Hayou et al. 2024 (an optimizer recipe)
 *   lora-fa         r d_out                      r d_in               Zhang et al. 2023: A stays as drawn
 *   adalora         r (d_in + d_out) + r                              Zhang et al. 2023, §3.1: P, Q and diag Λ
 *   dora            r (d_in + d_out) + d_out                          Liu et al. 2024, §4.1, one magnitude per output
 *   vera            r + d_out                    r (max d_in +        Kopiczko et al. 2024: vectors d and b on two
 *                                                   max d_out)        random matrices that all layers share
 *   dvora           r + 2 d_out                  as vera              Liu et al. 2024, table 5: vera with magnitudes
 *
 * Per model of width d with L blocks (bottleneck r, l_p prefix and l_i infix tokens):
 *
 *   full            every parameter
 *   last-layers     every parameter of the last blocks
 *   bitfit          every bias                                        Ben Zaken et al. 2021
 *   adapter         n (2 d r + r + d) + 2 d n_LN                      Hu et al. 2021, §5.1; n adapters, n_LN new norms
 *   prefix-embedding   d (l_p + l_i)                                  Hu et al. 2021, §5.1
 *   prefix-layer    L d (l_p + l_i)                                   Hu et al. 2021, §5.1
 */

import { AdapterError, ArgumentError, checkOptions, nearest, sizeOf } from "../../core/index.ts";
import {
  blockName,
  checkLayers,
  configurations,
  hiddenSize,
  layerNumber,
  layout,
  type ModelConfig,
  type ModuleLayout,
  matchModules,
  matchPattern,
  matchTargets,
  modelConfig,
  parameterCount,
  type Target,
  type TargetCandidate,
} from "../../nn/index.ts";
import { elsewhere } from "../model/elsewhere.ts";
import type {
  AdaloraSpec,
  AdapterSpec,
  BitFitSpec,
  CountMethod,
  CountSpecs,
  DoraSpec,
  LastLayersSpec,
  LoraSpec,
  ModelSpec,
  PrefixSpec,
  RankSpec,
  TargetSpec,
} from "./spec.ts";
import { specOptions } from "./spec.ts";

/** What one module, or one block, contributes. */
export interface ModuleCount {
  readonly name: string;
  readonly trainable: number;
  /** Parameters that the base model does not have, trained or frozen. */
  readonly added: number;
}

export interface ParameterCount {
  readonly trainable: number;
  /**
   * Base model and everything added. What an adapter trains besides its factors are copies of its own, biases too, so
   * that the base stays as it is: `trainableParameters()` of the real model gives the same. (PEFT trains the biases
   * where they stand and counts them once.)
   */
  readonly total: number;
  /** The base model alone. */
  readonly base: number;
  /** 100 trainable / total. */
  readonly percent: number;
  readonly perModule: readonly ModuleCount[];
}

/**
 * Trainable and total parameters of `method` on the model and layers of `spec`, exactly.
 *
 * @throws ArgumentError on an unknown method, option or configuration and on ranks and lengths that are no natural numbers;
 *   AdapterError when a target matches nothing, a fused layer does not divide into its slices, a budget does not
 *   spread evenly, or a model has no biases to train.
 */
export function countParameters<M extends CountMethod>(method: M, spec: CountSpecs[M]): ParameterCount {
  if (!Object.hasOwn(rules, method)) {
    throw new ArgumentError("countParameters", `method to be one of ${Object.keys(rules).join(", ")}`, {
      method,
    });
  }
  checkOptions(`countParameters (method ${method})`, spec, specOptions[method], elsewhere);
  const config = lookUp(spec.config);
  const modules = layout(config);
  const perModule = rules[method](modules, spec, hiddenSize(config));

  const base = parameterCount(modules);
  const trainable = sum(perModule.map((count) => count.trainable));
  const total = base + sum(perModule.map((count) => count.added));
  return { trainable, total, base, percent: (100 * trainable) / total, perModule };
}

type Rule<S> = (modules: readonly ModuleLayout[], spec: S, d: number) => ModuleCount[];

const rules: { readonly [M in CountMethod]: Rule<CountSpecs[M]> } = {
  full: (modules) => modules.map((module) => inPlace(module.name, parameterCount([module]))),
  "last-layers": lastLayers,
  bitfit,
  adapter,
  "prefix-embedding": (_, spec, d) => [added("prefix", d * tokens(spec))],
  "prefix-layer": (modules, spec, d) => blocksOf(modules).map((block) => added(block, d * tokens(spec))),
  lora: lowRank((r, d_in, d_out) => r * (d_in + d_out)),
  rslora: lowRank((r, d_in, d_out) => r * (d_in + d_out)),
  "lora-plus": lowRank((r, d_in, d_out) => r * (d_in + d_out)),
  "lora-fa": lowRank((r, _, d_out) => r * d_out),
  adalora,
  dora,
  vera: vectors((r, d_out) => r + d_out),
  dvora: vectors((r, d_out) => r + 2 * d_out),
};

/** The rule of a method that adds B A to each target, or to slices of it, and trains `trains` of it. */
function lowRank(trains: (r: number, d_in: number, d_out: number) => number): Rule<LoraSpec> {
  return (modules, spec) => {
    const targets = targetsOf(modules, spec);
    const ranks = ranksOf(spec, targets);
    const slices = matchPattern("slices", spec.slices ?? {}, namesOf(targets), [true]);
    const counts = targets.map(({ name, inFeatures, outFeatures }): ModuleCount => {
      const enabled = slices.get(name)!;
      if (outFeatures % enabled.length !== 0) {
        throw new AdapterError(
          `slices: ${name} has ${outFeatures} outputs, which ${enabled.length} does not divide`,
        );
      }
      const r = ranks.get(name)!;
      const pairs = enabled.filter(Boolean).length;
      const d_out = outFeatures / enabled.length;
      return {
        name,
        trainable: pairs * trains(r, inFeatures, d_out),
        added: pairs * r * (inFeatures + d_out),
      };
    });
    return [...counts, ...besides(modules, spec, targets)];
  };
}

function adalora(modules: readonly ModuleLayout[], spec: AdaloraSpec): ModuleCount[] {
  const targets = targetsOf(modules, spec);
  const ranks =
    spec.rank === undefined ? evenRanks(spec.budget, targets) : ranksOf(spec, targets, { prunable: true });
  const counts = targets.map(({ name, inFeatures, outFeatures }) => {
    const r = ranks.get(name)!;
    return added(name, r * (inFeatures + outFeatures) + r);
  });
  return [...counts, ...besides(modules, spec, targets)];
}

function dora(modules: readonly ModuleLayout[], spec: DoraSpec): ModuleCount[] {
  const targets = targetsOf(modules, spec);
  const ranks = ranksOf(spec, targets);
  const magnitudes = (module: ModuleLayout) =>
    spec.magnitude === "input" ? module.inFeatures : module.outFeatures;
  const counts = targets.map((module) => {
    const { name, inFeatures, outFeatures } = module;
    return added(name, ranks.get(name)! * (inFeatures + outFeatures) + magnitudes(module));
  });
  const only =
    spec.magnitudeOnly === undefined
      ? []
      : targetsOf(modules, { ...spec, target: spec.magnitudeOnly }).filter(
          (module) => !ranks.has(module.name),
        );
  return [
    ...counts,
    ...only.map((module) => added(module.name, magnitudes(module))),
    ...besides(modules, spec, [...targets, ...only]),
  ];
}

/** The rule of a method that trains vectors on one pair of random matrices, wide enough for every target. */
function vectors(trains: (r: number, d_out: number) => number): Rule<RankSpec> {
  return (modules, spec) => {
    const targets = targetsOf(modules, spec);
    const ranks = ranksOf(spec, targets);
    const r = Math.max(...ranks.values());
    const width = Math.max(...targets.map((module) => module.inFeatures));
    const height = Math.max(...targets.map((module) => module.outFeatures));
    return [
      ...targets.map(({ name, outFeatures }) => added(name, trains(ranks.get(name)!, outFeatures))),
      { name: "shared A and B", trainable: 0, added: r * (width + height) },
      ...besides(modules, spec, targets),
    ];
  };
}

function bitfit(modules: readonly ModuleLayout[], { target, exclude = [] }: BitFitSpec): ModuleCount[] {
  const chosen = target && within(modules, "target", target);
  const excluded = within(modules, "exclude", exclude);
  const biases = modules
    .filter(({ name }) => (!chosen || chosen.has(name)) && !excluded.has(name))
    .flatMap(biasOf);
  if (biases.length === 0)
    throw new AdapterError("bitfit: the modules of this model that are left have no biases");
  return biases;
}

const adapterVariants = {
  houlsby: { adapters: 2, norms: 0 },
  lin: { adapters: 1, norms: 1 },
  pfeiffer: { adapters: 1, norms: 0 },
  drop: { adapters: 1, norms: 0 },
} as const;

function adapter(modules: readonly ModuleLayout[], spec: AdapterSpec, d: number): ModuleCount[] {
  if (!Object.hasOwn(adapterVariants, spec.variant)) {
    const known = Object.keys(adapterVariants).join(", ");
    throw new ArgumentError("countParameters", `variant to be one of ${known}`, { variant: spec.variant });
  }
  const r = checkInteger("rank", spec.rank, 1);
  const { adapters, norms } = adapterVariants[spec.variant];
  const perBlock = adapters * (2 * d * r + r + d) + norms * 2 * d;
  const blocks = blocksOf(modules);
  const layers = spec.layers && checkLayers(spec.layers, blocks);
  return blocks
    .filter((block) => !layers || layers.has(layerNumber(block)!))
    .map((block) => added(block, perBlock));
}

function lastLayers(modules: readonly ModuleLayout[], spec: LastLayersSpec): ModuleCount[] {
  const blocks = blocksOf(modules);
  if (checkInteger("blocks", spec.blocks, 1) > blocks.length) {
    throw new ArgumentError("countParameters", `blocks to be at most ${blocks.length}`, {
      blocks: spec.blocks,
    });
  }
  const last = new Set(blocks.slice(-spec.blocks));
  return modules
    .filter(({ name }) => last.has(blockName(name) ?? ""))
    .map((module) => inPlace(module.name, parameterCount([module])));
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

/** The layers to adapt; modules to save are trained whole instead. */
function targetsOf(modules: readonly ModuleLayout[], spec: TargetSpec): ModuleLayout[] {
  const names = new Set(matchTargets(withContainers(modules), spec.target, spec.exclude, spec.layers));
  const saved = within(modules, "modulesToSave", spec.modulesToSave ?? []);
  return modules.filter(({ name }) => names.has(name) && !saved.has(name));
}

/** Names of the modules that `target` means or that lie inside one it means. */
function within(modules: readonly ModuleLayout[], option: string, target: Target): Set<string> {
  const matched = matchModules(option, withContainers(modules), target);
  return new Set(
    namesOf(modules).filter((name) => [...containersOf(name), name].some((part) => matched.has(part))),
  );
}

/** The modules and the containers their names speak of, as a real model lists them. */
function withContainers(modules: readonly ModuleLayout[]): TargetCandidate[] {
  const containers = new Set(namesOf(modules).flatMap(containersOf));
  return [...[...containers].map((name) => ({ name, kind: "other" as const })), ...modules];
}

/** a, a.b, a.b.c for a.b.c.d. */
function containersOf(name: string): string[] {
  const parts = name.split(".");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("."));
}

function ranksOf(
  { rank, rankPattern = {} }: Pick<RankSpec, "rank" | "rankPattern">,
  targets: readonly ModuleLayout[],
  { prunable = false } = {},
): Map<string, number> {
  checkInteger("rank", rank, 1);
  for (const [key, value] of Object.entries(rankPattern)) {
    checkInteger(`rankPattern ${key}`, value, prunable ? 0 : 1);
  }
  return matchPattern("rankPattern", rankPattern, namesOf(targets), rank);
}

function evenRanks(budget: number, targets: readonly ModuleLayout[]): Map<string, number> {
  if (checkInteger("budget", budget, 0) % targets.length !== 0) {
    const n = targets.length;
    throw new AdapterError(
      `budget: ${budget} triplets do not spread evenly over ${n} layers; give rankPattern instead`,
    );
  }
  return new Map(targets.map(({ name }) => [name, budget / targets.length]));
}

/** What trains besides the adapters: the adapter's own copies of whole modules, and of biases. */
function besides(
  modules: readonly ModuleLayout[],
  { bias = "none", modulesToSave = [] }: TargetSpec,
  targets: readonly ModuleLayout[],
): ModuleCount[] {
  const saved = within(modules, "modulesToSave", modulesToSave);
  const copies = modules
    .filter(({ name }) => saved.has(name))
    .map(({ name, parameters }) => added(name, sum(parameters.map(({ shape }) => sizeOf(shape)))));
  const biased = { none: [], all: modules.filter(({ name }) => !saved.has(name)), "lora-only": targets };
  if (!Object.hasOwn(biased, bias)) {
    throw new ArgumentError("countParameters", 'bias to be "none", "all" or "lora-only"', { bias });
  }
  const biases = biased[bias].flatMap(biasOf);
  return [...copies, ...biases.map(({ name, trainable }) => added(name, trainable))];
}

function biasOf({ name, parameters }: ModuleLayout): ModuleCount[] {
  const bias = parameters.find((parameter) => parameter.name === `${name}.bias`);
  return bias ? [inPlace(bias.name, sizeOf(bias.shape))] : [];
}

/** Names of the blocks, in order. */
function blocksOf(modules: readonly ModuleLayout[]): string[] {
  return [...new Set(namesOf(modules).map(blockName))].filter((block) => block !== undefined);
}

function namesOf(modules: readonly ModuleLayout[]): string[] {
  return modules.map(({ name }) => name);
}

function tokens({ prefix, infix = 0 }: PrefixSpec): number {
  return checkInteger("prefix", prefix, 0) + checkInteger("infix", infix, 0);
}

/** New parameters, all trained. */
function added(name: string, count: number): ModuleCount {
  return { name, trainable: count, added: count };
}

/** Parameters of the base model, trained where they are. */
function inPlace(name: string, count: number): ModuleCount {
  return { name, trainable: count, added: 0 };
}

function checkInteger(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ArgumentError("countParameters", `${name} to be an integer of at least ${least}`, {
      [name]: value,
    });
  }
  return value;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
