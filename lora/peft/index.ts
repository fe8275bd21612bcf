/**
 * @file Adapters in PEFT's format: a folder with adapter_config.json and adapter_model.safetensors, which PEFT reads and
 * writes for LoRA (rank-stabilised, DoRA, with copies of biases and modules) and AdaLoRA (pruned).
 *
 *     const adapted = loadAdapter(loadPretrained("gpt2"), "my-adapter");
 *     saveAdapter(adapted, "my-adapter-trained-on");
 *
 * Names of the configuration: peft-config.ts. Which modules they mean: peft-modules.ts. Names of tensors: peft-keys.ts.
 */

import {
  CheckpointError,
  exists,
  listFolder,
  makeFolder,
  readSaved,
  writeFilesAtomic,
} from "../../core/index.ts";
import type { AdaptedModel, AnyModel } from "../model/adapted-model.ts";
import { type ReadOptions, readAdapter } from "./read.ts";
import { type WriteOptions, writeAdapter } from "./write.ts";

export { type AdapterFiles, type ReadOptions, readAdapter } from "./read.ts";
export { type WriteOptions, writeAdapter } from "./write.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

/**
 * Puts the adapter in `folder` on a model; see `readAdapter`.
 * @throws CheckpointError and AdapterError as `readAdapter`, and when a file cannot be read; nothing is changed then
 */
export function loadAdapter<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  folder: string,
  options: Omit<ReadOptions, "source"> = {},
): AdaptedModel<M> {
  const [config, weights] = readSaved(folder, (file, place) => {
    checkFiles(folder, place);
    return [file(CONFIG), file(WEIGHTS)];
  });
  const files = { config: decode(config, `${folder}: ${CONFIG}`), weights };
  return readAdapter(model, files, { ...options, source: folder });
}

/**
 * Writes an adapter into `folder`, which is made if need be; both files or, after a failure or a kill, neither. See `writeAdapter`.
 * @throws AdapterError as `writeAdapter`, CheckpointError when a file cannot be written
 */
export function saveAdapter(adapted: AdaptedModel, folder: string, options: WriteOptions = {}): void {
  const { config, weights } = writeAdapter(adapted, options);
  makeFolder(folder);
  writeFilesAtomic(folder, [
    [WEIGHTS, weights],
    [CONFIG, new TextEncoder().encode(config)],
  ]);
}

/** @throws CheckpointError when one of the two files is missing: what is there instead, and what to do */
function checkFiles(folder: string, place: (name: string) => string): void {
  const absent = [CONFIG, WEIGHTS].find((name) => !exists(place(name)));
  if (absent === undefined) return;
  const files = exists(folder) ? listFolder(folder) : [];
  const pickle = files.find((name) => name.endsWith(".bin"));
  const model = files.find((name) => name === "model.safetensors" || name === "config.json");
  const instead =
    absent === WEIGHTS && pickle !== undefined
      ? `, but ${pickle}, a pickle of PyTorch: load it with PEFT and write it by save_pretrained(folder, safe_serialization=True)`
      : model !== undefined
        ? `, but ${model}: it is a model's folder, which loadPretrained reads`
        : files.length > 0
          ? `; the folder holds ${files.slice(0, 8).join(", ")}`
          : "; there is no such folder, or it is empty";
  throw new CheckpointError(`${folder}: no ${absent}${instead}`);
}

function decode(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${source}: not UTF-8`, { cause });
  }
}
