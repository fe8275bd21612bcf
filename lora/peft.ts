/**
 * @file Adapters in PEFT's format: a folder with adapter_config.json and adapter_model.safetensors, which PEFT reads and
 * writes for LoRA (rank-stabilised, DoRA, with copies of biases and modules) and AdaLoRA (pruned).
 *
 *     const adapted = loadAdapter(loadPretrained("gpt2"), "my-adapter");
 *     saveAdapter(adapted, "my-adapter-trained-on");
 *
 * Names of the configuration: peft-config.ts. Which modules they mean: peft-modules.ts. Names of tensors: peft-keys.ts.
 */

import { CheckpointError, makeFolder, readFile, writeFileAtomic } from "../core/index.ts";
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
  const config = decode(readFile(`${folder}/${CONFIG}`), `${folder}: ${CONFIG}`);
  const files = { config, weights: readFile(`${folder}/${WEIGHTS}`) };
  return readAdapter(model, files, { ...options, source: folder });
}

/**
 * Writes an adapter into `folder`, which is made if need be; each file whole or not at all. See `writeAdapter`.
 * @throws AdapterError as `writeAdapter`, CheckpointError when a file cannot be written
 */
export function saveAdapter(adapted: AdaptedModel, folder: string, options: WriteOptions = {}): void {
  const { config, weights } = writeAdapter(adapted, options);
  makeFolder(folder);
  writeFileAtomic(`${folder}/${WEIGHTS}`, weights);
  writeFileAtomic(`${folder}/${CONFIG}`, new TextEncoder().encode(config));
}

function decode(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${source}: not UTF-8`, { cause });
  }
}
