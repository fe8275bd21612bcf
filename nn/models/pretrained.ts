/**
 * @file Loads and saves models in Hugging Face's format: a folder with `config.json` and `model.safetensors`.
 *
 * The names in the file are translated to the names of our models. Names and shapes are then checked against the
 * configuration, before anything is allocated.
 */

import {
  ArgumentError,
  CheckpointError,
  checkOptions,
  exists,
  type FloatArray,
  insteadOf,
  type JsonObject,
  makeFolder,
  parseJsonObject,
  type Random,
  random,
  readSaved,
  type SafetensorsContent,
  safetensorsParts,
  tensorBytes,
  writeFilesAtomic,
} from "../../core/index.ts";
import { type BertConfig, type ConfigFields, modelConfig } from "../config/config.ts";
import { defaultRandom, normal, withDeferredWeights, withoutInit } from "../layers/init.ts";
import { Linear } from "../layers/linear.ts";
import { describeMismatch, findMismatch, type Shapes } from "../module/mismatch.ts";
import { Module } from "../module/module.ts";
import { naming } from "../module/naming.ts";
import { checkLayer } from "../module/options.ts";
import { Bert, BertModel } from "./bert.ts";
import { GPT2 } from "./gpt2.ts";
import { Llama } from "./llama.ts";
import {
  isEncoder,
  labelsIn,
  ourName,
  type PretrainedConfig,
  renamed,
  unwrapped,
} from "./pretrained/names.ts";
import { companions, Origin, originOf, torchNames, writtenFields } from "./pretrained/origin.ts";
import { checkClassifier, checkSupported } from "./pretrained/other-models.ts";
import { checkParameters, expectedParameters, withoutClassifier } from "./pretrained/parameters.ts";
import { folderWeights } from "./pretrained/weights.ts";

/** A model that can be loaded and saved. */
export type PretrainedModel = GPT2 | Llama | Bert | BertModel;

/** The options of `loadPretrained`. */
export interface LoadOptions {
  /**
   * BERT and RoBERTa only: number of classes of the classifier on top, 0 for the bare encoder. A classifier that the file
   * does not have is initialized as in a new model.
   * @default as in the file
   */
  readonly numLabels?: number;
  /** Generator of the weights of a new classifier and of dropout's seeds. @default that of `manualSeed` */
  readonly rng?: Random;
}

/** The options of `savePretrained`. */
export interface SaveOptions {
  /** The format of the numbers. "F32" keeps every bit. @default "F32" */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/**
 * Loads the model in `folder`. All of it is trainable, and it is in evaluation mode: `fit` and `train()` switch dropout on.
 * Its weights may be in shards. A bare encoder whose file has no pooler gets none.
 *
 * @example
 * const model = loadPretrained("models/gpt2") as GPT2;
 * @throws CheckpointError when a file is missing or malformed, config.json has a field that is unknown or asks for
 *   something not implemented, or configuration and weights do not fit together: every missing, unexpected and misshapen
 *   parameter is named; nothing has been allocated then. ArgumentError when numLabels is no count, or the model is no
 *   encoder
 */
export function loadPretrained(folder: string, options: LoadOptions = {}): PretrainedModel {
  checkLayer("loadPretrained", options, ["numLabels", "rng"]);
  if (typeof folder !== "string" || folder === "")
    throw new ArgumentError("loadPretrained", "the path of a folder", { folder });
  const { numLabels } = options;
  if (numLabels !== undefined && !(Number.isSafeInteger(numLabels) && numLabels >= 0))
    throw new ArgumentError("loadPretrained", "numLabels a non-negative integer", { numLabels });
  return readSaved(folder, (file, place) => {
    return load(folder, readConfig(folder, file, place), place, options);
  });
}

/** The fields of config.json. @throws CheckpointError that says what the folder is instead when there is none */
function readConfig(
  folder: string,
  file: (name: string) => Uint8Array,
  place: (name: string) => string,
): JsonObject {
  if (!exists(place("config.json")))
    throw new CheckpointError(`${folder}: no config.json${insteadOf(folder, withoutConfig)}`);
  return parseJsonObject(`${folder}/config.json`, file("config.json"));
}

/** What a folder without a model's configuration is. */
const withoutConfig = [
  [
    /^adapter_config\.json$/,
    ": it is an adapter's folder, which loadAdapter reads, on the model that it was made for",
  ],
  [/\.gguf$/, ", which is another format: convert it with transformers' from_pretrained and save_pretrained"],
  [
    /^(params\.json|consolidated.*)$/,
    ", which is in its authors' own format: take the files that transformers reads",
  ],
] as const;

function load(
  folder: string,
  fields: Readonly<Record<string, unknown>>,
  place: (name: string) => string,
  options: LoadOptions,
): PretrainedModel {
  const { config, named, expected } = checkFolder(folder, fields, place, options);
  const { rng = defaultRandom() } = options;
  const model = withoutInit(() => buildModel(config, expected, rng));
  for (const [name, parameter] of model.namedParameters()) {
    const tensor = named.get(name);
    if (tensor) parameter.assign(tensor.floats());
    else if (parameter.shape.length === 2) {
      parameter.assign(normal(rng, parameter.shape, (config as BertConfig).initializer_range));
    }
  }
  return Object.assign(model.eval(), { origin: new Origin(folder, fields) });
}

/** A model whose weights stay in their files; see `openPretrained`. */
export interface OpenModel {
  /** The model. The values of its weights are read from the files whenever they are asked for, and not kept. */
  readonly model: PretrainedModel;
  /** All fields of config.json. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The content of each file of weights, by the name of the file. */
  readonly files: ReadonlyMap<string, SafetensorsContent>;
  /** The name in `model` of each tensor of the files; null for one that is no parameter, such as a mask. */
  readonly names: ReadonlyMap<string, string | null>;
  /** Names of the parameters that no file holds: those of a new classifier. They are zeros. */
  readonly fresh: readonly string[];
}

/**
 * Opens the model in `folder` without its weights in memory: checked as `loadPretrained` checks it, in evaluation mode,
 * with every weight read from its file each time that it is used. For work on checkpoints larger than the memory, tensor
 * by tensor; to compute with a model, load it. The files must not change meanwhile.
 *
 * @example
 * const { model, files } = openPretrained("models/llama-7b");
 * countNumbers(model); // 6738415616
 * @throws CheckpointError and ArgumentError as `loadPretrained`
 */
export function openPretrained(folder: string, options: Pick<LoadOptions, "numLabels"> = {}): OpenModel {
  checkLayer("openPretrained", options, ["numLabels"]);
  return readSaved(folder, (file, place) => {
    const fields = readConfig(folder, file, place);
    const { config, tensors, named, expected, weights } = checkFolder(folder, fields, place, options);
    const model = withDeferredWeights(() => buildModel(config, expected, random(0)));
    for (const [name, parameter] of model.namedParameters()) {
      const tensor = named.get(name);
      if (!parameter.value.storage.isDeferred) {
        if (tensor) parameter.assign(tensor.floats());
        continue;
      }
      const read = (): FloatArray => {
        const values = tensor ? tensor.floats() : new Float32Array(parameter.size);
        return values instanceof Float32Array ? values : Float32Array.from(values);
      };
      parameter.value.storage.settle({ owner: weights.files, isReadAnew: true, read, free() {} });
    }
    const ours = new Map(Array.from(tensors, ([own, { name }]) => [name, ourName(own, config)]));
    const names = new Map(Array.from(weights.tensors.keys(), (name) => [name, ours.get(name) ?? null]));
    const fresh = [...expected.keys()].filter((name) => !named.has(name));
    Object.assign(model.eval(), { origin: new Origin(folder, fields) });
    return { model, fields, files: weights.files, names, fresh };
  });
}

/** What a folder holds, checked before anything is allocated. */
function checkFolder(
  folder: string,
  fields: Readonly<Record<string, unknown>>,
  place: (name: string) => string,
  { numLabels }: LoadOptions,
) {
  const configOf = (num_labels: number): PretrainedConfig =>
    naming(
      `${folder}/config.json`,
      CheckpointError,
      () => {
        checkSupported(fields);
        return modelConfig({ ...fields, num_labels }) as PretrainedConfig;
      },
      Error,
    );
  // Errors in the configuration are reported before errors in the weights.
  const { model_type } = configOf(0);
  if (numLabels !== undefined && model_type !== "bert" && model_type !== "roberta")
    throw new ArgumentError("loadPretrained", "no numLabels: only BERT and RoBERTa have a classifier here", {
      numLabels,
      model_type,
    });
  const weights = folderWeights(folder, place);
  const { path } = weights;
  const tensors = unwrapped(path, weights.tensors, model_type);
  if (numLabels !== undefined)
    // which says what head is wanted
    for (const name of tensors.keys()) if (name.startsWith("qa_outputs.")) tensors.delete(name);
  const config = configOf(numLabels ?? labelsIn(path, tensors));
  if (isEncoder(config) && config.num_labels > 0)
    checkClassifier(`${folder}/config.json`, fields, config.num_labels);
  const named = renamed(path, tensors, config);
  const fresh = numLabels ? withoutClassifier(named, config) : [];
  const expected = expectedParameters(config, ![...named.keys()].some((name) => name.startsWith("pooler.")));
  const required = new Map([...expected].filter(([name]) => !fresh.includes(name)));
  checkParameters(path, named, config, required);
  return { config, tensors, named, expected, weights };
}

/**
 * Writes `config.json` and `model.safetensors` into `folder`, which is made if it does not exist. Either all files are
 * written or, after a failure or a kill, none. For a model that was loaded, the other contents of its folder are written
 * as well: fields of config.json that do not affect the numbers (token ids, labels), generation_config.json and the
 * tokenizer's files.
 *
 * @example
 * savePretrained(adapted.toPlain(), "models/gpt2-adapted");
 * @throws ArgumentError when the model's parameters are not those of its configuration (adapters not merged, layers
 *   replaced); CheckpointError when a file cannot be written
 */
export function savePretrained(model: PretrainedModel, folder: string, options: SaveOptions = {}): void {
  checkOptions("savePretrained", options, ["dtype"], { torch_dtype: "dtype" });
  const { dtype = "F32" } = options;
  if (!Object.hasOwn(torchNames, dtype))
    throw new ArgumentError("savePretrained", `dtype to be one of ${Object.keys(torchNames).join(", ")}`, {
      dtype,
    });
  if (!(model instanceof Module) || typeof model.config?.model_type !== "string")
    throw new ArgumentError(
      "savePretrained",
      "a model with a configuration, such as GPT2 (of adapted: adapted.toPlain())",
      {
        model: (model as object | null | undefined)?.constructor?.name ?? model,
      },
    );
  const parameters = new Map(model.namedParameters());
  const isBare = model instanceof BertModel && model.pooler === null;
  const config = presentConfig(model);
  const problems = describeMismatch(findMismatch(expectedParameters(config, isBare), parameters), 8);
  if (problems.length > 0) {
    const expected =
      "a model with the parameters of its configuration (with adapters, merged or not: adapted.toPlain(); with quantized " +
      `layers: dequantizeModel(model), or saveQuantized); ${problems.join("; ")}`;
    throw new ArgumentError("savePretrained", expected, { model: model.constructor.name });
  }
  makeFolder(folder);
  const origin = originOf(model);
  const weights = safetensorsParts(
    Array.from(
      parameters,
      ([name, { shape, value }]) => [name, tensorBytes(dtype, shape, value.data)] as const,
    ),
  );
  const text = `${JSON.stringify(writtenFields(model, config, origin, dtype), null, 2)}\n`;
  writeFilesAtomic(folder, [
    ...(origin && origin.folder !== folder ? companions(origin) : []),
    ["model.safetensors.index.json", null], // of shards that were here before
    ["model.safetensors", weights],
    ["config.json", new TextEncoder().encode(text)],
  ]);
}

/** The model's configuration as it is now: a tied head may have been untied, by adapters with copies of it or the table. */
function presentConfig(model: PretrainedModel): PretrainedConfig {
  const { config } = model;
  if (isEncoder(config) || !config.tie_word_embeddings) return config;
  const { lm_head } = model as GPT2 | Llama;
  const { weight } = model instanceof GPT2 ? model.transformer.wte : (model as Llama).model.embed_tokens;
  const isApart = lm_head instanceof Linear && lm_head.weight !== weight;
  return isApart ? { ...config, tie_word_embeddings: false } : config;
}

/** The model of a configuration. @param expected its parameters: with a pooler or without */
export function buildModel(config: PretrainedConfig, expected: Shapes, rng: Random): PretrainedModel {
  if (config.model_type === "gpt2") return new GPT2(config, { rng });
  if (!isEncoder(config)) return new Llama(config as ConfigFields<"llama">, { rng });
  if (config.num_labels > 0) return new Bert(config, { rng });
  return new BertModel(config, { rng, pooler: expected.has("pooler.dense.weight") });
}
