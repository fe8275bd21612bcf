/** @file openCheckpoint: the configuration and the tensors of a model's folder, of any architecture, without a model. */

import { exists, type JsonObject, parseJsonObject, readSaved, type SafeTensor } from "../../../core/index.ts";
import { folderWeights } from "./weights.ts";

/** A model's folder, opened. */
export interface OpenCheckpoint {
  /** The fields of config.json; null when the folder has none. */
  readonly fields: JsonObject | null;
  /** The file of weights, or the index of the shards. */
  readonly path: string;
  /** The tensors by their names in the files. Their values are read when they are asked for. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

/**
 * Opens the checkpoint in a folder. Only config.json and the headers of the weights are read; the architecture may be one
 * that `loadPretrained` does not have.
 *
 * @example
 * for (const { name, shape, dtype } of openCheckpoint("models/gpt2").tensors.values()) console.log(name, dtype, shape);
 * @throws CheckpointError when the weights are missing or malformed, or config.json is no JSON
 */
export function openCheckpoint(folder: string): OpenCheckpoint {
  return readSaved(folder, (file, place) => {
    const fields = exists(place("config.json"))
      ? parseJsonObject(`${folder}/config.json`, file("config.json"))
      : null;
    return { fields, ...folderWeights(folder, place) };
  });
}
