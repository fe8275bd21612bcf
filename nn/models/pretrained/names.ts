/**
 * @file Translates the names of parameters in Hugging Face's files to the names of our models.
 *
 * Names differ by the class that wrote a file: a bare GPT-2 leaves out the prefix `transformer.`, a pretrained BERT has
 * heads of its own, old files hold buffers that are no parameters, and wrappers of PyTorch leave prefixes.
 */

import { CheckpointError, type SafeTensor, sameShape } from "../../../core/index.ts";
import type { BertConfig, GPT2Config, LlamaConfig } from "../../config/types.ts";

/** The configuration of a model that can be loaded. */
export type PretrainedConfig = GPT2Config | LlamaConfig | BertConfig;

/** True for the configurations of encoders: BERT and RoBERTa. */
export const isEncoder = (config: PretrainedConfig): config is BertConfig =>
  config.model_type === "bert" || config.model_type === "roberta";

/** Modules that wrap others in PyTorch: of torch.compile, FSDP and checkpointed activations. */
const wrappers = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/** The name of a parameter without the wrappers of PyTorch in it: torch.compile's, FSDP's, and DataParallel's `module` before it. */
export function withoutWrappers(name: string): string {
  const parts = name.split(".").filter((part) => !wrappers.includes(part));
  return parts.slice(parts.findIndex((part) => part !== "module")).join(".");
}

/** The first parts of the names in files of each kind of model. */
const roots = {
  encoder: /^(bert|roberta|embeddings|encoder|pooler|classifier|cls|lm_head|qa_outputs)$/,
  gpt2: /^(transformer|h|wte|wpe|ln_f|lm_head)$/,
  llama: /^(model|layers|embed_tokens|norm|lm_head)$/,
} as const;

/** Buffers in files that are no parameters: GPT-2's causal mask, the frequencies, cosines and sines of Llama's positions. */
const buffers = {
  encoder: /(^|\.)embeddings\.(position_ids|token_type_ids)$/,
  gpt2: /(^|\.)attn\.(masked_)?bias$/,
  llama: /(^|\.)rotary_emb\.((original_)?inv_freq|cos_cached|sin_cached)$/,
} as const;

const familyOf = (type: PretrainedConfig["model_type"]): keyof typeof roots => {
  if (type === "bert" || type === "roberta") return "encoder";
  return type === "gpt2" ? "gpt2" : "llama";
};

/**
 * The tensors of a file without buffers, under names without what wrappers left in them, without a prefix that all have
 * besides those of the model itself, and without doubled ones.
 * @throws CheckpointError when two names become the same
 */
export function unwrapped(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  type: PretrainedConfig["model_type"],
): Map<string, SafeTensor> {
  const family = familyOf(type);
  const bare = Array.from(tensors, ([name, tensor]) => [withoutWrappers(name), tensor] as const).filter(
    ([name]) => !buffers[family].test(name),
  );
  const prefix = commonPrefix(
    bare.map(([name]) => name),
    roots[family],
    type,
  );
  const result = new Map<string, SafeTensor>();
  for (const [name, tensor] of bare) {
    const own = name.slice(prefix.length).replace(/^(model|transformer|bert|roberta)\.(?:\1\.)+/, "$1.");
    const other = result.get(own)?.name;
    if (other !== undefined)
      throw new CheckpointError(`${path}: ${other} and ${tensor.name} are both our ${own}`);
    result.set(own, tensor);
  }
  return result;
}

/** What programs put before the names of a model that is a part of theirs. Other names may be those of another model. */
const outer = /^(\d+|model|base_model|auto_model|transformer|language_model|lm|net|network|backbone)$/;

/** The longest beginning of all names after which each goes on with a root; empty when there is none. */
function commonPrefix([first = "", ...others]: readonly string[], roots: RegExp, type: string): string {
  const all = first.split(".");
  const strange = all.findIndex((part) => part !== type && !outer.test(part));
  const parts = all.slice(0, strange + 1);
  for (let count = parts.length - 1; count > 0; count--) {
    const prefix = `${parts.slice(0, count).join(".")}.`;
    const fits = (name: string): boolean =>
      name.startsWith(prefix) && roots.test(name.slice(prefix.length).split(".")[0]);
    if ([first, ...others].every(fits)) return prefix;
  }
  return "";
}

/**
 * Number of classes of the file's classifier; 0 without one.
 * @throws CheckpointError for a part of a classifier, which could be loaded neither with it nor without
 */
export function labelsIn(path: string, tensors: ReadonlyMap<string, SafeTensor>): number {
  const head = tensors.get("classifier.out_proj.weight") ?? tensors.get("classifier.weight");
  const part = [...tensors.keys()].find((name) => name.startsWith("classifier."));
  if (head || part === undefined) return head?.shape[0] ?? 0;
  throw new CheckpointError(
    `${path}: ${part} without the classifier's weight; expected a whole classifier, or numLabels: 0 to leave it out`,
  );
}

/** The file's tensors under the names of our models, without those that are no parameters of theirs. */
export function renamed(
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

/** Keeps a tied matrix under its own name: a file has it under that name, the head's, or both. */
function tieHead(path: string, named: Map<string, SafeTensor>, config: GPT2Config | LlamaConfig): void {
  const table = config.model_type === "gpt2" ? "transformer.wte.weight" : "model.embed_tokens.weight";
  const head = named.get("lm_head.weight");
  if (!head) return;
  named.delete("lm_head.weight");
  const given = named.get(table);
  if (!given) named.set(table, head);
  else if (!sameShape(given.shape, head.shape) || !sameValues(given, head))
    throw new CheckpointError(
      `${path}: ${given.name} and ${head.name} differ, but tie_word_embeddings is true; set it to false in config.json ` +
        "to keep both, or take one out of the file",
    );
}

/** Compares values bit for bit, a few megabytes at a time. */
function sameValues(a: SafeTensor, b: SafeTensor): boolean {
  const others = b.parts();
  for (const part of a.parts()) {
    const other = others.next().value as typeof part;
    for (let i = 0; i < part.length; i++) if (!Object.is(part[i], other[i])) return false;
  }
  return true;
}

/** The name in our model of a tensor of a file; null for one that is no parameter of it. */
export function ourName(name: string, config: PretrainedConfig): string | null {
  if (isEncoder(config)) return encoderName(name, config);
  return decoderName(name, config.model_type === "gpt2" ? "transformer." : "model.");
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
  if (bare.startsWith("pooler.") && classifies && model_type === "roberta") return null;
  return classifies ? prefix + bare : bare;
}
