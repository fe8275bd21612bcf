/** @file The fields of adapter_config.json, as PEFT 0.20 has them: defaults, those that are not supported, and their text. */

import { equalJson, type JsonObject, pythonJson } from "../../../core/index.ts";
import type { PeftForm } from "../../model/method.ts";

/** The fields of a configuration, by name. */
export type Fields = JsonObject;

/** The fields of a fresh LoraConfig. */
const loraDefaults: Fields = {
  alora_invocation_tokens: null,
  alpha_pattern: {},
  arrow_config: null,
  auto_mapping: null,
  base_model_name_or_path: null,
  bias: "none",
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_alpha: 8,
  lora_bias: false,
  lora_dropout: 0,
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: "megatron.core",
  modules_to_save: null,
  monteclora_config: null,
  peft_type: "LORA",
  peft_version: "0.20.0",
  qalora_group_size: 16,
  r: 8,
  rank_pattern: {},
  revision: null,
  target_modules: null,
  target_parameters: null,
  task_type: null,
  trainable_token_indices: null,
  use_bdlora: null,
  use_dora: false,
  use_qalora: false,
  use_rslora: false,
  velora_config: null,
};

/** The fields of a fresh AdaLoraConfig, with the shortest schedule that PEFT takes: without one PEFT does not load it. */
const adaloraDefaults: Fields = {
  ...loraDefaults,
  beta1: 0.85,
  beta2: 0.85,
  deltaT: 1,
  init_r: 12,
  orth_reg_weight: 0.5,
  peft_type: "ADALORA",
  rank_pattern: null,
  target_r: 8,
  tfinal: 0,
  tinit: 0,
  total_step: 1,
};

/** The fields of a fresh configuration of that type. */
export const defaultFields = (peftType: PeftForm["type"]): Fields =>
  peftType === "LORA" ? loraDefaults : adaloraDefaults;

/** Fields that change what is computed or what the file holds; only files that switch them off are read. */
export const unsupported = [
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "layer_replication",
  "megatron_config",
  "monteclora_config",
  "use_bdlora",
  "use_qalora",
] as const;

/** All fields that the versions of PEFT up to 0.20 have. */
export const known: ReadonlySet<string> = new Set([
  ...Object.keys(adaloraDefaults),
  ...unsupported,
  ...["enable_lora", "merge_weights", "num_layers", "runtime_config", "eva_config", "inference_mode"], // of older versions
]);

/** Whether a value switches a feature of PEFT off: null, false, {} and [] do. */
export const isNeutral = (value: unknown): boolean =>
  value === undefined || value === null || value === false || equalJson(value, {}) || equalJson(value, []);

/** The text that PEFT writes: Python's json.dumps with indent 2 and sorted names. */
export const writeFields = (fields: Fields): string =>
  pythonJson(fields, {
    indent: 2,
    sortNames: true,
    floats: ["beta1", "beta2", "lora_dropout", "orth_reg_weight"],
  });
