/**
 * @file Adapters in PEFT's format: a folder with adapter_config.json and adapter_model.safetensors, which PEFT reads and
 * writes for LoRA (rank-stabilised, DoRA, with copies of biases and modules) and AdaLoRA (pruned).
 *
 *     const adapted = loadAdapter(loadPretrained("gpt2"), "my-adapter");
 *     saveAdapter(adapted, "my-adapter-trained-on");
 *
 * Names of the configuration: peft-config.ts. Which modules they mean: peft-modules.ts. Names of tensors: peft-keys.ts.
 */

import { CheckpointError, makeFolder, readSaved, writeFilesAtomic } from "../core/index.ts";
import type { AdaptedModel, AnyModel } from "./adapted-model.ts";
import { type ReadOptions, readAdapter } from "./peft-read.ts";
import { type WriteOptions, writeAdapter } from "./peft-write.ts";

export { type AdapterFiles, type ReadOptions, readAdapter } from "./peft-read.ts";
export { type WriteOptions, writeAdapter } from "./peft-write.ts";

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
  const [config, weights] = readSaved(folder, (file) => [file(CONFIG), file(WEIGHTS)]);
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

function decode(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${source}: not UTF-8`, { cause });
  }
}
