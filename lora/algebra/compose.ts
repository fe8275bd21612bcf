/**
 * @file compose: a new LoRA adapter whose ΔW is made from those of others.
 *
 *     linear            Σ w_i ΔW_i, in as few ranks as it has             exact
 *     concat            Σ w_i ΔW_i: B = [w_1 B_1 … w_n B_n], A = [A_1; …; A_n], rank Σ r_i        exact
 *     svd               the best approximation of Σ w_i ΔW_i with a given rank or energy
 *     ties, dare, dare-ties, magnitude-prune      see combine.ts; then as svd
 */

import { array, binary, concat, random } from "../../core/index.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import { checkName } from "../model/checks.ts";
import { combine } from "./combine.ts";
import { type ComposeOptions, checkWeights, readOptions, type Weights } from "./compose-options.ts";
import { addNewAdapter, type ComposedLayer, type NewUpdate, truncate } from "./new-adapter.ts";
import { deltaAt, type Factors, factorsAt, noiseAt, spectrumOf, spectrumOfProduct } from "./spectrum.ts";

/**
 * Adds an adapter that is a composition of adapters of the model. They stay as they are; the new one is neither active
 * nor trainable.
 *
 * @param name the name of the new adapter
 * @param weights the weight of each adapter that takes part, by its name
 * @param options the rule, and the rank or energy of the new adapter; without either, rules that approximate take the
 *   largest rank of the adapters that take part
 * @returns for each layer its rank, and the part of ΔW that was lost
 * @throws AdapterError on an unknown name or rule, a name that is taken, a weight that is not finite, a density, rank or
 *   energy out of range, and adapters with copies of base parameters, whose combination is not defined
 * @example
 * compose(model, "both", { french: 0.5, legal: 0.5 }, { by: "svd", rank: 8 });
 */
export function compose(
  model: AdaptedModel,
  name: string,
  weights: Weights,
  options: ComposeOptions = {},
): ComposedLayer[] {
  checkName(name, model.names);
  const sources = checkWeights(model, weights);
  const { by, densities, seed, truncation } = readOptions(model, sources, options);
  const rng = random(seed);

  const updateOf = (path: string, layer: AdaptedLayer): NewUpdate => {
    const here = sources.filter((source) => layer.adapters.has(source));
    const factors = densities ? null : concatenated(layer, here, weights);
    if (by === "concat" && factors) return { factors, error: 0 };
    if (factors) return truncate(spectrumOfProduct(factors), truncation);
    const rule = by === "concat" || by === "svd" ? "linear" : by;
    const terms = here.map((source) => ({
      delta: deltaAt(layer, source),
      weight: weights[source],
      density: densities?.get(source) ?? 1,
    }));
    const noise = here.reduce((sum, source) => sum + Math.abs(weights[source]) * noiseAt(layer, source), 0);
    return truncate(spectrumOf(combine(rule, terms, rng.split(path)), noise), truncation);
  };

  const layers = [...model.layers].filter(([, layer]) =>
    sources.some((source) => layer.adapters.has(source)),
  );
  return addNewAdapter(model, name, layers, updateOf);
}

/** B = [w_1 B_1 … w_n B_n] and A = [A_1; …; A_n] of adapters on a layer; null when one of them is no product B A. */
function concatenated(layer: AdaptedLayer, names: readonly string[], weights: Weights): Factors | null {
  const pairs = names.map((name) => factorsAt(layer, name)).filter((pair) => pair !== null);
  if (pairs.length < names.length) return null;
  const weighted = pairs.map(({ B }, i) => binary("mul", B, array(weights[names[i]], [])));
  const all = pairs.map(({ A }) => A);
  return { B: concat(weighted, 1), A: concat(all, 0) };
}
