/** @file The options of layers and models, checked by name with the spellings of PyTorch and transformers. */

import {
  ArgumentError,
  checkOptions,
  type IndexLike,
  type Indices,
  indices,
  LowrankError,
  Random,
} from "../../core/index.ts";
import { Module } from "./module.ts";

const elsewhere: Readonly<Record<string, string>> = {
  num_labels: "numLabels",
  seed: "rng: random(seed)",
  generator: "rng",
  initializer_range: "std",
  num_kv_heads: "kvHeads",
  n_kv_heads: "kvHeads",
  num_key_value_heads: "kvHeads",
  head_dim: "headDim",
  is_causal: "causal",
  attn_mask: "mask",
  attention_mask: "attentionMask; in a layer, mask",
  dropout_p: "dropout",
  attention_dropout: "dropout",
  act: "activation",
  hidden_act: "activation",
  epsilon: "eps",
  variance_epsilon: "eps",
  past_key_values: "cache",
  position_ids: "positions",
  token_type_ids: "tokenTypes",
  logits_to_keep: "lastOnly",
  device: "setDevice() before",
  dtype: "float32, as all layers are",
  theta: "base",
  rope_theta: "base",
  rope_scaling: "scaling",
};

/**
 * Checks the options of a layer, model or call: their names, and of those that layers share, `rng` and `std`, the values.
 * @param who the class or function that was called
 * @throws ArgumentError when `options` is no plain object, as in `new Linear(2, 2, false)`, has an unknown name, or an
 *   `rng` or `std` that is none
 */
export function checkLayer(who: string, options: object, known: readonly string[]): void {
  if (typeof options !== "object" || options === null || Symbol.iterator in options)
    throw new ArgumentError(who, `an object of options, such as { ${known[0]}: … }`, { options });
  checkOptions(who, options, known, elsewhere);
  const { rng, std } = options as { readonly rng?: unknown; readonly std?: unknown };
  checkRandom(who, rng);
  if (std !== undefined && !(typeof std === "number" && std >= 0 && std < Infinity))
    throw new ArgumentError(who, "std ≥ 0", { std });
}

/** @throws ArgumentError unless `rng` is a generator or left out */
export function checkRandom(who: string, rng: unknown): void {
  if (rng !== undefined && !(rng instanceof Random))
    throw new ArgumentError(who, "rng, a generator such as random(seed)", { rng });
}

/** @throws ArgumentError unless `module` is a module */
export function checkModule(who: string, module: unknown): void {
  if (!(module instanceof Module))
    throw new ArgumentError(who, "a module", { module: module === null ? null : typeof module });
}

/** @throws ArgumentError unless `value` is true or false */
export function checkFlag(who: string, name: string, value: unknown): void {
  if (typeof value !== "boolean") throw new ArgumentError(who, `${name} true or false`, { [name]: value });
}

/** `indices(values)`, whose errors name the argument: `who` stands in place of "indices". @throws as `indices` */
export function namedIndices(who: string, values: IndexLike): Indices {
  try {
    return indices(values);
  } catch (error) {
    if (error instanceof LowrankError) error.message = error.message.replace(/^indices:/, `${who}:`);
    throw error;
  }
}
