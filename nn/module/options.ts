/** @file The options of layers and models, checked by name with the spellings of PyTorch and transformers. */

import { ArgumentError, checkOptions } from "../../core/index.ts";

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
  attention_mask: "mask (in BERT: attentionMask)",
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

/** @throws ArgumentError when `options` is no object, as in `new Linear(2, 2, false)`, or has an unknown name */
export function checkLayer(who: string, options: object, known: readonly string[]): void {
  if (typeof options !== "object" || options === null)
    throw new ArgumentError(who, `an object of options, such as { ${known[0]}: … }`, { options });
  checkOptions(who, options, known, elsewhere);
}

/** @throws ArgumentError unless `value` is true or false */
export function checkFlag(who: string, name: string, value: unknown): void {
  if (typeof value !== "boolean") throw new ArgumentError(who, `${name} true or false`, { [name]: value });
}
