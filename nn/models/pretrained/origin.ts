/** @file The origin of a loaded model, which it keeps, and the config.json and companion files that are saved with it. */

import { exists, listFolder, readFile, warn } from "../../../core/index.ts";
import { Bert } from "../bert.ts";
import { GPT2 } from "../gpt2.ts";
import { Llama } from "../llama.ts";
import type { PretrainedModel } from "../pretrained.ts";
import type { PretrainedConfig } from "./names.ts";

/** The folder that a model was loaded from. The model has it in a field; copies of the model share it. */
export class Origin {
  readonly folder: string;
  /** All of config.json. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Other files of the model, such as those of the tokenizer and generation_config.json. */
  readonly companions: readonly string[];

  constructor(folder: string, fields: Readonly<Record<string, unknown>>) {
    this.folder = folder;
    this.fields = fields;
    this.companions = listFolder(folder).filter((name) => isCompanion.test(name));
  }
}

/** The origin of a model; undefined for one that was not loaded. */
export const originOf = (model: PretrainedModel): Origin | undefined => (model as { origin?: Origin }).origin;

/** The formats that can be written, with PyTorch's names. */
export const torchNames = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** The names of files that belong to a model but hold no weights. */
const isCompanion =
  /^(generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|preprocessor_config)\.json$|^(vocab|merges)\.txt$|^(tokenizer|sentencepiece\.bpe|spiece)\.model$|^chat_template\.(jinja|json)$/;

/** The names and contents of the origin's other files. Warns of a file that no longer exists. */
export function companions({ folder, companions }: Origin): [string, Uint8Array][] {
  return companions.flatMap((name): [string, Uint8Array][] => {
    if (exists(`${folder}/${name}`)) return [[name, readFile(`${folder}/${name}`)]];
    warn(`savePretrained: ${folder}/${name}, which came with the model, is not there any more`);
    return [];
  });
}

/** The fields of config.json: those of the original file, overwritten by the model's present configuration. */
export function writtenFields(
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

/** The name of the class in transformers with the same parameters. */
function architecture(model: PretrainedModel): string {
  if (model instanceof GPT2) return "GPT2LMHeadModel";
  if (model instanceof Llama)
    return {
      llama: "LlamaForCausalLM",
      mistral: "MistralForCausalLM",
      qwen2: "Qwen2ForCausalLM",
      qwen3: "Qwen3ForCausalLM",
    }[model.config.model_type];
  const name = model.config.model_type === "bert" ? "Bert" : "Roberta";
  return model instanceof Bert ? `${name}ForSequenceClassification` : `${name}Model`;
}
