/** @file A computed ΔW as a new LoRA adapter: truncated to a rank, and added to the model. */

import { random, scope, withPrecision } from "../../core/index.ts";
import { withoutInit } from "../../nn/index.ts";
import { type AdapterConfig, methods } from "../methods.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import type { OwnParameter } from "../model/saved-parameters.ts";
import {
  type Factors,
  keptRank,
  type Spectrum,
  type Truncation,
  truncated,
  truncationError,
} from "./spectrum.ts";

/** What `compose` and `convert` report of one layer. */
export interface ComposedLayer {
  /** The name of the layer. */
  readonly layer: string;
  /** The rank of the new adapter there. */
  readonly rank: number;
  /** ‖ΔW − ΔW_r‖_F / ‖ΔW‖_F, where ΔW is what was computed and ΔW_r what the new adapter holds; 0 when it is exact. */
  readonly error: number;
}

/** ΔW = B A of a new adapter on one layer, and the relative error that truncation made. */
export interface NewUpdate {
  readonly factors: Factors;
  readonly error: number;
}

/** The best approximation of a ΔW that `truncation` allows. */
export function truncate(spectrum: Spectrum, truncation: Truncation): NewUpdate {
  const rank = keptRank(spectrum, truncation);
  return { factors: truncated(spectrum, rank), error: truncationError(spectrum, rank) };
}

/**
 * Adds the adapter `name`, a LoRA adapter with scaling 1, which is neither active nor trainable.
 * @param updateOf computes the update of one layer; it runs in double precision
 * @param own copies of parameters of the base that the adapter gets
 */
export function addNewAdapter(
  model: AdaptedModel,
  name: string,
  layers: Iterable<readonly [string, AdaptedLayer]>,
  updateOf: (path: string, layer: AdaptedLayer) => NewUpdate,
  own: readonly OwnParameter[] = [],
): ComposedLayer[] {
  const updates = Array.from(layers, ([path, layer]) => {
    const update = scope(() => withPrecision("float64", () => updateOf(path, layer)));
    return { path, layer, rank: update.factors.A.shape[0], ...update };
  });
  const parts = updates.map(({ path, layer, rank, factors }) => {
    const part = withoutInit(() => new methods.lora.adapter(layer.W0, { rank, rng: random(0) }));
    part.A.assign(factors.A);
    part.B.assign(factors.B);
    return [path, part] as const;
  });
  const ranks = Object.fromEntries(updates.map(({ path, rank }) => [path, rank]));
  const largest = Math.max(...Object.values(ranks));
  const config: AdapterConfig = {
    method: "lora",
    rank: largest,
    alpha: largest,
    target: Object.keys(ranks),
    rankPattern: ranks,
    alphaPattern: ranks,
  };
  model.addParts(name, config, new Map(parts), own);
  return updates.map(({ path, rank, error }) => ({ layer: path, rank, error }));
}
