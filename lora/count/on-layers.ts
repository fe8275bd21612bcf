/** @file Counting a method that adapts layers: its formula, applied to each layer that the target means. */

import { AdapterError, ArgumentError, sizeOf } from "../../core/index.ts";
import { type ModuleLayout, matchPattern, matchTargets } from "../../nn/index.ts";
import type { CountFormula } from "../model/method.ts";
import { doraPerInput } from "./formulas.ts";
import {
  added,
  biasOf,
  checkInteger,
  type ModuleCount,
  namesOf,
  type Rule,
  sum,
  withContainers,
  within,
} from "./layout.ts";
import type { DoraSpec, LoraSpec, RankSpec, TargetSpec } from "./spec.ts";

/** The options of all these methods; specOptions in spec.ts says which method has which. */
interface LayerSpec
  extends TargetSpec,
    Partial<Pick<RankSpec, "rank" | "rankPattern">>,
    Pick<LoraSpec, "slices">,
    Pick<DoraSpec, "magnitude" | "magnitudeOnly"> {
  readonly budget?: number;
}

/** The rule of a method with this formula. */
export function onLayers(formula: CountFormula): Rule<LayerSpec> {
  return (modules, spec) => {
    const { trained, frozen, shared } = spec.magnitude === "input" ? doraPerInput : formula;
    const targets = targetsOf(modules, spec);
    const ranks = ranksOf(formula, spec, targets);
    const slices = matchPattern("slices", spec.slices ?? {}, namesOf(targets), [true]);
    const counts = targets.map(({ name, inFeatures, outFeatures }): ModuleCount => {
      const enabled = slices.get(name)!;
      if (outFeatures % enabled.length !== 0) {
        throw new AdapterError(
          `slices: ${name} has ${outFeatures} outputs, which ${enabled.length} does not divide`,
        );
      }
      const pairs = enabled.filter(Boolean).length;
      const sizes = [ranks.get(name)!, inFeatures, outFeatures / enabled.length] as const;
      const trainable = pairs * trained(...sizes);
      return { name, trainable, added: trainable + pairs * (frozen?.(...sizes) ?? 0) };
    });
    const magnitudes = magnitudesOnly(modules, spec).filter(({ name }) => !ranks.has(name));
    return [
      ...counts,
      ...magnitudes.map(({ name, inFeatures, outFeatures }) =>
        added(name, trained(0, inFeatures, outFeatures)),
      ),
      ...(shared ? [sharedBy(targets, ranks, shared)] : []),
      ...savedCopies(modules, spec, [...targets, ...magnitudes]),
    ];
  };
}

/** The layers to adapt; modules to save are trained whole instead. */
function targetsOf(modules: readonly ModuleLayout[], spec: TargetSpec): ModuleLayout[] {
  const names = new Set(matchTargets(withContainers(modules), spec.target, spec.exclude, spec.layers));
  const saved = within(modules, "modulesToSave", spec.modulesToSave ?? []);
  return modules.filter(({ name }) => names.has(name) && !saved.has(name));
}

/** Layers that get a magnitude, and no A and B unless they are targets too. */
function magnitudesOnly(modules: readonly ModuleLayout[], spec: LayerSpec): ModuleLayout[] {
  const { magnitudeOnly: target } = spec;
  return target === undefined ? [] : targetsOf(modules, { ...spec, target });
}

/** The rank of each layer, by its name. */
function ranksOf(
  { prunes = false }: CountFormula,
  { rank, rankPattern = {}, budget }: LayerSpec,
  targets: readonly ModuleLayout[],
): Map<string, number> {
  if (prunes && rank === undefined) return evenRanks(budget, targets);
  const checked = checkInteger("rank", rank, 1);
  for (const [key, value] of Object.entries(rankPattern))
    checkInteger(`rankPattern ${key}`, value, prunes ? 0 : 1);
  return matchPattern("rankPattern", rankPattern, namesOf(targets), checked);
}

function evenRanks(budget: number | undefined, targets: readonly ModuleLayout[]): Map<string, number> {
  const triplets = checkInteger("budget", budget, 0);
  const n = targets.length;
  if (triplets % n !== 0) {
    throw new AdapterError(
      `budget: ${triplets} triplets do not spread evenly over ${n} layers; give rankPattern instead`,
    );
  }
  return new Map(targets.map(({ name }) => [name, triplets / n]));
}

/** One pair of matrices, wide enough for every layer. */
function sharedBy(
  targets: readonly ModuleLayout[],
  ranks: ReadonlyMap<string, number>,
  shared: NonNullable<CountFormula["shared"]>,
): ModuleCount {
  const width = Math.max(...targets.map(({ inFeatures }) => inFeatures));
  const height = Math.max(...targets.map(({ outFeatures }) => outFeatures));
  return {
    name: "shared A and B",
    trainable: 0,
    added: shared(Math.max(...ranks.values()), width, height),
  };
}

/** The adapter's own copies, which train in full: whole modules, and biases. */
function savedCopies(
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
