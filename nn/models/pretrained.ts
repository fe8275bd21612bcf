/**
 * @file Models on disk in Hugging Face's layout: a folder with `config.json` and `model.safetensors`.
 *
 * The names in the file are brought to the names of our models and checked against the configuration, each with its
 * shape, before anything is allocated.
 */

import {
  ArgumentError,
  CheckpointError,
  checkOptions,
  LowrankError,
  makeFolder,
  parseJsonObject,
  type Random,
  readSaved,
  safetensorsParts,
  tensorBytes,
  writeFilesAtomic,
} from "../../core/index.ts";
import { type BertConfig, type ConfigFields, modelConfig } from "../config/config.ts";
import { defaultRandom, normal, withoutInit } from "../layers/init.ts";
import { Linear } from "../layers/linear.ts";
import { describeMismatch, findMismatch, type Shapes } from "../module/mismatch.ts";
import { Module } from "../module/module.ts";
import { naming } from "../module/naming.ts";
import { checkLayer } from "../module/options.ts";
import { Bert, BertModel } from "./bert.ts";
import { GPT2 } from "./gpt2.ts";
import { Llama } from "./llama.ts";
import { isEncoder, labelsIn, type PretrainedConfig, renamed } from "./pretrained/names.ts";
import { companions, Origin, originOf, torchNames, writtenFields } from "./pretrained/origin.ts";
import { checkParameters, expectedParameters, withoutClassifier } from "./pretrained/parameters.ts";
import { folderWeights } from "./pretrained/weights.ts";

export type PretrainedModel = GPT2 | Llama | Bert | BertModel;

export interface LoadOptions {
  /**
   * BERT and RoBERTa only: classes of the classifier on top, 0 for the bare encoder; as the file has it unless given. A
   * classifier that the file lacks starts as a new one does.
   */
  readonly numLabels?: number;
  /** Where the weights of a new classifier, and the seeds of dropout, come from. */
  readonly rng?: Random;
}

export interface SaveOptions {
  /** The format of the numbers; "F32", which keeps every bit, unless given. */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/**
 * The model in `folder`, all of it trainable, in evaluation mode: `fit` and `train()` switch dropout on. Its file may be
 * in shards. A bare encoder whose file has no pooler has none.
 * @throws CheckpointError when a file is missing or malformed, config.json has a field that is unknown or asks for what
 *   there is no code for, or config and weights do not fit together: every missing, unexpected and misshapen parameter is
 *   named; nothing has been allocated then. ArgumentError when numLabels is no count, or the model is no encoder
 */
export function loadPretrained(folder: string, options: LoadOptions = {}): PretrainedModel {
  checkLayer("loadPretrained", options, ["numLabels", "rng"]);
  if (typeof folder !== "string" || folder === "")
    throw new ArgumentError("loadPretrained", "the path of a folder", { folder });
  const { numLabels } = options;
  if (numLabels !== undefined && !(Number.isSafeInteger(numLabels) && numLabels >= 0))
    throw new ArgumentError("loadPretrained", "numLabels a non-negative integer", { numLabels });
  return readSaved(folder, (file, place) => {
    const fields = parseJsonObject(`${folder}/config.json`, file("config.json"));
    return load(folder, fields, place, options);
  });
}

function load(
  folder: string,
  fields: Readonly<Record<string, unknown>>,
  place: (name: string) => string,
  { numLabels, rng = defaultRandom() }: LoadOptions,
): PretrainedModel {
  const configOf = (num_labels: number): PretrainedConfig =>
    naming(
      `${folder}/config.json`,
      CheckpointError,
      () => {
        checkSupported(fields.model_type);
        return modelConfig({ ...fields, num_labels }) as PretrainedConfig;
      },
      Error,
    );
  // What is wrong with the configuration is said before what is wrong with the weights.
  const { model_type } = configOf(0);
  if (numLabels !== undefined && model_type !== "bert" && model_type !== "roberta")
    throw new ArgumentError("loadPretrained", "no numLabels: only BERT and RoBERTa have a classifier here", {
      numLabels,
      model_type,
    });
  const { path, tensors } = folderWeights(folder, place);
  const config = configOf(numLabels ?? labelsIn(path, tensors));
  const named = renamed(path, tensors, config);
  const fresh = numLabels ? withoutClassifier(named, config) : [];
  const expected = expectedParameters(config, ![...named.keys()].some((name) => name.startsWith("pooler.")));
  for (const name of fresh) expected.delete(name);
  checkParameters(path, named, config, expected);

  const model = withoutInit(() => build(config, expected, rng));
  for (const [name, parameter] of model.namedParameters()) {
    const tensor = named.get(name);
    if (tensor) parameter.assign(tensor.floats());
    else if (parameter.shape.length === 2) {
      parameter.assign(normal(rng, parameter.shape, (config as BertConfig).initializer_range));
    }
  }
  return Object.assign(model.eval(), { origin: new Origin(folder, fields) });
}

/**
 * Writes `config.json` and `model.safetensors` into `folder`, which is made if need be; all or, after a failure or a
 * kill, none of its files.
 * What came with a model that was loaded goes with it: fields of its config.json that say nothing about the numbers
 * (tokens' ids, labels), generation_config.json and the tokenizer's files.
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

/** A head that was tied to the table may have come apart from it, as adapters with copies of either make it. */
function presentConfig(model: PretrainedModel): PretrainedConfig {
  const { config } = model;
  if (isEncoder(config) || !config.tie_word_embeddings) return config;
  const { lm_head } = model as GPT2 | Llama;
  const { weight } = model instanceof GPT2 ? model.transformer.wte : (model as Llama).model.embed_tokens;
  const isApart = lm_head instanceof Linear && lm_head.weight !== weight;
  return isApart ? { ...config, tie_word_embeddings: false } : config;
}

function build(config: PretrainedConfig, expected: Shapes, rng: Random): PretrainedModel {
  if (config.model_type === "gpt2") return new GPT2(config, { rng });
  if (!isEncoder(config)) return new Llama(config as ConfigFields<"llama">, { rng });
  if (config.num_labels > 0) return new Bert(config, { rng });
  return new BertModel(config, { rng, pooler: expected.has("pooler.dense.weight") });
}

function checkSupported(type: unknown): void {
  if (type === "deberta-v2" || type === "bart")
    throw new LowrankError(`there is no model for ${type}, only its layout`);
}
