/** @file Quantized models back in full precision, and what quantizing has cost them. */

import type { Parameter } from "../../autograd/index.ts";
import { QuantizationError, scope } from "../../core/index.ts";
import { cloneModule, isDenseLinear, isLinearLike, type LinearLike, type Module } from "../../nn/index.ts";
import { denseLayer, QuantizedLinear } from "../layer/quantized-linear.ts";
import { type QuantizationErrorReport, quantizationError } from "../quantization-error.ts";
import { quantizedLayers } from "./quantized-layers.ts";

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
