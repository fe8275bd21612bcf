/**
 * @file Quantized models in safetensors files: packed weights as packed-state.ts has them, parameters that are not
 * quantized under their names, as in any checkpoint.
 */

import {
  CheckpointError,
  checkOptions,
  loadSafetensors,
  type SafeTensor,
  sameShape,
  saveSafetensors,
  type TensorBytes,
  tensorBytes,
} from "../../core/index.ts";
import {
  Conv1D,
  describeMismatch,
  findMismatch,
  isDenseLinear,
  type Linear,
  type Module,
} from "../../nn/index.ts";
import { type LinearKind, QuantizedLinear } from "../layer/quantized-linear.ts";
import type { ComputeDtype } from "../layer/quantized-matmul.ts";
import { tiedParameters } from "../model/choose-layers.ts";
import { quantizedLayers } from "../model/quantized-layers.ts";
import type { QuantizedTensor } from "../quantized-tensor.ts";
import { packedState, readPacked } from "./packed-state.ts";

/** All entries of a model: packed weights as `packedState` gives them, parameters as F32 under their names. */
export function quantizedState(model: Module): Map<string, TensorBytes> {
  const entries = new Map<string, TensorBytes>();
  for (const [name, { shape, data }] of model.stateDict()) entries.set(name, tensorBytes("F32", shape, data));
  for (const [name, { packed }] of quantizedLayers(model)) {
    const weight = name ? `${name}.weight` : "weight";
    for (const [key, entry] of packedState(packed)) entries.set(key ? `${weight}.${key}` : weight, entry);
  }
  return entries;
}

/**
 * Writes a model with its quantized layers. If it fails, an earlier file of that name is unchanged.
 *
 *     saveQuantized(model, "model.safetensors");
 *     loadQuantized(new GPT2(config), "model.safetensors");
 *
 * @throws CheckpointError if the file cannot be written
 */
export function saveQuantized(model: Module, path: string): void {
  saveSafetensors(path, quantizedState(model));
}

/**
 * Reads a file of `saveQuantized`, or one that bitsandbytes wrote of a model with the same names, into `model`. Layers
 * that are quantized in the file become QuantizedLinears, all other parameters are overwritten. A layer that is quantized
 * in `model` but dense in the file is an error.
 * @param model a new model of the same configuration
 * @param options the type that products are computed in, which files do not store
 * @throws CheckpointError that lists what is missing, unexpected, misshapen, truncated or inconsistent; the model is then
 *   unchanged
 */
export function loadQuantized(
  model: Module,
  path: string,
  options: { readonly computeDtype?: ComputeDtype } = {},
): void {
  loadQuantizedState(model, loadSafetensors(path).tensors, options, path);
}

/**
 * Does the same from tensors in memory.
 * @param source names the file in messages
 * @throws CheckpointError like `loadQuantized`
 */
export function loadQuantizedState(
  model: Module,
  tensors: ReadonlyMap<string, SafeTensor>,
  options: { readonly computeDtype?: ComputeDtype } = {},
  source = "loadQuantized",
): void {
  checkOptions("loadQuantized", options, ["computeDtype"]);
  const { computeDtype } = options;
  const rest = new Map(tensors);
  const modules = new Map(model.namedModules());
  const packed = new Map<string, QuantizedTensor>();
  for (const key of tensors.keys()) {
    const mark = /^(.+)\.weight\.quant_state\.([^.]+)$/.exec(key);
    if (!mark) continue;
    const [, name, type] = mark;
    if (packed.has(name)) throw new CheckpointError(`${source}: ${name} is quantized in two formats`);
    packed.set(name, readPacked(source, `${name}.weight`, type, rest));
  }

  const problems: string[] = [];
  const weights = new Set<unknown>();
  const tied = tiedParameters([...modules]);
  for (const [name, { shape }] of packed) {
    const layer = modules.get(name);
    if (!isLinear(layer)) problems.push(`${name}: expected a linear layer of that name in the model`);
    else if (!sameShape(shape, [layer.outFeatures, layer.inFeatures])) {
      problems.push(
        `${name}: expected [${layer.outFeatures}, ${layer.inFeatures}], got [${shape.join(", ")}]`,
      );
    } else if (!(layer instanceof QuantizedLinear)) {
      if (tied.has(layer.weight))
        problems.push(`${name}: expected it dense, as its weight is another module's too`);
      weights.add(layer.weight);
    }
  }
  for (const [name] of quantizedLayers(model)) {
    if (!packed.has(name))
      problems.push(`${name}: quantized in the model, expected its quant_state in the file`);
  }
  const parameters = Array.from(model.namedParameters()).filter(([, parameter]) => !weights.has(parameter));
  problems.push(...describeMismatch(findMismatch(new Map(parameters), rest)));
  if (problems.length > 0) throw new CheckpointError(`${source}: ${problems.join("; ")}`);
  const values = parameters.map(([name]) => (rest.get(name) as SafeTensor).floats()); // may refuse integers

  const made = Array.from(packed, ([name, tensor]) => {
    const layer = modules.get(name) as Linear | Conv1D | QuantizedLinear;
    const kind: LinearKind =
      layer instanceof QuantizedLinear ? layer.kind : layer instanceof Conv1D ? "conv1d" : "linear";
    const quantized = new QuantizedLinear(tensor, { bias: layer.bias, kind, computeDtype }); // may refuse the option
    quantized.training = layer.training;
    return [name, quantized] as const;
  });

  parameters.forEach(([, parameter], i) => {
    parameter.assign(values[i]);
  });
  for (const [name, quantized] of made) model.replaceModule(name, quantized);
}

const isLinear = (module: Module | undefined): module is Linear | Conv1D | QuantizedLinear =>
  module !== undefined && (isDenseLinear(module) || module instanceof QuantizedLinear);
