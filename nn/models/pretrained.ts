/**
 * @file Models on disk in Hugging Face's layout: a folder with `config.json` and `model.safetensors`.
 *
 * Names in such files differ by the class that wrote them: a bare GPT-2 leaves out the prefix `transformer.`, a
 * pretrained BERT brings heads of its own, old files hold buffers that are no parameters. Here they are brought to the
 * names of our models and checked against the configuration, each with its shape, before anything is allocated.
 */

import {
  ArgumentError,
  CheckpointError,
  checkOptions,
  exists,
  LowrankError,
  listFolder,
  makeFolder,
  parseJsonObject,
  type Random,
  readFile,
  readSaved,
  type SafeTensor,
  type Shape,
  safetensorsParts,
  sameShape,
  tensorBytes,
  warn,
  writeFilesAtomic,
} from "../../core/index.ts";
import {
  type BertConfig,
  type ConfigFields,
  type GPT2Config,
  type LlamaConfig,
  modelConfig,
} from "../config/config.ts";
import { layout } from "../config/layout.ts";
import { defaultRandom, normal, withoutInit } from "../layers/init.ts";
import { Linear } from "../layers/linear.ts";
import { describeMismatch, findMismatch, type Shapes } from "../module/mismatch.ts";
import { Module } from "../module/module.ts";
import { naming } from "../module/naming.ts";
import { checkLayer } from "../module/options.ts";
import { Bert, BertModel } from "./bert.ts";
import { GPT2 } from "./gpt2.ts";
import { Llama } from "./llama.ts";
import { folderWeights } from "./pretrained-weights.ts";

export type PretrainedModel = GPT2 | Llama | Bert | BertModel;

type PretrainedConfig = GPT2Config | LlamaConfig | BertConfig;

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

/** What a model was read from: a field of the model, which its copies share, since it is of a class of its own. */
class Origin {
  readonly folder: string;
  /** All of config.json. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Files beside the model that belong to it: tokenizer, generation_config.json. */
  readonly companions: readonly string[];

  constructor(folder: string, fields: Readonly<Record<string, unknown>>) {
    this.folder = folder;
    this.fields = fields;
    this.companions = listFolder(folder).filter((name) => isCompanion.test(name));
  }
}

const originOf = (model: PretrainedModel): Origin | undefined => (model as { origin?: Origin }).origin;

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

/** Formats that can be written, by what PyTorch calls them. */
const torchNames = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** Names of files that belong to a model but hold no weights. */
const isCompanion =
  /^(generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|preprocessor_config)\.json$|^(vocab|merges)\.txt$|^(tokenizer|sentencepiece\.bpe|spiece)\.model$|^chat_template\.(jinja|json)$/;

function companions({ folder, companions }: Origin): [string, Uint8Array][] {
  return companions.flatMap((name): [string, Uint8Array][] => {
    if (exists(`${folder}/${name}`)) return [[name, readFile(`${folder}/${name}`)]];
    warn(`savePretrained: ${folder}/${name}, which came with the model, is not there any more`);
    return [];
  });
}

/** The fields of config.json: those of the file that the model came from, and over them what it is now. */
function writtenFields(
  model: PretrainedModel,
  config: PretrainedConfig,
  origin: Origin | undefined,
  dtype: keyof typeof torchNames,
): Record<string, unknown> {
  const { rope_parameters, dtype: _, num_labels, ...before } = origin?.fields ?? {};
  const count = "num_labels" in config ? config.num_labels : 0;
  const names = before.id2label;
  const isNaming = typeof names === "object" && names !== null && Object.keys(names).length === count;
  const fields = {
    ...before,
    architectures: [architecture(model)],
    torch_dtype: torchNames[dtype],
    ...config,
  };
  if (!isNaming && count > 0) for (const stale of ["id2label", "label2id"]) delete fields[stale as never];
  return count > 0 ? fields : withoutField(fields, "num_labels");
}

const withoutField = (fields: Record<string, unknown>, name: string): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([other]) => other !== name));

/** The class of transformers that has these parameters. */
function architecture(model: PretrainedModel): string {
  if (model instanceof GPT2) return "GPT2LMHeadModel";
  if (model instanceof Llama)
    return { llama: "LlamaForCausalLM", mistral: "MistralForCausalLM", qwen2: "Qwen2ForCausalLM" }[
      model.config.model_type
    ];
  const name = model.config.model_type === "bert" ? "Bert" : "Roberta";
  return model instanceof Bert ? `${name}ForSequenceClassification` : `${name}Model`;
}

const isEncoder = (config: PretrainedConfig): config is BertConfig =>
  config.model_type === "bert" || config.model_type === "roberta";

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

/**
 * Classes that the file's classifier tells apart; 0 without one.
 * @throws CheckpointError for a part of a classifier, which could be loaded neither with it nor without
 */
function labelsIn(path: string, tensors: ReadonlyMap<string, SafeTensor>): number {
  const head = tensors.get("classifier.out_proj.weight") ?? tensors.get("classifier.weight");
  const part = [...tensors.keys()].find((name) => name.startsWith("classifier."));
  if (head || part === undefined) return head?.shape[0] ?? 0;
  throw new CheckpointError(
    `${path}: ${part} without the classifier's weight; expected a whole classifier, or numLabels: 0 to leave it out`,
  );
}

/** The file's tensors under our names, without those that are no parameters of our models. */
function renamed(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
): Map<string, SafeTensor> {
  const named = new Map<string, SafeTensor>();
  for (const [name, tensor] of tensors) {
    const ours = ourName(name, config);
    if (ours === null) continue;
    const other = named.get(ours)?.name;
    if (other !== undefined) throw new CheckpointError(`${path}: ${other} and ${name} are both our ${ours}`);
    named.set(ours, tensor);
  }
  if (!isEncoder(config) && config.tie_word_embeddings) tieHead(path, named, config);
  return named;
}

/** One matrix under two names: a file holds it under either, or under both. */
function tieHead(path: string, named: Map<string, SafeTensor>, config: GPT2Config | LlamaConfig): void {
  const table = config.model_type === "gpt2" ? "transformer.wte.weight" : "model.embed_tokens.weight";
  const head = named.get("lm_head.weight");
  if (!head) return;
  named.delete("lm_head.weight");
  const given = named.get(table);
  if (!given) named.set(table, head);
  else if (!sameShape(given.shape, head.shape) || !sameBytes(given, head))
    throw new CheckpointError(
      `${path}: ${given.name} and ${head.name} differ, but tie_word_embeddings is true; set it to false in config.json ` +
        "to keep both, or take one out of the file",
    );
}

function sameBytes(a: SafeTensor, b: SafeTensor): boolean {
  const [x, y] = [a.floats(), b.floats()];
  return x.length === y.length && x.every((value, i) => Object.is(value, y[i]));
}

function ourName(name: string, config: PretrainedConfig): string | null {
  if (isEncoder(config)) return encoderName(name, config);
  if (config.model_type === "gpt2") {
    if (/(^|\.)attn\.(masked_)?bias$/.test(name)) return null; // the causal mask
    return decoderName(name, "transformer.");
  }
  if (name.endsWith("rotary_emb.inv_freq")) return null;
  return decoderName(name, "model.");
}

function decoderName(name: string, prefix: string): string {
  return name.startsWith("lm_head.") || name.startsWith(prefix) ? name : prefix + name;
}

function encoderName(name: string, { model_type, num_labels }: BertConfig): string | null {
  const classifies = num_labels > 0;
  if (/^(cls|lm_head)\./.test(name)) return null; // heads of pretraining
  if (name.startsWith("classifier.")) return classifies ? name : null;
  const prefix = `${model_type}.`;
  const bare = (name.startsWith(prefix) ? name.slice(prefix.length) : name)
    .replace(/LayerNorm\.gamma$/, "LayerNorm.weight") // as TensorFlow calls them, in BERT's first checkpoints
    .replace(/LayerNorm\.beta$/, "LayerNorm.bias");
  if (bare === "embeddings.position_ids" || bare === "embeddings.token_type_ids") return null;
  if (bare.startsWith("pooler.") && classifies && model_type === "roberta") return null;
  return classifies ? prefix + bare : bare;
}

/** The names of a classifier, and of the pooler it stands on, that the file has nothing of. */
function withoutClassifier(named: ReadonlyMap<string, SafeTensor>, config: PretrainedConfig): string[] {
  const has = (prefix: string): boolean => [...named.keys()].some((name) => name.startsWith(prefix));
  const lacking = ["classifier.", "bert.pooler."].filter((prefix) => !has(prefix));
  return [...expectedParameters(config).keys()].filter((name) =>
    lacking.some((prefix) => name.startsWith(prefix)),
  );
}

/** Parameters of a configuration, each once, with their shapes; those of a bare encoder without its pooler. */
function expectedParameters(config: PretrainedConfig, withoutPooler = false): Map<string, { shape: Shape }> {
  const parameters = layout(config).flatMap(({ parameters }) => parameters);
  const isOwn = ({ name, tiedTo }: (typeof parameters)[number]): boolean =>
    tiedTo === undefined && !(withoutPooler && name.startsWith("pooler."));
  return new Map(parameters.filter(isOwn).map(({ name, shape }) => [name, { shape }]));
}

/** @throws CheckpointError when the file's parameters are not those that are expected of the configuration */
function checkParameters(
  path: string,
  named: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
  expected: Shapes,
): void {
  const problems = describeMismatch(findMismatch(expected, named), 8);
  if (problems.length === 0) return;
  const why = likelyCause(expected, named, config);
  throw new CheckpointError(`${path}: ${problems.join("; ")}${why && `; ${why}`}`);
}

/** What such differences usually come from, and what to do. */
function likelyCause(
  expected: Shapes,
  named: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
): string {
  const missing = [...expected.keys()].filter((name) => !named.has(name));
  const unexpected = [...named.keys()].filter((name) => !expected.has(name));
  if (unexpected.some((name) => /\.(absmax|quant_map|nested_absmax|SCB|qweight|qzeros|g_idx)$/.test(name)))
    return "these are quantized weights: expected those before quantization; load them, then call quantizeModel of lowrank/quant";
  if (missing.length > 0 && missing.every((name) => name.endsWith("self_attn.o_proj.bias")))
    return 'attention_bias puts a bias on every projection; with biases on q, k and v only, model_type is "qwen2"';
  if (missing.length === 1 && missing[0] === "lm_head.weight")
    return "a file without a head is of a model whose tie_word_embeddings is true, or of one that has none";
  const ends = unexpected.flatMap((name) => {
    const own = missing.find((other) => name.endsWith(`.${other}`) || other.endsWith(`.${name}`));
    return own === undefined ? [] : [[name, own] as const];
  });
  if (ends.length > 0) {
    const [theirs, ours] = ends[0];
    return `the file has ${named.get(theirs)?.name} where this ${config.model_type} has ${ours}: names in the file need that prefix changed`;
  }
  return "";
}
