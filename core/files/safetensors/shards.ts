/**
 * @file Tensors that lie in several safetensors files, the shards, with an index that names the file of each:
 *
 *     { "metadata": { "total_size": 123 }, "weight_map": { "h.0.ln_1.weight": "model-00001-of-00002.safetensors", … } }
 *
 * total_size is not looked at: programs disagree about what counts.
 */

import { exists, readFile } from "#disk";
import { CheckpointError } from "../../errors.ts";
import { parseJsonObject } from "../json.ts";
import { openSafetensors } from "./load.ts";
import type { SafetensorsContent } from "./read.ts";
import type { SafeTensor } from "./tensor.ts";

/** The content of all shards. */
export interface Shards {
  /** The path of the index, for messages. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** The content of each file, by its name. */
  readonly files: ReadonlyMap<string, SafetensorsContent>;
}

/**
 * Opens the shards that an index names. Headers are read now, values when they are asked for.
 * @param index the name of the index
 * @param place returns the path of a file of the folder, by its name
 * @throws CheckpointError when the index is malformed or leads out of the folder, a shard is missing, or one holds other
 *   tensors than the index says
 */
export function openShards(index: string, place: (name: string) => string): Shards {
  const path = place(index);
  const map = readIndex(path);
  const names = [...new Set(map.values())];
  for (const name of names) {
    if (!/^[^/\\\p{Cc}]+\.safetensors$/u.test(name))
      throw new CheckpointError(
        `${path}: expected names of safetensors files in this folder; got ${JSON.stringify(name)}`,
      );
    if (!exists(place(name)))
      throw new CheckpointError(
        `${path}: the shard ${name} is missing: expected all ${names.length} of them`,
      );
  }
  const tensors = new Map<string, SafeTensor>();
  const files = new Map(names.map((name) => [name, openSafetensors(place(name))]));
  for (const [file, content] of files) {
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
  return { path, tensors, files };
}

function readIndex(path: string): Map<string, string> {
  const weights = parseJsonObject(path, readFile(path)).weight_map;
  const isMap = typeof weights === "object" && weights !== null && !Array.isArray(weights);
  if (!isMap || !Object.values(weights).every((file) => typeof file === "string"))
    throw new CheckpointError(`${path}: expected weight_map to name the file of every tensor`);
  return new Map(Object.entries(weights as Record<string, string>));
}
