/**
 * @file The options that say which model a command works on, `--base`, `--adapter` and `--quantize`, and what loads it.
 *
 *     const { model, adapted } = loadBase(options, terminal);
 */

import { basename, resolve } from "node:path";
import { exists, LowrankError, parseJsonObject, type Random, readFile } from "../../core/index.ts";
import {
  Bert,
  BertModel,
  type LanguageModel,
  type LanguageModelHolder,
  loadPretrained,
  loadTokenizer,
  type PretrainedModel,
  type PretrainedTokenizer,
} from "../../nn/index.ts";
import { loadQuantizedModel, quantizeModel } from "../../quant/index.ts";
import { type AdaptedModel, compose, loadAdapter } from "../index.ts";
import { choice, type Flags, repeated, text } from "./flags.ts";
import { type ResolveOptions, resolveFolder } from "./hub/index.ts";
import type { Terminal } from "./terminal/terminal.ts";

/** `--base`, spelled the same in all commands. */
export const baseOption = text(
  "folder",
  "the base model: a folder, or ORG/NAME after lowrank download ORG/NAME",
  {
    required: true,
  },
);

/** `--adapter`, which may be repeated. */
export const adapterOption = repeated(
  text("folder[=weight]", "an adapter in PEFT's format; ΔW counts weight times, by default once"),
);

/** `--quantize`, for commands that can hold the base in 4 bits. */
export const quantizeOption = choice("hold the base's linear layers in 4 bits", ["nf4", "fp4", "int4"]);

/** An adapter's folder and the factor of its ΔW. */
export interface WeightedAdapter {
  readonly folder: string;
  readonly weight: number;
}

/** The base model, with adapters on it when there are any. */
export interface LoadedBase {
  /** The base's folder, also where the Hub's name was given. */
  readonly folder: string;
  readonly model: PretrainedModel;
  /** The model with its adapters, which are active; null without adapters. */
  readonly adapted: AdaptedModel<PretrainedModel> | null;
}

/** What `loadBase` reads. */
export interface BaseOptions {
  readonly base: string;
  readonly adapter?: readonly string[];
  readonly quantize?: "nf4" | "fp4" | "int4" | undefined;
}

/**
 * Loads the base, quantizes it when asked for, and puts the adapters on it. With weights other than 1 the adapters become
 * one, whose ΔW is Σ wᵢ ΔWᵢ.
 * @throws LowrankError when a folder is missing or malformed, an adapter is not for this base, or a weight is no number
 */
export function loadBase({ base, adapter = [], quantize }: BaseOptions, terminal: Terminal): LoadedBase {
  const adapters = adapter.map((given) => parseAdapter(given, terminal.io.env));
  const folder = resolveFolder(base, { who: "--base", env: terminal.io.env });
  const model = loadModel(folder);
  if (quantize) {
    const { bytes, bytesBefore } = quantizeModel(model, { format: quantize, doubleQuant: true });
    terminal.note(`base in ${quantize}: ${megabytes(bytes)} in place of ${megabytes(bytesBefore)}`);
  }
  return { folder, model, adapted: adapters.length > 0 ? putOn(model, adapters) : null };
}

/**
 * Loads a model's folder, of plain weights or, as quantization_config in its config.json says, of quantized ones.
 * @throws CheckpointError as `loadPretrained` and `loadQuantizedModel`
 */
export function loadModel(folder: string, options: { readonly rng?: Random } = {}): PretrainedModel {
  return isQuantized(folder) ? loadQuantizedModel(folder, options) : loadPretrained(folder, options);
}

/** Whether the config.json of a folder says that its weights are quantized. */
export function isQuantized(folder: string): boolean {
  const config = `${folder}/config.json`;
  return exists(config) && (parseJsonObject(config, readFile(config)).quantization_config ?? null) !== null;
}

/**
 * Parses `folder` or `folder=weight`; the folder may be the name of an adapter in the Hub's cache.
 * @throws LowrankError when the weight is no finite number, or there is no such folder
 */
export function parseAdapter(given: string, env?: ResolveOptions["env"]): WeightedAdapter {
  const folderOf = (name: string): string => resolveFolder(name, { who: "--adapter", env });
  const at = given.lastIndexOf("=");
  if (at < 0 || exists(given)) return { folder: folderOf(given), weight: 1 };
  const [folder, weight] = [given.slice(0, at), given.slice(at + 1)];
  const value = weight.trim() === "" ? Number.NaN : Number(weight);
  if (!Number.isFinite(value))
    throw new LowrankError(
      `--adapter: expected folder=weight with a finite number; got ${JSON.stringify(given)}`,
    );
  return { folder: folderOf(folder), weight: value };
}

/** The model as one that generates text. @throws LowrankError for an encoder */
export function decoderOf(what: string, { model, adapted }: LoadedBase): LanguageModelHolder {
  if (!(model instanceof Bert || model instanceof BertModel))
    return (adapted as AdaptedModel<typeof model> | null) ?? model;
  throw new LowrankError(
    `--base: ${what} needs a language model, such as GPT-2 or Llama; this is ${model.constructor.name}, an encoder`,
  );
}

/** The model's own most tokens of an input. */
export const contextOf = ({ model }: LoadedBase): number => (model as LanguageModel).contextLength;

/**
 * The tokenizer of the base's folder. Ids that only the model has, since its table has rows to spare, decode to nothing.
 * @throws LowrankError when there is none; when it encodes, for an id beyond the model's table
 */
export function tokenizerOf({ folder, model }: LoadedBase): PretrainedTokenizer {
  const tokenizer = loadTokenizer(folder);
  const { vocab_size: rows } = model.config;
  const isKnown = (id: number): boolean => tokenizer.tokenOf(id) !== null;
  return {
    ...tokenizer,
    encode: (text, options) => checkIds(tokenizer.encode(text, options), rows, tokenizer),
    decode: (ids, options) => tokenizer.decode(Array.from(ids).filter(isKnown), options),
    decodeStream(options) {
      const { push, end } = tokenizer.decodeStream(options);
      return { push: (id) => (isKnown(id) ? push(id) : ""), end };
    },
  };
}

/** Refuses ids without a row in the table: the tokenizer is of another model. */
function checkIds(ids: Int32Array, rows: number, tokenizer: PretrainedTokenizer): Int32Array {
  const wrong = ids.find((id) => id >= rows);
  if (wrong === undefined) return ids;
  throw new LowrankError(
    `--base: the tokenizer gives the id ${wrong} for ${JSON.stringify(tokenizer.tokenOf(wrong))}, but the model has ${rows} tokens; ` +
      "expected the tokenizer of this model",
  );
}

/** Puts adapters on a model, and makes them active. @throws LowrankError when one is not for this model */
export function putOn(
  model: PretrainedModel,
  adapters: readonly WeightedAdapter[],
): AdaptedModel<PretrainedModel> {
  let adapted: AdaptedModel<PretrainedModel> | undefined;
  const names: string[] = [];
  for (const { folder } of adapters) {
    const name = nameFor(folder, names);
    adapted = loadAdapter<PretrainedModel>(adapted ?? model, folder, { name });
    names.push(name);
  }
  const all = adapted as AdaptedModel<PretrainedModel>;
  if (adapters.every(({ weight }) => weight === 1)) all.activate(names);
  else {
    compose(all, "weighted", Object.fromEntries(names.map((name, i) => [name, adapters[i].weight])), {
      by: "concat",
    });
    all.activate("weighted");
    for (const name of names) all.deleteAdapter(name);
  }
  all.requiresGrad_(false);
  return all;
}

/** A name for an adapter on the model: its folder's, with what names must not hold replaced. */
function nameFor(folder: string, taken: readonly string[]): string {
  const plain = basename(resolve(folder)).replace(/[^\w-]+|lora_/g, "-");
  const free = (name: string): boolean => !taken.includes(name) && name !== "weighted";
  for (let n = 1; ; n++) {
    const name = n === 1 ? plain : `${plain}-${n}`;
    if (free(name)) return name;
  }
}

/** Bytes in megabytes, for people. */
export const megabytes = (bytes: number): string => {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
};

/** The common options of commands that compute with a model. */
export const modelOptions = {
  base: baseOption,
  adapter: adapterOption,
  quantize: quantizeOption,
} satisfies Flags;
