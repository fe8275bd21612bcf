/**
 * @file defineMethod: a method of adapting layers as one value. The methods of this library are defined so in
 * lora/methods.ts, and a method of your own is used in the same way:
 *
 *     const vera = defineMethod({ name: "vera", adapter: VeRA });
 *     const adapted = inject(model, { method: vera, rank: 256, target: "q_proj" });
 *
 * inject, addAdapter, status, saveAdapter, loadAdapter, countParameters and checkLaws all read this value.
 */

import { ArgumentError, type Random, type Shape } from "../../core/index.ts";
import type { Target } from "../../nn/index.ts";
import type { Law } from "../laws/law.ts";
import { Adapter, type AdapterOptions } from "./adapter.ts";
import type { WeightView } from "./weight-view.ts";

/** Where an adapter goes, and what else it trains. */
export interface Placement {
  /** The layers that get an adapter: names, regular expressions or "all-linear"; see nn's targets.ts. */
  readonly target: Target;
  /** Layers that the target means, but that get none. */
  readonly exclude?: Target;
  /** Numbers of the blocks to stay within. */
  readonly layers?: readonly number[];
  /** Other ranks for some layers, by the end of their names. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** Other alphas for some layers, by the end of their names. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /**
   * Which biases the adapter trains too, as copies of its own: none, all of the model's, or those of the adapted layers.
   * @default "none"
   */
  readonly bias?: "none" | "all" | "lora-only";
  /** Modules, or containers of modules, of which the adapter trains a full copy of its own, such as a new head. */
  readonly modulesToSave?: Target;
  /**
   * Fixes the initial values and dropout.
   * @default a seed from the library's generator; see `manualSeed`
   */
  readonly seed?: number;
}

/** The class of a method's adapters: made from a layer's weight and the options of the method. */
export interface AdapterClass {
  readonly name: string;
  /** Names of the options that it takes; see `Adapter.options`. */
  readonly options?: readonly string[];
  new (W0: WeightView, options: never): Adapter;
}

/** The options of a method for whoever calls `inject`, which supplies `rng` and `shared` itself. */
export type OptionsOf<C extends AdapterClass> = Omit<ConstructorParameters<C>[1], "rng" | "shared">;

/** A number of parameters: of rank r on a layer W [d_out, d_in]. */
export type Numbers = (r: number, d_in: number, d_out: number) => number;

/** How many parameters a method has: what countParameters computes with. */
export interface CountFormula {
  /** The trainable parameters on one layer. */
  readonly trained: Numbers;
  /**
   * The parameters that are added to one layer and stay frozen.
   * @default none
   */
  readonly frozen?: Numbers;
  /**
   * The frozen parameters that all layers share, of the largest r, d_in and d_out among them.
   * @default none
   */
  readonly shared?: Numbers;
  /**
   * Whether triplets can be pruned: a layer may have rank 0, and a budget may be given instead of the rank.
   * @default false
   */
  readonly prunes?: boolean;
}

/** The sizes of an adapter and its layer, from which the shapes of the tensors in PEFT's files follow. */
export interface TensorSizes {
  readonly rank: number;
  /** W is [out, in]; for a convolution `in` is the number of channels times the size of the kernel. */
  readonly out: number;
  readonly in: number;
  readonly channels: number;
  /** Lengths of a convolution's kernel; empty at other layers. */
  readonly kernel: readonly number[];
  /**
   * The groups of a convolution; `channels` is then the number in all of them.
   * @default 1
   */
  readonly groups?: number;
}

/** One tensor of an adapter in PEFT's files. */
export interface TensorForm {
  /** The end of its key, after the layer's name. */
  readonly key: string;
  /**
   * The same at an embedding.
   * @default key
   */
  readonly embeddingKey?: string;
  readonly shape: (sizes: TensorSizes) => Shape;
}

/** The triplets of a method that prunes them: PEFT writes those that are left, and which they are in rank_pattern. */
export interface TripletForm {
  /** The axis of each parameter that counts triplets. */
  readonly axes: Readonly<Record<string, 0 | 1>>;
  /** For each triplet, whether it adds something to ΔW. */
  alive(adapter: Adapter): boolean[];
  /** Removes the triplets that `mask` leaves out, which the file does not hold, from the adapter for good. */
  keepOnly(adapter: Adapter, mask: readonly boolean[]): void;
}

/** How PEFT's files hold the adapters of a method. */
export interface PeftForm {
  /** peft_type in adapter_config.json. */
  readonly type: "LORA" | "ADALORA";
  /** use_dora in adapter_config.json. */
  readonly useDora: boolean;
  /**
   * lora_bias in adapter_config.json.
   * @default false
   */
  readonly loraBias?: boolean;
  /**
   * Whether it is the form on convolutions with groups.
   * @default false
   */
  readonly onGroups?: boolean;
  /** False when PEFT has no adapters of this method on embeddings. */
  readonly onEmbeddings: boolean;
  /** The tensors of one layer, by the name of the adapter's parameter. */
  readonly tensors: Readonly<Record<string, TensorForm>>;
  /** Options of this library that an adapter of such a file has. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly triplets?: TripletForm;
}

/** A method: its name, its class of adapters, and what else is known of it. Made by `defineMethod`. */
export interface MethodDefinition<C extends AdapterClass = AdapterClass> {
  /** The name in status(), in files and in messages. */
  readonly name: string;
  /** Makes the adapter of one layer. */
  readonly adapter: C;
  /** How many parameters it has. Without it `countParameters` cannot count the method. */
  readonly count?: CountFormula;
  /**
   * Its form in PEFT's files, which are read as the library's method with that form. Without it `saveAdapter` writes a
   * plain form, which this library alone reads.
   */
  readonly peft?: PeftForm;
  /** The laws that hold for it beyond those of every method, of this library or of its own; see `checkLaws`. */
  readonly laws?: readonly Law[];
  /**
   * Makes what all layers of one adapter share, such as VeRA's A and B; each layer's adapter gets it as the option
   * `shared`.
   * @param largest the largest rank, in and out among the layers
   */
  shared?(largest: { rank: number; in: number; out: number }, options: OptionsOf<C>, rng: Random): unknown;
}

/** The configuration of an adapter of a method that is given as a value. */
export type ConfigOf<D extends MethodDefinition> = Placement &
  OptionsOf<D["adapter"]> & { readonly method: D };

/** The configuration of an adapter of any such method, as `AdaptedModel.config` returns it. */
export type CustomConfig = Placement & Omit<AdapterOptions, "rng"> & { readonly method: MethodDefinition };

/**
 * Defines a method.
 *
 *     const vera = defineMethod({ name: "vera", adapter: VeRA, count: { trained: (r, d_in, d_out) => r + d_out } });
 *
 * @throws ArgumentError unless the name is made of lower-case letters, digits and dashes, and the class extends Adapter
 */
export function defineMethod<C extends AdapterClass>(definition: MethodDefinition<C>): MethodDefinition<C> {
  if (typeof definition !== "object" || definition === null)
    throw new ArgumentError("defineMethod", "an object { name, adapter, … }", { definition });
  const { name, adapter } = definition;
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]*$/.test(name))
    throw new ArgumentError("defineMethod", "a name of lower-case letters, digits and dashes", { name });
  if (typeof adapter !== "function" || !(adapter.prototype instanceof Adapter))
    throw new ArgumentError("defineMethod", "a class that extends Adapter", { adapter });
  return definition;
}
