/** @file Whole models: their linear layers quantized in place, dense copies, and what quantizing has cost. */

import type { Parameter } from "../../autograd/index.ts";
import { QuantizationError, scope } from "../../core/index.ts";
import {
  type Conv1D,
  cloneModule,
  endsInName,
  isDenseLinear,
  isLinearLike,
  type Linear,
  type LinearLike,
  type Module,
  naming,
  outputHeads,
  overrides,
} from "../../nn/index.ts";
import { denseLayer, QuantizedLinear, type QuantizedLinearOptions } from "../layer/quantized-linear.ts";
import { checkQuantizeOptions } from "../options.ts";
import { type QuantizationErrorReport, quantizationError } from "../quantization-error.ts";

/** A dotted name or its last parts, such as "lm_head" or "mlp.c_proj"; or a pattern for the whole name. */
export type LayerName = string | RegExp;

export interface QuantizeModelOptions extends QuantizedLinearOptions {
  /** Linear layers, or modules with linear layers in them, to leave as they are: `outputHeads` unless given. */
  readonly skip?: readonly LayerName[];
}

export interface QuantizedLayerReport {
  readonly name: string;
  readonly shape: readonly number[]; // [out, in]
  /** Of the dense weight, and of codes and absmax now. */
  readonly bytesBefore: number;
  readonly bytes: number;
  readonly bitsPerParameter: number;
  readonly error: QuantizationErrorReport;
}

export interface QuantizeModelReport {
  readonly layers: readonly QuantizedLayerReport[];
  /** Linear layers left as they were, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: "skip" | "tied" }[];
  /** Of the whole model, embeddings, norms and heads included. */
  readonly bytesBefore: number;
  readonly bytes: number;
  /** Of the quantized weights together. */
  readonly bitsPerParameter: number;
}

/**
 * Replaces the linear layers of `model` by QuantizedLinears, in place. Embeddings are not linear layers and stay; so do
 * `skip` and layers whose weight is also another module's (a head tied to its embedding). A layer in two places stays
 * one layer, and is skipped when one of its names is. Classes that extend Linear or Conv1D and compute otherwise, or
 * have fields of their own, are refused by name.
 *
 *     quantizeModel(gpt2, { format: "nf4", doubleQuant: true });
 *     const adapted = inject(gpt2, { method: "lora", rank: 8, target: "all-linear" });      // QLoRA
 *
 * @throws ArgumentError on an option that there is not; QuantizationError, the layer named, when a weight is not finite, layers are quantized already, adapters are
 *   on the model, a name in `skip` means nothing or nothing is left to quantize; the model is then unchanged
 */
export function quantizeModel(model: Module, options: QuantizeModelOptions = {}): QuantizeModelReport {
  checkQuantizeOptions("quantizeModel", options, ["computeDtype", "skip"]);
  const { skip = outputHeads, ...settings } = options;
  const { layers, skipped } = chooseLayers(model, skip);
  const before = bytesOf(model);
  const made = new Map<Linear | Conv1D, QuantizedLinear>();
  const reports: QuantizedLayerReport[] = [];
  for (const [name, layer] of layers) {
    if (made.has(layer)) continue;
    const what = `quantizeModel: ${name} [${layer.outFeatures}, ${layer.inFeatures}]`;
    const quantized = naming(what, QuantizationError, () =>
      scope(() => QuantizedLinear.from(layer, settings)),
    );
    quantized.training = layer.training;
    made.set(layer, quantized);
    reports.push(reportOf(name, layer, quantized));
  }
  for (const [name, layer] of layers) model.replaceModule(name, made.get(layer) as QuantizedLinear);
  const weights = reports.reduce((sum, { shape: [out, inner] }) => sum + out * inner, 0);
  const packed = reports.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    layers: reports,
    skipped,
    bytesBefore: before,
    bytes: bytesOf(model),
    bitsPerParameter: (8 * packed) / weights,
  };
}

type Named<L extends Module> = readonly [name: string, layer: L];

function chooseLayers(model: Module, skip: readonly LayerName[]) {
  const modules = [...model.namedModules()];
  checkSkip(skip, modules);
  const skipping = modules.filter(([name]) => skip.some((pattern) => holds(name, pattern)));
  const spared = new Set(skipping.map(([, module]) => module));
  for (const [name, module] of modules) if (!spared.has(module)) checkLayer(name || "the model", module);
  const linear = modules.filter((entry): entry is [string, Linear | Conv1D] => isDenseLinear(entry[1]));
  const shared = tiedParameters(modules);
  const layers: Named<Linear | Conv1D>[] = [];
  const skipped = new Map<Module, { name: string; reason: "skip" | "tied" }>();
  for (const [name, layer] of linear) {
    const reason = spared.has(layer) ? "skip" : shared.has(layer.weight) ? "tied" : null;
    if (reason === null) layers.push([name, layer]);
    else if (!skipped.has(layer)) skipped.set(layer, { name, reason });
  }
  if (layers.length === 0 || layers[0][0] === "") {
    const got = layers.length > 0 ? "a single layer (use QuantizedLinear.from)" : "none that is not skipped";
    throw new QuantizationError(`quantizeModel: expected a model with linear layers in it; got ${got}`);
  }
  return { layers, skipped: [...skipped.values()] };
}

/** @throws QuantizationError unless every pattern is one, and, where they are not `outputHeads`, means a module */
function checkSkip(skip: readonly LayerName[], modules: readonly Named<Module>[]): void {
  const isName = (one: unknown): boolean => (typeof one === "string" && one !== "") || one instanceof RegExp;
  if (!Array.isArray(skip) || !skip.every(isName))
    throw new QuantizationError(
      `quantizeModel: skip: expected a list of names or expressions; got ${JSON.stringify(skip)}`,
    );
  if (skip === outputHeads) return;
  const idle = skip.find((pattern) => !modules.some(([name]) => matches(name, pattern)));
  if (idle !== undefined)
    throw new QuantizationError(`quantizeModel: skip: expected names of modules; none is ${idle}`);
}

/** @throws QuantizationError when a layer is linear but no plain Linear or Conv1D, which codes could take the place of */
function checkLayer(name: string, module: Module): void {
  const refuse = (what: string): never => {
    throw new QuantizationError(`quantizeModel: ${name} is ${what}`);
  };
  if (module instanceof QuantizedLinear)
    refuse(`quantized to ${module.packed.format} already; dequantizeModel() first`);
  if (!isLinearLike(module)) return;
  const its = `a ${module.constructor.name}`;
  if (!isDenseLinear(module)) {
    const wraps = Array.from(module.children(), ([, child]) => child).some(isLinearLike);
    refuse(
      wraps
        ? `${its}, which wraps a linear layer; quantize before adapters are put on, or name it in skip`
        : `${its}, no Linear or Conv1D; name it in skip`,
    );
  }
  const own = ownParts(module);
  if (own.length > 0)
    refuse(`${its}, with ${own.join(" and ")} of its own, which codes cannot say: name it in skip`);
}

/** What a layer has that a QuantizedLinear in its place would not. */
function ownParts(layer: Module): string[] {
  const plain = ["training", "inFeatures", "outFeatures", "weight", "bias"];
  return [...new Set([...overrides(layer), ...Object.keys(layer).filter((name) => !plain.includes(name))])];
}

const matches = (name: string, pattern: LayerName): boolean =>
  typeof pattern === "string"
    ? endsInName(name, pattern)
    : new RegExp(pattern, pattern.flags.replace(/[gy]/g, "")).test(name); // g and y remember a place

/** True when the pattern means the module of that name, or one that it lies in. */
const holds = (name: string, pattern: LayerName): boolean => {
  const parts = name.split(".");
  return parts.some((_, i) => matches(parts.slice(0, i + 1).join("."), pattern));
};

/** Weights that are fields of two modules or more. */
export function tiedParameters(modules: readonly Named<Module>[]): Set<unknown> {
  const holder = new Map<unknown, Module>();
  const tied = new Set<unknown>();
  for (const [, module] of modules) {
    if (!("weight" in module)) continue;
    const first = holder.get(module.weight);
    if (first && first !== module) tied.add(module.weight);
    else holder.set(module.weight, module);
  }
  return tied;
}

function reportOf(name: string, layer: Linear | Conv1D, { packed }: QuantizedLinear): QuantizedLayerReport {
  return {
    name,
    shape: packed.shape,
    bytesBefore: layer.weight.value.storage.bytes,
    bytes: packed.bytes,
    bitsPerParameter: packed.bitsPerParameter,
    error: quantizationError(layer.denseWeight(), packed),
  };
}

/** Bytes of a model's parameters and packed weights, each once. */
export function bytesOf(model: Module): number {
  const storages = new Set(model.storages());
  const packed = new Set(Array.from(quantizedLayers(model), ([, layer]) => layer.packed));
  let bytes = 0;
  for (const held of [...storages, ...packed]) bytes += held.bytes;
  return bytes;
}

/** The quantized layers of a model by name. */
export function* quantizedLayers(model: Module): Generator<[string, QuantizedLinear]> {
  for (const [name, module] of model.namedModules())
    if (module instanceof QuantizedLinear) yield [name, module];
}

/**
 * A dense copy of `model`, in memory of its own, that computes the same: packed weights become the numbers they stand
 * for. Where adapters are on a quantized layer the copy holds W + Σ ΔW of those that act, exactly: merging without
 * quantizing again. Give it the model that adapters were put on (`adapted.model`).
 */
export function dequantizeModel<M extends Module>(model: M): M {
  const dense = new Map<Module, Module>();
  return cloneModule(model, (module) => {
    const made = dense.get(module) ?? denseCopy(module);
    dense.set(module, made);
    return made;
  });
}

/** The module itself where no packed weight is. */
function denseCopy(module: Module): Module {
  if (module instanceof QuantizedLinear) return scope(() => module.dense());
  if (!isLinearLike(module) || isDenseLinear(module)) return module;
  const inner = quantizedLayers(module).next().value; // below what adapts it
  if (!inner) return module;
  return scope(() => denseLayer(inner[1].kind, module.denseWeight().value, module.bias as Parameter | null));
}

/**
 * What storing W in few bits has cost each quantized layer of `quantized`, where `exact` has W in the layer of the same
 * name. After merging an adapter into a quantized base:
 *
 *     requantizationError(dequantizeModel(adapted.model), adapted.toPlain())
 *
 * @throws QuantizationError when `exact` has no such layer, or one of another shape
 */
export function requantizationError(exact: Module, quantized: Module): Map<string, QuantizationErrorReport> {
  const layers = new Map(exact.namedModules());
  return new Map(
    Array.from(quantizedLayers(quantized), ([name, { packed }]) => {
      const layer = layers.get(name);
      if (!layer || !isLinearLike(layer)) {
        throw new QuantizationError(
          `requantizationError: expected a linear layer ${name} in the exact model; there is none`,
        );
      }
      return [name, scope(() => quantizationError((layer as LinearLike).denseWeight(), packed))];
    }),
  );
}
