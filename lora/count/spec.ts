/** @file What `countParameters` is asked: the model, the method's options and the layers it goes on. */

import { optionNames } from "../../core/index.ts";
import type { ConfigurationName, ModelFields, Target } from "../../nn/index.ts";

/** The model: a name in the registry `configurations`, or fields of a config.json. */
export interface ModelSpec {
  readonly config: ConfigurationName | ModelFields;
}

/** The layers to adapt, as `inject` takes them. */
export interface TargetSpec extends ModelSpec {
  readonly target: Target;
  readonly exclude?: Target;
  readonly layers?: readonly number[];
  /**
   * Which biases train too: none, all of the model's, or those of the adapted layers.
   * @default "none"
   */
  readonly bias?: "none" | "all" | "lora-only";
  /** Modules, or containers of modules, of which a copy is trained in full, such as a new head. */
  readonly modulesToSave?: Target;
}

export interface RankSpec extends TargetSpec {
  readonly rank: number;
  /** Other ranks for some layers, by the end of their names (PEFT's rank_pattern). */
  readonly rankPattern?: Readonly<Record<string, number>>;
}

export interface LoraSpec extends RankSpec {
  /**
   * For fused projections, by the end of their names: which of their equal slices are adapted, each with its own A
   * and B (loralib's MergedLinear). { c_attn: [true, false, true] } is GPT-2's query and value.
   */
  readonly slices?: Readonly<Record<string, readonly boolean[]>>;
}

export interface DoraSpec extends RankSpec {
  /** One magnitude per "output" (the authors' code, default) or per "input" (the text's columns of W [d, k]). */
  readonly magnitude?: "output" | "input";
  /** Layers that get a magnitude but no A and B (the paper's table 6). */
  readonly magnitudeOnly?: Target;
}

/** The ranks in use: those of `rank` and `rankPattern` (0 for a layer pruned away), or a total spread evenly. */
export type AdaloraSpec = TargetSpec &
  (Pick<RankSpec, "rank" | "rankPattern"> | { readonly budget: number; readonly rank?: undefined });

export interface BitFitSpec extends ModelSpec {
  /** Modules whose biases train, norms and containers of modules among them; all by default. */
  readonly target?: Target;
  readonly exclude?: Target;
}

export interface AdapterSpec extends ModelSpec {
  /**
   * "houlsby": two per block, after attention and MLP (Adapter^H). "lin": one per block with a new norm (Adapter^L).
   * "pfeiffer": one per block (Adapter^P). "drop": one per block, and only in `layers` (Adapter^D, AdapterDrop).
   */
  readonly variant: "houlsby" | "lin" | "pfeiffer" | "drop";
  /** Width of the bottleneck. */
  readonly rank: number;
  /** Numbers of the blocks that have adapters; all by default. */
  readonly layers?: readonly number[];
}

export interface PrefixSpec extends ModelSpec {
  /** Trained tokens before the prompt, l_p. */
  readonly prefix: number;
  /** Trained tokens after the prompt, l_i; 0 by default. */
  readonly infix?: number;
}

export interface LastLayersSpec extends ModelSpec {
  /** How many blocks, counted from the last. */
  readonly blocks: number;
}

/** What each method needs to know. */
export interface CountSpecs {
  full: ModelSpec;
  "last-layers": LastLayersSpec;
  bitfit: BitFitSpec;
  adapter: AdapterSpec;
  "prefix-embedding": PrefixSpec;
  "prefix-layer": PrefixSpec;
  lora: LoraSpec;
  rslora: LoraSpec;
  "lora-plus": LoraSpec;
  "lora-fa": LoraSpec;
  adalora: AdaloraSpec;
  dora: DoraSpec;
  vera: RankSpec;
  dvora: RankSpec;
}

export type CountMethod = keyof CountSpecs;

const model = { config: true } as const;
const placement = {
  ...model,
  target: true,
  exclude: true,
  layers: true,
  bias: true,
  modulesToSave: true,
} as const;
const ranks = { ...placement, rank: true, rankPattern: true } as const;

const ofLora = optionNames<LoraSpec>({ ...ranks, slices: true });
const ofPrefix = optionNames<PrefixSpec>({ ...model, prefix: true, infix: true });
const ofVera = optionNames<RankSpec>(ranks);

/** The names of what each method asks; "full", which every method is compared with, passes over its rank and layers. */
export const specOptions: { readonly [M in CountMethod]: readonly string[] } = {
  full: ofVera,
  "last-layers": optionNames<LastLayersSpec>({ ...model, blocks: true }),
  bitfit: optionNames<BitFitSpec>({ ...model, target: true, exclude: true }),
  adapter: optionNames<AdapterSpec>({ ...model, variant: true, rank: true, layers: true }),
  "prefix-embedding": ofPrefix,
  "prefix-layer": ofPrefix,
  lora: ofLora,
  rslora: ofLora,
  "lora-plus": ofLora,
  "lora-fa": ofLora,
  adalora: [...ofVera, "budget"],
  dora: optionNames<DoraSpec>({ ...ranks, magnitude: true, magnitudeOnly: true }),
  vera: ofVera,
  dvora: ofVera,
};
