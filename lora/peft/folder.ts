/** @file The two files in an adapter's folder: their names, and what is said when one of them is missing. */

import { CheckpointError, exists, insteadOf, pickles } from "../../core/index.ts";

export const CONFIG = "adapter_config.json";
export const WEIGHTS = "adapter_model.safetensors";

/** @throws CheckpointError when one of the two files is missing: what is there instead, and what to do */
export function checkFiles(folder: string, place: (name: string) => string): void {
  const absent = [CONFIG, WEIGHTS].find((name) => !exists(place(name)));
  if (absent === undefined) return;
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
