/**
 * @file Translates the names of parameters in Hugging Face's files to the names of our models.
 *
 * Names differ by the class that wrote a file: a bare GPT-2 leaves out the prefix `transformer.`, a pretrained BERT has
 * heads of its own, old files hold buffers that are no parameters.
 */

import { CheckpointError, type SafeTensor, sameShape } from "../../../core/index.ts";
import type { BertConfig, GPT2Config, LlamaConfig } from "../../config/types.ts";

/** The configuration of a model that can be loaded. */
export type PretrainedConfig = GPT2Config | LlamaConfig | BertConfig;

/** True for the configurations of encoders: BERT and RoBERTa. */
export const isEncoder = (config: PretrainedConfig): config is BertConfig =>
  config.model_type === "bert" || config.model_type === "roberta";

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
