/** @file A model of a folder's configuration whose weights take no memory: for weights that are not in a plain form. */

import { parameter } from "../../../autograd/index.ts";
import {
  CheckpointError,
  type JsonObject,
  LowrankError,
  type Random,
  type SafeTensor,
  zeros,
} from "../../../core/index.ts";
import { modelConfig } from "../../config/config.ts";
import { defaultRandom, withDeferredWeights } from "../../layers/init.ts";
import { parametersIn } from "../../module/fields.ts";
import type { Module } from "../../module/module.ts";
import { naming } from "../../module/naming.ts";
import type { PretrainedConfig } from "../pretrained/names.ts";
import { openCheckpoint } from "../pretrained/open.ts";
import { Origin } from "../pretrained/origin.ts";
import { expectedParameters } from "../pretrained/parameters.ts";
import { buildModel, type PretrainedModel } from "../pretrained.ts";

/** A folder whose weights are to be put into `model` by whoever knows their form. */
export interface BlankModel {
  /** The model. Its matrices have no values: give them some with `fillWeights`, or replace their layers. */
  readonly model: PretrainedModel;
  /** The tensors of the folder by their names. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** The file of weights, or the index of the shards. */
  readonly path: string;
  /** All fields of config.json. */
  readonly fields: JsonObject;
}

/**
 * Makes the model that config.json describes, in evaluation mode.
 * @param ignored fields of config.json that the caller answers for, such as quantization_config
 * @param rng generator of dropout's seeds
 * @throws CheckpointError when a file is missing or malformed, or config.json asks for something not implemented
 */
export function blankModel(
  folder: string,
  ignored: readonly string[],
  rng: Random = defaultRandom(),
): BlankModel {
  const { fields, tensors, path } = openCheckpoint(folder);
  if (!fields) throw new CheckpointError(`${folder}: no config.json`);
  const own = Object.fromEntries(Object.entries(fields).filter(([name]) => !ignored.includes(name)));
  // Its weight may be in codes, of which there are other numbers.
  const bias = tensors.get("classifier.out_proj.bias") ?? tensors.get("classifier.bias");
  const config = naming(
    `${folder}/config.json`,
    CheckpointError,
    () => modelConfig({ ...own, num_labels: bias?.shape[0] ?? 0 } as never) as PretrainedConfig,
    LowrankError,
  );
  const hasPooler = [...tensors.keys()].some((name) => name.startsWith("pooler."));
  const expected = expectedParameters(config, !hasPooler);
  const model = withDeferredWeights(() => buildModel(config, expected, rng)).eval();
  return { model: Object.assign(model, { origin: new Origin(folder, own) }), tensors, path, fields };
}

/** Gives memory to every parameter that has none, zeros, except to `without`. What is tied stays tied. */
export function fillWeights(model: Module, without: ReadonlySet<unknown> = new Set()): void {
  const made = new Map<unknown, ReturnType<typeof parameter>>();
  for (const [, module] of model.namedModules()) {
    for (const place of [...parametersIn(module)]) {
      const before = place.value;
      if (!before.value.storage.isDeferred || without.has(before)) continue;
      const after = made.get(before) ?? parameter(zeros(before.shape));
      after.requiresGrad = before.requiresGrad;
      made.set(before, after);
      place.put(after);
    }
  }
}
