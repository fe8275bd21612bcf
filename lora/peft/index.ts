/**
 * @file Adapters in PEFT's format: a folder with adapter_config.json and adapter_model.safetensors, which PEFT reads and
 * writes for LoRA (rank-stabilized, DoRA, with copies of biases and modules) and AdaLoRA (pruned).
 *
 *     const adapted = loadAdapter(loadPretrained("gpt2"), "my-adapter");
 *     saveAdapter(adapted, "my-adapter-trained-on");
 *
 * An adapter of a method that PEFT does not have is in the same two files in a plain form, which this library alone reads
 * (plain.ts).
 *
 * Reading checks both files in full before the model changes (read.ts). Writing gives the same bytes for an adapter that
 * has not changed since it was read (write.ts). How the files hold each method is in methods.ts; the fields of the
 * configuration and the modules that they mean are in config/, the names and shapes of the tensors in tensors/.
 */

import {
  decodeUtf8,
  exists,
  makeFolder,
  readSaved,
  serializeSafetensors,
  writeFilesAtomic,
} from "../../core/index.ts";
import type { AdaptedModel, AnyModel } from "../model/adapted-model.ts";
import { CONFIG, checkFiles, INDEX, openWeights, WEIGHTS } from "./folder.ts";
import { type ReadOptions, readAdapter } from "./read.ts";
import { type WriteOptions, writeAdapter } from "./write.ts";

export { measureUpdate, type UpdateMeasure } from "./measure.ts";
export { type OpenAdapter, type OpenLayer, openAdapter } from "./open.ts";
export { type AdapterFiles, type ReadOptions, readAdapter } from "./read.ts";
export { type FileFinding, verifyAdapter } from "./verify.ts";
export { type WriteOptions, writeAdapter } from "./write.ts";

/**
 * Puts the adapter in a folder on a model.
 *
 * @param model a plain model, on which the adapter is active then, or an adapted one, to which it is added
 * @param folder the folder that PEFT or `saveAdapter` wrote
 * @param options see `readAdapter`
 * @returns the adapted model
 * @throws CheckpointError when a file is missing or cannot be read, and as `readAdapter`; AdapterError as `readAdapter`.
 *   The model does not change then
 * @example
 * const adapted = loadAdapter(loadPretrained("gpt2"), "my-adapter", { name: "french" });
 * adapted.trainOnly("french");
 */
export function loadAdapter<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  folder: string,
  options: Omit<ReadOptions, "source"> = {},
): AdaptedModel<M> {
  const [config, weights] = readSaved(folder, (file, place) => {
    checkFiles(folder, place);
    return [file(CONFIG), exists(place(WEIGHTS)) ? file(WEIGHTS) : serializeSafetensors(openWeights(place))];
  });
  const files = { config: decodeUtf8(`${folder}: ${CONFIG}`, config), weights };
  return readAdapter(model, files, { ...options, source: folder });
}

/**
 * Writes an adapter into a folder, which is made if it does not exist. After a failure, or when the process is killed, the
 * folder holds both new files or neither.
 *
 * @param options see `writeAdapter`
 * @throws AdapterError as `writeAdapter`; CheckpointError when a file cannot be written
 * @example
 * saveAdapter(adapted, "my-adapter", { fields: { base_model_name_or_path: "gpt2", task_type: "CAUSAL_LM" } });
 */
export function saveAdapter(adapted: AdaptedModel, folder: string, options: WriteOptions = {}): void {
  const { config, weights } = writeAdapter(adapted, options);
  makeFolder(folder);
  writeFilesAtomic(folder, [
    [WEIGHTS, weights],
    [INDEX, null], // of shards that were here before
    [CONFIG, new TextEncoder().encode(config)],
  ]);
}
