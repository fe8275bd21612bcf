/**
 * @file Opens the weights of a model folder: one file, or shards with an index. Only headers are read; the values of a
 * tensor are read when it is assigned, so that a model of many gigabytes is never in memory twice.
 */

import {
  CheckpointError,
  exists,
  insteadOf,
  openSafetensors,
  parseJsonObject,
  pickles,
  readFile,
  type SafeTensor,
  type SafetensorsContent,
} from "../../../core/index.ts";

const WEIGHTS = "model.safetensors";
const INDEX = `${WEIGHTS}.index.json`;

/** The tensors of a model folder. */
export interface FolderWeights {
  /** The file or index that lists them, for messages. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** The content of each file, by the name of the file. */
  readonly files: ReadonlyMap<string, SafetensorsContent>;
}

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
  if (exists(place(INDEX))) return shards(place);
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

/** The tensors of all shards, each from the file that the index names for it. */
function shards(place: (name: string) => string): FolderWeights {
  const path = place(INDEX);
  const map = readIndex(path);
  const files = [...new Set(map.values())];
  for (const file of files) {
    if (!/^[^/\\\p{Cc}]+\.safetensors$/u.test(file))
      throw new CheckpointError(
        `${path}: expected names of safetensors files in this folder; got ${JSON.stringify(file)}`,
      );
    if (!exists(place(file)))
      throw new CheckpointError(
        `${path}: the shard ${file} is missing: expected all ${files.length} of them`,
      );
  }
  const tensors = new Map<string, SafeTensor>();
  const opened = new Map(files.map((file) => [file, openSafetensors(place(file))]));
  for (const [file, content] of opened) {
    for (const [name, tensor] of content.tensors) {
      if (map.get(name) !== file)
        throw new CheckpointError(
          `${path}: ${file} holds ${name}, for which the index names ${map.get(name) ?? "no file"}`,
        );
      tensors.set(name, tensor);
    }
  }
  const absent = [...map.keys()].filter((name) => !tensors.has(name));
  if (absent.length > 0)
    throw new CheckpointError(`${path}: ${map.get(absent[0])} does not hold ${absent[0]}, as the index says`);
  return { path, tensors, files: opened };
}

function readIndex(path: string): Map<string, string> {
  const weights = parseJsonObject(path, readFile(path)).weight_map;
  const isMap = typeof weights === "object" && weights !== null && !Array.isArray(weights);
  if (!isMap || !Object.values(weights).every((file) => typeof file === "string"))
    throw new CheckpointError(`${path}: expected weight_map to name the file of every tensor`);
  return new Map(Object.entries(weights as Record<string, string>));
}
