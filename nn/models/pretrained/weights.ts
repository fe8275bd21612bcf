/**
 * @file Opens the weights of a model folder: one file, or shards with an index. Only headers are read; the values of a
 * tensor are read when it is assigned, so that a model of many gigabytes is never in memory twice.
 */

import {
  CheckpointError,
  exists,
  insteadOf,
  openSafetensors,
  openShards,
  pickles,
  type Shards,
} from "../../../core/index.ts";

const WEIGHTS = "model.safetensors";
const INDEX = `${WEIGHTS}.index.json`;

/** The tensors of a model folder; of a single file as of shards. */
export type FolderWeights = Shards;

/**
 * Opens the weights in `folder`.
 * @param place returns the path of a file of the folder, by its name
 * @throws CheckpointError when there are none in this format, a shard is missing, or one is not what the index says
 */
export function folderWeights(folder: string, place: (name: string) => string): FolderWeights {
  const path = place(WEIGHTS);
  if (exists(path)) {
    const content = openSafetensors(path);
    return { path, tensors: content.tensors, files: new Map([[WEIGHTS, content]]) };
  }
  if (exists(place(INDEX))) return openShards(INDEX, place);
  throw new CheckpointError(`${folder}: no ${WEIGHTS}${insteadOf(folder, advice)}`);
}

/** What to do with other files of weights. */
const advice = [
  [
    pickles,
    ", a pickle of PyTorch: convert it with transformers' save_pretrained(folder, safe_serialization=True)",
  ],
  [
    /\.(h5|msgpack|gguf|onnx|ot|npz)$/,
    ", which is another format: convert it with transformers' from_pretrained and save_pretrained",
  ],
  [/-\d+-of-\d+\.safetensors$/, `, a shard: ${INDEX} is needed beside all shards`],
  [
    /^consolidated.*\.safetensors$/,
    `, which has names of its own: take ${WEIGHTS} of the same model, or its shards`,
  ],
  [/\.safetensors$/, `: a model's file has the name ${WEIGHTS}; rename it if it is the model`],
] as const;
