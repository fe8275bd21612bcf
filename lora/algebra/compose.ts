/**
 * @file compose: a new LoRA adapter whose ΔW is made from those of others.
 *
 *     linear            Σ w_i ΔW_i, in as few ranks as it has             exact
 *     concat            Σ w_i ΔW_i: B = [w_1 B_1 … w_n B_n], A = [A_1; …; A_n], rank Σ r_i        exact
 *     svd               the best approximation of Σ w_i ΔW_i with a given rank or energy
 *     ties, dare, dare-ties, magnitude-prune      see combine.ts; then as svd
 */

import {
  AdapterError,
  array,
  binary,
  checkOptions,
  concat,
  optionNames,
  random,
  scope,
  withPrecision,
} from "../../core/index.ts";
import { withoutInit } from "../../nn/index.ts";
import { type AdapterConfig, methods } from "../methods.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import { checkName } from "../model/checks.ts";
import { type OwnParameter, ownCopies } from "../model/saved-parameters.ts";
import { combine, type Rule, type Weighted } from "./combine.ts";
import {
  checkTruncation,
  deltaAt,
  type Factors,
  factorsAt,
  keptRank,
  noiseAt,
  type Spectrum,
  spectrumAt,
  spectrumOf,
  spectrumOfProduct,
  type Truncation,
  truncated,
  truncationError,
} from "./spectrum.ts";

/** Names of adapters and their weights w_i; negative ones take away. */
export type Weights = Readonly<Record<string, number>>;

export type ComposeOptions =
  | { readonly by?: "linear" | "concat" }
  | ({ readonly by: "svd" } & Truncation)
  | ({
      readonly by: Exclude<Rule, "linear">;
      /** The part of the entries of each ΔW_i that stays, in (0, 1]: one for all, or by name. */
      readonly density: number | Readonly<Record<string, number>>;
      /**
       * Decides which entries DARE drops.
       * @default 0
       */
      readonly seed?: number;
    } & Truncation);

/** What became of one layer. */
export interface ComposedLayer {
  readonly layer: string;
  readonly rank: number;
  /** ‖ΔW − ΔW_r‖_F / ‖ΔW‖_F, ΔW what the rule gives and ΔW_r what the rank has room for; 0 where that is all of it. */
  readonly error: number;
}

const rules = ["linear", "concat", "svd", "ties", "dare", "dare-ties", "magnitude-prune"] as const;
const sparse: ReadonlySet<string> = new Set(["ties", "dare", "dare-ties", "magnitude-prune"]);

/**
 * Adds the adapter `name` to `model`, a composition of adapters that are there. They stay as they are; the new one is
 * neither active nor trainable. Without rank or energy, rules that approximate take the largest rank of the sources.
 *
 *     compose(model, "both", { french: 0.5, legal: 0.5 }, { by: "svd", rank: 8 })
 *
 * @throws AdapterError on an unknown name or rule, a name that is taken, a weight that is not finite, a density, rank or
 *   energy out of range, and adapters with copies of base parameters, whose combination is not defined
 */
export function compose(
  model: AdaptedModel,
  name: string,
  weights: Weights,
  options: ComposeOptions = {},
): ComposedLayer[] {
  checkName(name, model.names);
  const names = checkWeights(model, weights);
  const { by, densities, seed, truncation } = readOptions(model, names, options);
  const rng = random(seed);

  const termsOf = (layer: AdaptedLayer): Weighted[] =>
    names
      .filter((source) => layer.adapters.has(source))
      .map((source) => ({
        delta: deltaAt(layer, source),
        weight: weights[source],
        density: densities?.get(source) ?? 1,
      }));
  const composed = (path: string, layer: AdaptedLayer): Made => {
    const factors = densities ? null : concatenated(layer, weights);
    if (by === "concat" && factors) return { factors, error: 0 };
    if (factors) return shortened(spectrumOfProduct(factors), truncation);
    const rule = by === "concat" || by === "svd" ? "linear" : by;
    const noise = names.reduce((sum, source) => sum + Math.abs(weights[source]) * noiseAt(layer, source), 0);
    return shortened(spectrumOf(combine(rule, termsOf(layer), rng.split(path)), noise), truncation);
  };

  const layers = [...model.layers].filter(([, { adapters }]) => names.some((source) => adapters.has(source)));
  return place(
    model,
    name,
    layers.map(([path, layer]) => ({ path, layer, ...inDoubles(() => composed(path, layer)) })),
  );
}

/**
 * Adds the adapter `name`: another's ΔW as a LoRA adapter with scaling 1, whatever its method; exactly, or as well as
 * the rank or energy allows. Its copies of base parameters go with it.
 * @throws AdapterError on an unknown name, a name that is taken, a rank or energy out of range
 */
export function convert(
  model: AdaptedModel,
  source: string,
  name: string,
  truncation: Truncation = {},
): ComposedLayer[] {
  checkName(name, model.names);
  checkTruncation(truncation);
  const layers = [...model.adapter(source).keys()].map((path) => {
    const layer = model.layers.get(path) as AdaptedLayer;
    return { path, layer, ...inDoubles(() => shortened(spectrumAt(layer, source), truncation)) };
  });
  return place(
    model,
    name,
    layers,
    ownCopies(model.ownParameters(source), ({ copy }) => copy),
  );
}

/** A new ΔW, and what of it was left out. */
interface Made {
  readonly factors: Factors;
  readonly error: number;
}

interface MadeLayer extends Made {
  readonly path: string;
  readonly layer: AdaptedLayer;
}

const inDoubles = <T>(fn: () => T): T => scope(() => withPrecision("float64", fn));

/** B = [w_1 B_1 … w_n B_n] and A = [A_1; …; A_n] of the adapters on a layer; null where one is no product B A. */
function concatenated(layer: AdaptedLayer, weights: Weights): Factors | null {
  const here = Object.keys(weights).filter((name) => layer.adapters.has(name));
  const pairs = here.map((name) => factorsAt(layer, name)).filter((pair) => pair !== null);
  if (pairs.length < here.length) return null;
  const B = pairs.map((pair, i) => binary("mul", pair.B, array(weights[here[i]], [])));
  return {
    B: concat(B, 1),
    A: concat(
      pairs.map(({ A }) => A),
      0,
    ),
  };
}

function shortened(spectrum: Spectrum, truncation: Truncation): Made {
  const rank = keptRank(spectrum, truncation);
  return { factors: truncated(spectrum, rank), error: truncationError(spectrum, rank) };
}

/** The factors as LoRA adapters with scaling 1, and their configuration. */
function place(
  model: AdaptedModel,
  name: string,
  made: readonly MadeLayer[],
  own: readonly OwnParameter[] = [],
): ComposedLayer[] {
  const parts = made.map(({ path, layer, factors }): [string, InstanceType<typeof methods.lora.adapter>] => {
    const rank = factors.A.shape[0];
    const part = withoutInit(() => new methods.lora.adapter(layer.W0, { rank, rng: random(0) }));
    part.A.assign(factors.A);
    part.B.assign(factors.B);
    return [path, part];
  });
  const ranks = Object.fromEntries(parts.map(([path, { rank }]) => [path, rank]));
  const rank = Math.max(...Object.values(ranks));
  const config: AdapterConfig = {
    method: "lora",
    rank,
    alpha: rank,
    target: Object.keys(ranks),
    rankPattern: ranks,
    alphaPattern: ranks,
  };
  model.addParts(name, config, new Map(parts), own);
  return made.map(({ path, factors, error }) => ({ layer: path, rank: factors.A.shape[0], error }));
}

function readOptions(model: AdaptedModel, names: readonly string[], options: ComposeOptions) {
  checkOptions("compose", options, composeOptions, weightedAdapter);
  const { by = "linear", rank, energy, density, seed = 0 } = options as AllOptions;
  if (!rules.includes(by))
    throw new AdapterError(
      `compose: expected by to be one of ${rules.join(", ")}; got ${JSON.stringify(by)}`,
    );
  checkTruncation({ rank, energy });
  const exact = by === "linear" || by === "concat";
  if (exact && (rank !== undefined || energy !== undefined))
    throw new AdapterError(`compose: ${by} is exact; expected no rank or energy with it, or by: "svd"`);
  if (!sparse.has(by) && density !== undefined)
    throw new AdapterError(`compose: ${by} keeps every entry; expected no density with it`);
  const densities = sparse.has(by) ? checkDensities(names, density) : null;
  const largest = Math.max(
    ...names.flatMap((name) => [...model.adapter(name).values()].map((part) => part.rank)),
  );
  const truncation: Truncation =
    !exact && rank === undefined && energy === undefined ? { rank: largest } : { rank, energy };
  return { by, densities, seed, truncation };
}

interface AllOptions extends Truncation {
  readonly by?: (typeof rules)[number];
  readonly density?: number | Readonly<Record<string, number>>;
  readonly seed?: number;
}

const composeOptions = optionNames<AllOptions>({
  by: true,
  rank: true,
  energy: true,
  density: true,
  seed: true,
});

/** The arguments of PEFT's add_weighted_adapter. */
const weightedAdapter = {
  adapters: "the weights by adapter as the third argument",
  weights: "the weights by adapter as the third argument",
  adapter_name: "the name as the second argument",
  combination_type: "by",
  svd_rank: "rank",
  svd_clamp: "nothing in its place: singular vectors are kept as they are",
  svd_full_matrices: "nothing in its place: only the singular vectors that are kept are computed",
  svd_driver: "nothing in its place: there is one algorithm",
  majority_sign_method: "nothing in its place: the sign of the larger total is elected",
};

function checkWeights(model: AdaptedModel, weights: Weights): string[] {
  const names = Object.keys(weights);
  if (names.length === 0)
    throw new AdapterError("compose: expected weights for at least one adapter; got none");
  for (const name of names) {
    if (!model.names.includes(name))
      throw new AdapterError(
        `compose: expected one of ${model.names.join(", ")}; got ${JSON.stringify(name)}`,
      );
    const own = model.ownParameters(name);
    if (own.length > 0)
      throw new AdapterError(
        `compose: ${name} brings its own ${own[0].name}, which has no combination; convert it`,
      );
    if (!Number.isFinite(weights[name]))
      throw new AdapterError(`compose: expected a finite weight for ${name}; got ${weights[name]}`);
  }
  return names;
}

function checkDensities(names: readonly string[], density: AllOptions["density"]): Map<string, number> {
  const densities = names.map((name): [string, number] => [
    name,
    typeof density === "object" ? density[name] : (density ?? Number.NaN),
  ]);
  for (const [name, value] of densities) {
    if (!(value > 0 && value <= 1))
      throw new AdapterError(`compose: expected a density in (0, 1] for ${name}; got ${value}`);
  }
  return new Map(densities);
}
