/** @file The arguments of compose, and their checks. */

import { AdapterError, checkOptions, optionNames } from "../../core/index.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import type { Rule } from "./combine.ts";
import { checkTruncation, type Truncation } from "./spectrum.ts";

/** The weight w_i of each adapter by its name. A negative weight subtracts. */
export type Weights = Readonly<Record<string, number>>;

/** How `compose` makes one ΔW from several. Rank and energy bound the new adapter; without them see `compose`. */
export type ComposeOptions =
  | {
      /**
       * The rule.
       * @default "linear"
       */
      readonly by?: "linear" | "concat";
    }
  | ({ readonly by: "svd" } & Truncation)
  | ({
      readonly by: Exclude<Rule, "linear">;
      /** The part of the entries of each ΔW_i that is kept, in (0, 1]: one for all, or by name. */
      readonly density: number | Readonly<Record<string, number>>;
      /**
       * Decides which entries DARE drops.
       * @default 0
       */
      readonly seed?: number;
    } & Truncation);

const rules = ["linear", "concat", "svd", "ties", "dare", "dare-ties", "magnitude-prune"] as const;

/** Rules that drop entries, and take a density. */
const sparse: ReadonlySet<string> = new Set(["ties", "dare", "dare-ties", "magnitude-prune"]);

/** The options of every rule. */
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

/** Options with their defaults. `densities` is null for rules that keep every entry. */
export function readOptions(model: AdaptedModel, names: readonly string[], options: ComposeOptions) {
  checkOptions("compose", options, composeOptions, weightedAdapter);
  const { by = "linear", rank, energy, density, seed = 0 } = options as AllOptions;
  if (!rules.includes(by))
    throw new AdapterError(
      `compose: expected by to be one of ${rules.join(", ")}; got ${JSON.stringify(by)}`,
    );
  checkTruncation("compose", { rank, energy });
  const isExact = by === "linear" || by === "concat";
  if (isExact && (rank !== undefined || energy !== undefined))
    throw new AdapterError(`compose: ${by} is exact; expected no rank or energy with it, or by: "svd"`);
  if (!sparse.has(by) && density !== undefined)
    throw new AdapterError(`compose: ${by} keeps every entry; expected no density with it`);
  const densities = sparse.has(by) ? checkDensities(names, density) : null;
  const largest = Math.max(
    ...names.flatMap((name) => [...model.adapter(name).values()].map((part) => part.rank)),
  );
  const truncation: Truncation =
    !isExact && rank === undefined && energy === undefined ? { rank: largest } : { rank, energy };
  return { by, densities, seed, truncation };
}

/** The names of the adapters. @throws AdapterError unless each is on the model, composable, and has a finite weight */
export function checkWeights(model: AdaptedModel, weights: Weights): string[] {
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
