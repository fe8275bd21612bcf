/**
 * @file Which files of a model on the Hub are needed: configuration, tokenizer, and weights as safetensors; of an
 * adapter its two files. Never pickles, nor the weights of other programs.
 */

import { CheckpointError, type JsonObject, parseJsonObject, pickles } from "../../../core/index.ts";

/** A model's weights in one file, and the index of weights in several. */
export const WEIGHTS = "model.safetensors";
export const INDEX = `${WEIGHTS}.index.json`;
const ADAPTER = { config: "adapter_config.json", weights: "adapter_model.safetensors" } as const;

/** Configurations and the files of tokenizers. */
const isCompanion =
  /^(config|generation_config|adapter_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$|^(vocab|merges)\.txt$|^(tokenizer|sentencepiece\.bpe|spiece)\.model$|^chat_template\.(jinja|json)$/;

/** What of a model is needed. */
export interface Choice {
  /** Names of files, without those that only the index names. */
  readonly names: readonly string[];
  /** True when the weights are in shards, which the index names. */
  readonly hasIndex: boolean;
}

/**
 * Chooses among the names of all files of a model.
 * @param source names the model in messages
 * @throws CheckpointError when there is nothing of use, or only weights in other formats; it says what to do
 */
export function chooseFiles(source: string, all: readonly string[]): Choice {
  const names = all.filter((name) => isCompanion.test(name)).sort();
  const hasWeights = all.includes(WEIGHTS);
  const hasIndex = !hasWeights && all.includes(INDEX);
  const isAdapter = all.includes(ADAPTER.config);
  const weights = [
    ...(hasWeights ? [WEIGHTS] : []),
    ...(hasIndex ? [INDEX] : []),
    ...(isAdapter && all.includes(ADAPTER.weights) ? [ADAPTER.weights] : []),
  ];
  if (weights.length === 0) refuse(source, all, names);
  return { names: [...names, ...weights], hasIndex };
}

/** Refuses a model without weights that can be read. One that is only a configuration or a tokenizer passes. */
function refuse(source: string, all: readonly string[], names: readonly string[]): void {
  const other = all.find((name) => pickles.test(name) || /\.(h5|msgpack|gguf|onnx)$/.test(name));
  const isPickle = other !== undefined && pickles.test(other);
  const convert = isPickle
    ? "a pickle of PyTorch, which is not read here: convert it with transformers' or PEFT's save_pretrained(folder, " +
      "safe_serialization=True), or take a revision that has safetensors"
    : "which is another format: look for a model of this name with safetensors";
  if (other !== undefined)
    throw new CheckpointError(`${source}: no weights as safetensors, but ${other}, ${convert}`);
  const elsewhere = all.find((name) => name.endsWith(".safetensors"));
  if (elsewhere !== undefined)
    throw new CheckpointError(
      `${source}: no ${WEIGHTS} and no ${ADAPTER.weights}, but ${elsewhere}: no model of transformers and no adapter of PEFT`,
    );
  if (names.length === 0)
    throw new CheckpointError(
      `${source}: neither a configuration nor weights; it holds ${all.slice(0, 8).join(", ") || "no files"}`,
    );
}

/**
 * The shards that an index names, in its order.
 * @throws CheckpointError when it is malformed, names a file outside of the model's folder, or one that is not there
 */
export function shardsOf(source: string, text: Uint8Array, all: readonly string[]): string[] {
  const fields: JsonObject = parseJsonObject(`${source}: ${INDEX}`, text);
  const map = fields.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map) || Object.keys(map).length === 0)
    throw new CheckpointError(`${source}: ${INDEX}: expected weight_map to name the file of every tensor`);
  const shards = [...new Set(Object.values(map))];
  for (const shard of shards) {
    if (typeof shard !== "string" || !/^[^/\\]+\.safetensors$/.test(shard))
      throw new CheckpointError(
        `${source}: ${INDEX}: expected names of safetensors files beside it; got ${JSON.stringify(shard)}`,
      );
    if (!all.includes(shard))
      throw new CheckpointError(`${source}: the shard ${shard} of ${INDEX} is not there`);
  }
  return shards as string[];
}
