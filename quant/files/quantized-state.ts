/**
 * @file Quantized models in safetensors files: packed weights as packed-state.ts has them, parameters that are not
 * quantized under their names, as in any checkpoint.
 */

import type { Parameter } from "../../autograd/index.ts";
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
  const rest = new Map(tensors);
  const packed = readAllPacked(source, rest);
  const modules = new Map(model.namedModules());
  const parameters = parametersBeside(packed, modules, model);
  const problems = [
    ...problemsOf(packed, modules, model),
    ...describeMismatch(findMismatch(new Map(parameters), rest)),
  ];
  if (problems.length > 0) throw new CheckpointError(`${source}: ${problems.join("; ")}`);

  // Both of these may throw, before the model is changed: on integers, and on the option.
  const values = parameters.map(([name]) => (rest.get(name) as SafeTensor).floats());
  const layers = Array.from(packed, ([name, tensor]) => {
    const layer = modules.get(name) as AnyLinear;
    const quantized = new QuantizedLinear(tensor, { ...options, bias: layer.bias, kind: kindOf(layer) });
    quantized.training = layer.training;
    return [name, quantized] as const;
  });
  parameters.forEach(([, parameter], i) => {
    parameter.assign(values[i]);
  });
  for (const [name, quantized] of layers) model.replaceModule(name, quantized);
}

/** A layer in whose place a packed weight may be loaded. */
type AnyLinear = Linear | Conv1D | QuantizedLinear;

/** Reads the packed weight of each layer, by the layer's name, and removes its entries from `tensors`. */
function readAllPacked(source: string, tensors: Map<string, SafeTensor>): Map<string, QuantizedTensor> {
  const packed = new Map<string, QuantizedTensor>();
  for (const key of [...tensors.keys()]) {
    const mark = /^(.+)\.weight\.quant_state\.([^.]+)$/.exec(key);
    if (!mark) continue;
    const [, name, type] = mark;
    if (packed.has(name)) throw new CheckpointError(`${source}: ${name} is quantized in two formats`);
    packed.set(name, readPacked(source, `${name}.weight`, type, tensors));
  }
  return packed;
}

/** The parameters that the file must have: all but the dense weights that packed ones replace. */
function parametersBeside(
  packed: ReadonlyMap<string, QuantizedTensor>,
  modules: ReadonlyMap<string, Module>,
  model: Module,
): [string, Parameter][] {
  const replaced = new Set<unknown>();
  for (const name of packed.keys()) {
    const layer = modules.get(name);
    if (isLinear(layer) && !(layer instanceof QuantizedLinear)) replaced.add(layer.weight);
  }
  return Array.from(model.namedParameters()).filter(([, parameter]) => !replaced.has(parameter));
}

/** What is wrong with the packed weights of a file, for this model. */
function problemsOf(
  packed: ReadonlyMap<string, QuantizedTensor>,
  modules: ReadonlyMap<string, Module>,
  model: Module,
): string[] {
  const tied = tiedParameters([...modules]);
  const problems = Array.from(packed, ([name, { shape }]) => {
    const layer = modules.get(name);
    if (!isLinear(layer)) return `${name}: expected a linear layer of that name in the model`;
    const { outFeatures, inFeatures } = layer;
    if (!sameShape(shape, [outFeatures, inFeatures]))
      return `${name}: expected [${outFeatures}, ${inFeatures}], got [${shape.join(", ")}]`;
    if (!(layer instanceof QuantizedLinear) && tied.has(layer.weight))
      return `${name}: expected it dense, because its weight is another module's, too`;
    return null;
  });
  const dense = Array.from(quantizedLayers(model), ([name]) => name).filter((name) => !packed.has(name));
  return [
    ...problems.filter((problem) => problem !== null),
    ...dense.map((name) => `${name}: quantized in the model, expected its quant_state in the file`),
  ];
}

const kindOf = (layer: AnyLinear): LinearKind => {
  if (layer instanceof QuantizedLinear) return layer.kind;
  return layer instanceof Conv1D ? "conv1d" : "linear";
};

const isLinear = (module: Module | undefined): module is AnyLinear =>
  module !== undefined && (isDenseLinear(module) || module instanceof QuantizedLinear);
