/** @file The arguments of countParameters for each method: the model, the layers, and the options of the method. */

import { optionNames } from "../../core/index.ts";
import type { ConfigurationName, ModelFields, Target } from "../../nn/index.ts";

/** The model. Methods without options of their own take this alone. */
export interface ModelSpec {
  /** A name in the registry `configurations`, or the fields of a config.json. */
  readonly config: ConfigurationName | ModelFields;
}

/** The layers to adapt, as `inject` takes them. */
export interface TargetSpec extends ModelSpec {
  /** The layers that get an adapter. */
  readonly target: Target;
  /** Layers that the target means, but that get none. */
  readonly exclude?: Target;
  /** Numbers of the blocks to stay within. */
  readonly layers?: readonly number[];
  /**
   * Which biases train too: none, all of the model's, or those of the adapted layers.
   * @default "none"
   */
  readonly bias?: "none" | "all" | "lora-only";
  /** Modules, or containers of modules, of which a copy is trained in full, such as a new head. */
  readonly modulesToSave?: Target;
}

/** The options of a method with a rank. */
export interface RankSpec extends TargetSpec {
  /** r. */
  readonly rank: number;
  /** Other ranks for some layers, by the end of their names (PEFT's rank_pattern). */
  readonly rankPattern?: Readonly<Record<string, number>>;
}

/** The options of LoRA and its relatives. */
export interface LoraSpec extends RankSpec {
  /**
   * For fused projections, by the end of their names: which of their equal slices are adapted, each with its own A
   * and B (loralib's MergedLinear). { c_attn: [true, false, true] } is GPT-2's query and value.
   */
  readonly slices?: Readonly<Record<string, readonly boolean[]>>;
}

/** The options of DoRA. */
export interface DoraSpec extends RankSpec {
  /**
   * One magnitude per "output", as in the authors' code, or per "input", which the text's columns of W [d, k] are.
   * @default "output"
   */
  readonly magnitude?: "output" | "input";
  /** Layers that get a magnitude but no A and B (the paper's table 6). */
  readonly magnitudeOnly?: Target;
}

/** The options of AdaLoRA: ranks, which may be 0 in `rankPattern` for a layer that is pruned, or a budget spread evenly. */
export type AdaloraSpec = TargetSpec &
  (Pick<RankSpec, "rank" | "rankPattern"> | { readonly budget: number; readonly rank?: undefined });

/** The options of BitFit. */
export interface BitFitSpec extends ModelSpec {
  /**
   * Modules whose biases train; norms and containers of modules can be named too.
   * @default all modules
   */
  readonly target?: Target;
  /** Modules that the target means, but whose biases do not train. */
  readonly exclude?: Target;
}

/** The options of bottleneck adapters. */
export interface AdapterSpec extends ModelSpec {
  /**
   * "houlsby": two per block, after attention and MLP (Adapter^H). "lin": one per block with a new norm (Adapter^L).
   * "pfeiffer": one per block (Adapter^P). "drop": one per block, and only in `layers` (Adapter^D, AdapterDrop).
   */
  readonly variant: "houlsby" | "lin" | "pfeiffer" | "drop";
  /** Width of the bottleneck. */
  readonly rank: number;
  /**
   * Numbers of the blocks that have adapters.
   * @default all blocks
   */
  readonly layers?: readonly number[];
}

/** The options of prefix tuning. */
export interface PrefixSpec extends ModelSpec {
  /** Trained tokens before the prompt, l_p. */
  readonly prefix: number;
  /**
   * Trained tokens after the prompt, l_i.
   * @default 0
   */
  readonly infix?: number;
}

/** The options of training the last blocks. */
export interface LastLayersSpec extends ModelSpec {
  /** The number of blocks that train, counted from the last. */
  readonly blocks: number;
}

/** The arguments of each method. */
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

/**
 * The names of the options of each method. "full", with which every method is compared, takes a rank and layers too and
 * ignores them.
 */
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
