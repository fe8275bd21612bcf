/** @file The two files in an adapter's folder: their names, and what is said when one of them is missing. */

import {
  CheckpointError,
  exists,
  insteadOf,
  openSafetensors,
  openShards,
  pickles,
  type SafeTensor,
} from "../../core/index.ts";

export const CONFIG = "adapter_config.json";
export const WEIGHTS = "adapter_model.safetensors";
/** In place of the weights where they are in shards, as transformers writes large adapters. */
export const INDEX = `${WEIGHTS}.index.json`;

/** @throws CheckpointError when one of the two files is missing: what is there instead, and what to do */
export function checkFiles(folder: string, place: (name: string) => string): void {
  const absent = [CONFIG, WEIGHTS].find((name) => !exists(place(name)));
  if (absent === undefined || (absent === WEIGHTS && exists(place(INDEX)))) return;
  const ofWeights = [
    pickles,
    ", a pickle of PyTorch: load it with PEFT and write it by save_pretrained(folder, safe_serialization=True)",
  ] as const;
  const ofModels = [
    /^(model\.safetensors|config\.json)$/,
    ": it is a model's folder, which loadPretrained reads",
  ] as const;
  const instead = insteadOf(folder, absent === WEIGHTS ? [ofWeights, ofModels] : [ofModels]);
  throw new CheckpointError(`${folder}: no ${absent}${instead}`);
}

/** The tensors of the weights, or of their shards. @throws CheckpointError when a file is malformed */
export function openWeights(place: (name: string) => string): ReadonlyMap<string, SafeTensor> {
  return exists(place(WEIGHTS)) ? openSafetensors(place(WEIGHTS)).tensors : openShards(INDEX, place).tensors;
}
