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
  LowrankError,
  makeFolder,
  parseJsonObject,
  parseSafetensors,
  type Random,
  readSaved,
  type SafeTensor,
  type Shape,
  safetensorsParts,
  sameShape,
  tensorBytes,
  writeFilesAtomic,
} from "../core/index.ts";
import { Bert, BertModel } from "./bert.ts";
import {
  type BertConfig,
  type GPT2Config,
  type LlamaConfig,
  type ModelConfig,
  modelConfig,
} from "./config.ts";
import { GPT2 } from "./gpt2.ts";
import { defaultRandom, normal, withoutInit } from "./init.ts";
import { layout } from "./layout.ts";
import { Llama } from "./llama.ts";

export type PretrainedModel = GPT2 | Llama | Bert | BertModel;

type PretrainedConfig = GPT2Config | LlamaConfig | BertConfig;

export interface LoadOptions {
  /**
   * BERT and RoBERTa: classes of the classifier on top, 0 for the bare encoder; as the file has it unless given. A
   * classifier that the file lacks starts as a new one does.
   */
  readonly numLabels?: number;
  /** Where the weights of a new classifier, and the seeds of dropout, come from. */
  readonly rng?: Random;
}

/**
 * The model in `folder`, all of it trainable.
 * @throws CheckpointError when a file is missing or malformed, or config and weights do not fit together: every missing,
 *   unexpected and misshapen parameter is named; nothing has been allocated then
 */
export function loadPretrained(
  folder: string,
  { numLabels, rng = defaultRandom() }: LoadOptions = {},
): PretrainedModel {
  const [text, weights] = readSaved(folder, (file) => [file("config.json"), file("model.safetensors")]);
  const fields = parseJsonObject(`${folder}/config.json`, text);
  const path = `${folder}/model.safetensors`;
  const { tensors } = parseSafetensors(weights, path);
  const labels = numLabels ?? labelsIn(tensors);
  const config = explained(`${folder}/config.json`, () =>
    supported(modelConfig({ ...fields, num_labels: labels })),
  );
  const named = renamed(tensors, config);
  const fresh = numLabels ? withoutClassifier(named, config) : [];
  checkParameters(path, named, config, fresh);

  const model = withoutInit(() => build(config, rng));
  for (const [name, parameter] of model.namedParameters()) {
    const tensor = named.get(name);
    if (tensor) parameter.assign(tensor.floats());
    else if (parameter.shape.length === 2) {
      parameter.assign(normal(rng, parameter.shape, (config as BertConfig).initializer_range));
    }
  }
  return model;
}

/**
 * Writes `config.json` and `model.safetensors` into `folder`, which is made if need be; both or, after a failure or a
 * kill, neither of them.
 * @throws ArgumentError when the model's parameters are not those of its configuration (adapters not merged, layers
 *   replaced); CheckpointError when a file cannot be written
 */
export function savePretrained(model: PretrainedModel, folder: string): void {
  const parameters = new Map(model.namedParameters());
  const problems = differences(expectedParameters(model.config), parameters);
  if (problems.length > 0) {
    const expected = `a model with the parameters of its configuration (merge adapters first); ${problems.join("; ")}`;
    throw new ArgumentError("savePretrained", expected, { model: model.constructor.name });
  }
  makeFolder(folder);
  const weights = safetensorsParts(
    Array.from(
      parameters,
      ([name, { shape, value }]) => [name, tensorBytes("F32", shape, value.data)] as const,
    ),
  );
  const fields = { architectures: [architecture(model)], torch_dtype: "float32", ...model.config };
  const config = new TextEncoder().encode(`${JSON.stringify(fields, null, 2)}\n`);
  writeFilesAtomic(folder, [
    ["model.safetensors", weights],
    ["config.json", config],
  ]);
}

/** The class of transformers that has these parameters. */
function architecture(model: PretrainedModel): string {
  if (model instanceof GPT2) return "GPT2LMHeadModel";
  if (model instanceof Llama) return "LlamaForCausalLM";
  const name = model.config.model_type === "bert" ? "Bert" : "Roberta";
  return model instanceof Bert ? `${name}ForSequenceClassification` : `${name}Model`;
}

function build(config: PretrainedConfig, rng: Random): PretrainedModel {
  if (config.model_type === "gpt2") return new GPT2(config, { rng });
  if (config.model_type === "llama") return new Llama(config, { rng });
  return config.num_labels > 0 ? new Bert(config, { rng }) : new BertModel(config, { rng });
}

/** Runs `fn`; what it throws becomes a CheckpointError that names the file. */
function explained<T>(path: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw new CheckpointError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

function supported(config: ModelConfig): PretrainedConfig {
  if (config.model_type !== "deberta-v2" && config.model_type !== "bart") return config;
  throw new LowrankError(`there is no model for ${config.model_type}, only its layout`);
}

/** Classes that the file's classifier tells apart; 0 without one. */
function labelsIn(tensors: ReadonlyMap<string, SafeTensor>): number {
  const head = tensors.get("classifier.out_proj.weight") ?? tensors.get("classifier.weight");
  return head?.shape[0] ?? 0;
}

/** The file's tensors under our names, without those that are no parameters of our models. */
function renamed(
  tensors: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
): Map<string, SafeTensor> {
  const named = new Map<string, SafeTensor>();
  for (const [name, tensor] of tensors) {
    const ours = ourName(name, config);
    if (ours !== null) named.set(ours, tensor);
  }
  return named;
}

function ourName(name: string, config: PretrainedConfig): string | null {
  switch (config.model_type) {
    case "gpt2":
      if (/(^|\.)attn\.(masked_)?bias$/.test(name)) return null; // the causal mask
      return decoderName(name, "transformer.", config);
    case "llama":
      if (name.endsWith("rotary_emb.inv_freq")) return null;
      return decoderName(name, "model.", config);
    default:
      return encoderName(name, config);
  }
}

function decoderName(name: string, prefix: string, config: GPT2Config | LlamaConfig): string | null {
  if (name.startsWith("lm_head.")) return config.tie_word_embeddings ? null : name;
  return name.startsWith(prefix) ? name : prefix + name;
}

function encoderName(name: string, { model_type, num_labels }: BertConfig): string | null {
  const classifies = num_labels > 0;
  if (/^(cls|lm_head)\./.test(name)) return null; // heads of pretraining
  if (name.startsWith("classifier.")) return classifies ? name : null;
  const prefix = `${model_type}.`;
  const bare = (name.startsWith(prefix) ? name.slice(prefix.length) : name)
    .replace(/LayerNorm\.gamma$/, "LayerNorm.weight") // as TensorFlow calls them, in BERT's first checkpoints
    .replace(/LayerNorm\.beta$/, "LayerNorm.bias");
  if (bare === "embeddings.position_ids") return null;
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

/** Parameters of a configuration, each once, with their shapes. */
function expectedParameters(config: PretrainedConfig): Map<string, { shape: Shape }> {
  const parameters = layout(config).flatMap(({ parameters }) => parameters);
  return new Map(parameters.filter(({ tiedTo }) => !tiedTo).map(({ name, shape }) => [name, { shape }]));
}

/** @throws CheckpointError when the file's parameters, but for the `fresh` ones, are not those of the configuration */
function checkParameters(
  path: string,
  named: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
  fresh: readonly string[],
): void {
  const layers = config.model_type === "gpt2" ? config.n_layer : config.num_hidden_layers;
  if (layers > named.size) {
    throw new CheckpointError(
      `${path}: expected ${layers} layers, as config.json says; got ${named.size} tensors`,
    );
  }
  const expected = expectedParameters(config);
  for (const name of fresh) expected.delete(name);
  const problems = differences(expected, named);
  if (problems.length > 0) throw new CheckpointError(`${path}: ${problems.join("; ")}`);
}

type Shaped = ReadonlyMap<string, { readonly shape: Shape }>;

/** What is missing, unexpected and misshapen in `given`, a line each; none when it is as expected. */
function differences(expected: Shaped, given: Shaped): string[] {
  const missing = [...expected.keys()].filter((name) => !given.has(name));
  const unexpected = [...given.keys()].filter((name) => !expected.has(name));
  const misshapen = [...expected].flatMap(([name, { shape }]) => {
    const got = given.get(name)?.shape;
    if (!got || sameShape(got, shape)) return [];
    return [`${name} (expected [${shape.join(", ")}], got [${got.join(", ")}])`];
  });
  const line = (what: string, names: readonly string[]): string[] => {
    if (names.length === 0) return [];
    const more = names.length > 8 ? ` and ${names.length - 8} more` : "";
    return [`${what}: ${names.slice(0, 8).join(", ")}${more}`];
  };
  return [...line("missing", missing), ...line("unexpected", unexpected), ...line("misshapen", misshapen)];
}
