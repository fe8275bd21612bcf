/**
 * @file adapter_config.json, as PEFT writes it (its version 0.20; sorted names, two spaces): read strictly, written back.
 *
 * What this library computes with is checked by name and type. Fields that would change the numbers in a way that there
 * is no code for are refused by name; all others are kept as they are.
 */

import {
  CheckpointError,
  equalJson,
  isJsonObject,
  isStringList,
  type JsonObject,
  parseJsonObject,
  pythonJson,
} from "../../core/index.ts";
import type { AdapterConfig } from "../methods.ts";
import { methodOfForm, type PeftForm, type PeftMethod } from "./methods.ts";
import type { ModuleFields } from "./modules.ts";

/** The fields of a configuration. */
export type Fields = JsonObject;

/** What a configuration says, in this library's words. */
export interface PeftConfig {
  readonly method: PeftMethod;
  /** r; init_r for AdaLoRA. */
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly rankStabilized: boolean;
  /** The ones that take a part of the weight over, which loading has to do again; else undefined. */
  readonly init: "pissa" | "olora" | undefined;
  readonly bias: NonNullable<AdapterConfig["bias"]>;
  readonly modules: ModuleFields;
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** AdaLoRA: which triplets are in the file, by layer; null when nothing was pruned. */
  readonly masks: ReadonlyMap<string, readonly boolean[]> | null;
  /** ensure_weight_tying: what is tied in the model stays so when it is trained. */
  readonly tied: boolean;
  /** Names of fields that are not switched off and that no version known here has. PEFT passes them over. */
  readonly unknown: readonly string[];
  /** Everything the file says. */
  readonly fields: Fields;
}

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

/** Those of an AdaLoraConfig; without a schedule PEFT refuses to load one, so there is the shortest that it takes. */
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

export const defaultFields = (peftType: PeftForm["type"]): Fields =>
  peftType === "LORA" ? loraDefaults : adaloraDefaults;

/** Fields that change what is computed, or what is in the file, and that only their neutral values are read with. */
const unsupported = [
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "layer_replication",
  "lora_bias",
  "megatron_config",
  "monteclora_config",
  "target_parameters",
  "trainable_token_indices",
  "use_bdlora",
  "use_qalora",
] as const;

const known: ReadonlySet<string> = new Set([
  ...Object.keys(adaloraDefaults),
  ...unsupported,
  ...["enable_lora", "merge_weights", "num_layers", "runtime_config", "eva_config", "inference_mode"], // of older versions
]);

/** First values that leave the base weights alone: loading replaces them. The same with a number behind is not among them. */
const plainInits: readonly unknown[] = [true, false, "gaussian", "orthogonal", "eva", "mica"];

/** @throws CheckpointError when the text is no configuration of an adapter that can be read here */
export function parsePeftConfig(text: string, source: string): PeftConfig {
  const fields = parseJsonObject(source, text);
  const read = new Reader(fields, source);
  const type = read.text("peft_type");
  if (type !== "LORA" && type !== "ADALORA")
    throw new CheckpointError(`${source}: expected peft_type LORA or ADALORA; got ${show(type)}`);
  for (const name of unsupported) {
    if (!isNeutral(fields[name]))
      throw new CheckpointError(`${source}: ${name} is not supported; got ${show(fields[name])}`);
  }
  const adalora = type === "ADALORA";
  const method = methodOfForm(type, read.boolean("use_dora"));
  if (!method) throw new CheckpointError(`${source}: use_dora does not go with peft_type ${type}`);
  const init = fields.init_lora_weights ?? true;
  const divides = init === "pissa" || init === "olora";
  if (!divides && !plainInits.includes(init))
    throw new CheckpointError(
      `${source}: init_lora_weights ${show(init)} is not supported: its change of the base cannot be made again; ` +
        "PEFT's save_pretrained(folder, path_initial_model_for_weight_conversion=…) writes it as plain LoRA",
    );
  read.boolean("fan_in_fan_out");
  return {
    method,
    rank: read.number(adalora ? "init_r" : "r", adalora ? 12 : 8, "a positive integer", isRank),
    alpha: read.number("lora_alpha", 8, "a finite number", Number.isFinite),
    dropout: read.number("lora_dropout", 0, "a number from 0 to below 1", (p) => p >= 0 && p < 1),
    rankStabilized: read.boolean("use_rslora"),
    init: divides && !adalora ? init : undefined,
    bias: biases[read.oneOf("bias", ["none", "all", "lora_only"])],
    modules: {
      target: read.textOrTexts("target_modules"),
      exclude: read.textOrTexts("exclude_modules") ?? [],
      layers: read.integers("layers_to_transform"),
      layersPattern: listOf(read.textOrTexts("layers_pattern") ?? []),
      save: listOf(read.textOrTexts("modules_to_save") ?? []),
    },
    rankPattern: adalora ? {} : read.numbers("rank_pattern", "positive integers", isRank),
    alphaPattern: adalora ? {} : read.numbers("alpha_pattern", "finite numbers", Number.isFinite),
    masks: adalora ? read.masks("rank_pattern") : null,
    tied: read.boolean("ensure_weight_tying"),
    unknown: Object.keys(fields).filter((name) => !known.has(name) && !isNeutral(fields[name])),
    fields,
  };
}

const biases = { none: "none", all: "all", lora_only: "lora-only" } as const;

const listOf = (texts: string | readonly string[]): readonly string[] =>
  typeof texts === "string" ? [texts] : texts;

const isRank = (r: number): boolean => Number.isSafeInteger(r) && r > 0;

/** Null, false, {} and [] switch a feature of PEFT off. */
const isNeutral = (value: unknown): boolean =>
  value === undefined || value === null || value === false || equalJson(value, {}) || equalJson(value, []);

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
};

/** Fields by name and type. Null counts as absent, as in PEFT's defaults. */
class Reader {
  readonly #fields: Fields;
  readonly #source: string;

  constructor(fields: Fields, source: string) {
    this.#fields = fields;
    this.#source = source;
  }

  text(name: string): string {
    return this.#take(name, "a text", (value) => typeof value === "string", undefined);
  }

  oneOf<const Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
    const fits = (value: unknown): value is Choice => choices.includes(value as Choice);
    return this.#take(name, `one of ${choices.join(", ")}`, fits, choices[0]);
  }

  boolean(name: string): boolean {
    return this.#take(name, "true or false", (value) => typeof value === "boolean", false);
  }

  number(name: string, fallback: number, expected: string, fits: (value: number) => boolean): number {
    const isFitting = (value: unknown): value is number => typeof value === "number" && fits(value);
    return this.#take(name, expected, isFitting, fallback);
  }

  textOrTexts(name: string): string | readonly string[] | null {
    const fits = (value: unknown): value is string | readonly string[] | null =>
      value === null || typeof value === "string" || isStringList(value);
    return this.#take(name, "a text or a list of texts", fits, null);
  }

  /** Layer numbers; null when absent or empty. */
  integers(name: string): readonly number[] | null {
    const isIndex = (value: unknown): value is number => Number.isSafeInteger(value);
    const fits = (value: unknown): value is number | readonly number[] =>
      isIndex(value) || (Array.isArray(value) && value.every(isIndex));
    const given = this.#take<number | readonly number[]>(name, "integers", fits, []);
    const list = typeof given === "number" ? [given] : given;
    return list.length > 0 ? list : null;
  }

  numbers(
    name: string,
    expected: string,
    fits: (value: number) => boolean,
  ): Readonly<Record<string, number>> {
    const isNumbers = (value: unknown): value is Readonly<Record<string, number>> =>
      isJsonObject(value) && Object.values(value).every((item) => typeof item === "number" && fits(item));
    return this.#take(name, `an object of ${expected}`, isNumbers, {});
  }

  /** AdaLoRA's rank_pattern: "LAYER.lora_E" or "LAYER.lora_E.ADAPTER", each with a list of true and false. */
  masks(name: string): ReadonlyMap<string, readonly boolean[]> | null {
    const isMask = (value: unknown): value is readonly boolean[] =>
      Array.isArray(value) && value.every((item) => typeof item === "boolean");
    const isMasks = (value: unknown): value is Readonly<Record<string, readonly boolean[]>> =>
      isJsonObject(value) && Object.values(value).every(isMask);
    const expected = "an object of lists of true and false by LAYER.lora_E";
    const none: Readonly<Record<string, readonly boolean[]>> = {};
    const entries = Object.entries(this.#take(name, expected, isMasks, none));
    if (entries.length === 0) return null;
    return new Map(
      entries.map(([key, mask]) => {
        const layer = /^(.+)\.lora_E(?:\.[^.]+)?$/.exec(key)?.[1];
        if (layer === undefined)
          throw new CheckpointError(`${this.#source}: ${name}: expected ${expected}; got ${show(key)}`);
        return [layer, mask];
      }),
    );
  }

  #take<T>(name: string, expected: string, fits: (value: unknown) => value is T, fallback: T | undefined): T {
    const value = (Object.hasOwn(this.#fields, name) ? this.#fields[name] : null) ?? fallback;
    if (value !== undefined && fits(value)) return value;
    throw new CheckpointError(`${this.#source}: ${name}: expected ${expected}; got ${show(value)}`);
  }
}

/** The text that PEFT writes: Python's json.dumps with indent 2 and sorted names. */
export const writeFields = (fields: Fields): string =>
  pythonJson(fields, {
    indent: 2,
    sortNames: true,
    floats: ["beta1", "beta2", "lora_dropout", "orth_reg_weight"],
  });
