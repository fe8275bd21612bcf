/**
 * @file Counting the methods that LoRA's papers compare with, on a model of width d with L blocks (bottleneck r, l_p prefix
 * and l_i infix tokens):
 *
 *   full            every parameter
 *   last-layers     every parameter of the last blocks
 *   bitfit          every bias                                        Ben Zaken et al. 2021
 *   adapter         n (2 d r + r + d) + 2 d n_LN                      Hu et al. 2021, §5.1; n adapters, n_LN new norms
 *   prefix-embedding   d (l_p + l_i)                                  Hu et al. 2021, §5.1
 *   prefix-layer    L d (l_p + l_i)                                   Hu et al. 2021, §5.1
 */

import { AdapterError, ArgumentError } from "../../core/index.ts";
import { blockName, checkLayers, layerNumber, type ModuleLayout, parameterCount } from "../../nn/index.ts";
import { added, biasOf, blocksOf, checkInteger, inPlace, type Rule, within } from "./layout.ts";
import type { AdapterSpec, BitFitSpec, LastLayersSpec, ModelSpec, PrefixSpec } from "./spec.ts";

export const full: Rule<ModelSpec> = (modules) => modules.map(inFull);

export const lastLayers: Rule<LastLayersSpec> = (modules, spec) => {
  const blocks = blocksOf(modules);
  if (checkInteger("blocks", spec.blocks, 1) > blocks.length) {
    throw new ArgumentError("countParameters", `blocks to be at most ${blocks.length}`, {
      blocks: spec.blocks,
    });
  }
  const last = new Set(blocks.slice(-spec.blocks));
  return modules.filter(({ name }) => last.has(blockName(name) ?? "")).map(inFull);
};

export const bitfit: Rule<BitFitSpec> = (modules, { target, exclude = [] }) => {
  const chosen = target && within(modules, "target", target);
  const excluded = within(modules, "exclude", exclude);
  const biases = modules
    .filter(({ name }) => (!chosen || chosen.has(name)) && !excluded.has(name))
    .flatMap(biasOf);
  if (biases.length === 0)
    throw new AdapterError("bitfit: the modules of this model that are left have no biases");
  return biases;
};

/** n and n_LN of each kind of adapter. */
const adapterVariants = {
  houlsby: { adapters: 2, norms: 0 },
  lin: { adapters: 1, norms: 1 },
  pfeiffer: { adapters: 1, norms: 0 },
  drop: { adapters: 1, norms: 0 },
} as const;

export const adapter: Rule<AdapterSpec> = (modules, spec, d) => {
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
};

export const prefixEmbedding: Rule<PrefixSpec> = (_, spec, d) => [added("prefix", d * tokens(spec))];

export const prefixLayer: Rule<PrefixSpec> = (modules, spec, d) =>
  blocksOf(modules).map((block) => added(block, d * tokens(spec)));

/** Every parameter of a module, trained in its place. */
function inFull(module: ModuleLayout) {
  return inPlace(module.name, parameterCount([module]));
}

/** l_p + l_i */
function tokens({ prefix, infix = 0 }: PrefixSpec): number {
  return checkInteger("prefix", prefix, 0) + checkInteger("infix", infix, 0);
}
