/** @file The choice of the linear layers that quantizeModel quantizes. Skipped and tied layers stay dense; others are refused. */

import { QuantizationError } from "../../core/index.ts";
import {
  type Conv1D,
  endsInName,
  isDenseLinear,
  isLinearLike,
  type Linear,
  type Module,
  outputHeads,
  overrides,
} from "../../nn/index.ts";
import { QuantizedLinear } from "../layer/quantized-linear.ts";

/** The dotted name of a module or its last parts, such as "lm_head" or "mlp.c_proj"; or a pattern for the whole name. */
export type LayerName = string | RegExp;

type Named<L extends Module> = readonly [name: string, layer: L];

/**
 * Chooses the layers of `model` to quantize, under all of their names, and lists the linear layers that stay dense.
 * @throws QuantizationError if a layer cannot be quantized, a name in `skip` matches nothing, or no layer is left
 */
export function chooseLayers(model: Module, skip: readonly LayerName[]) {
  const modules = [...model.namedModules()];
  checkSkip(skip, modules);
  const skipping = modules.filter(([name]) => skip.some((pattern) => covers(name, pattern)));
  const skippedModules = new Set(skipping.map(([, module]) => module));
  for (const [name, module] of modules)
    if (!skippedModules.has(module)) checkLayer(name || "the model", module);
  const linear = modules.filter((entry): entry is [string, Linear | Conv1D] => isDenseLinear(entry[1]));
  const tied = tiedParameters(modules);
  const layers: Named<Linear | Conv1D>[] = [];
  const skipped = new Map<Module, { name: string; reason: "skip" | "tied" }>();
  for (const [name, layer] of linear) {
    const reason = skippedModules.has(layer) ? "skip" : tied.has(layer.weight) ? "tied" : null;
    if (reason === null) layers.push([name, layer]);
    else if (!skipped.has(layer)) skipped.set(layer, { name, reason });
  }
  if (layers.length === 0 || layers[0][0] === "") {
    const got = layers.length > 0 ? "a single layer (use QuantizedLinear.from)" : "none that is not skipped";
    throw new QuantizationError(`quantizeModel: expected a model with linear layers in it; got ${got}`);
  }
  return { layers, skipped: [...skipped.values()] };
}

/** @throws QuantizationError if `skip` is no list of names, or one matches no module; `outputHeads` need not match */
function checkSkip(skip: readonly LayerName[], modules: readonly Named<Module>[]): void {
  const isName = (one: unknown): boolean => (typeof one === "string" && one !== "") || one instanceof RegExp;
  if (!Array.isArray(skip) || !skip.every(isName))
    throw new QuantizationError(
      `quantizeModel: expected skip to be a list of names or regular expressions; got ${JSON.stringify(skip)}`,
    );
  if (skip === outputHeads) return;
  const unmatched = skip.find((pattern) => !modules.some(([name]) => matches(name, pattern)));
  if (unmatched !== undefined)
    throw new QuantizationError(`quantizeModel: expected names of modules in skip; none is ${unmatched}`);
}

/** @throws QuantizationError if a module is linear, but not a plain Linear or Conv1D, which codes could replace */
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

/** Methods and fields of a layer that a QuantizedLinear in its place would not have. */
function ownParts(layer: Module): string[] {
  const plain = ["training", "inFeatures", "outFeatures", "weight", "bias"];
  return [...new Set([...overrides(layer), ...Object.keys(layer).filter((name) => !plain.includes(name))])];
}

const matches = (name: string, pattern: LayerName): boolean =>
  typeof pattern === "string"
    ? endsInName(name, pattern)
    : new RegExp(pattern, pattern.flags.replace(/[gy]/g, "")).test(name); // g and y would keep lastIndex between tests

/** True if the pattern matches the module of that name, or a module that contains it. */
const covers = (name: string, pattern: LayerName): boolean => {
  const parts = name.split(".");
  return parts.some((_, i) => matches(parts.slice(0, i + 1).join("."), pattern));
};

/** The weights that two modules or more have as fields. */
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
