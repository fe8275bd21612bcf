/** @file Quantized models back in full precision, and what quantizing has cost them. */

import type { Parameter } from "../../autograd/index.ts";
import { QuantizationError, scope } from "../../core/index.ts";
import { cloneModule, isDenseLinear, isLinearLike, type LinearLike, type Module } from "../../nn/index.ts";
import { denseLayer, QuantizedLinear } from "../layer/quantized-linear.ts";
import { type QuantizationErrorReport, quantizationError } from "../quantization-error.ts";
import { quantizedLayers } from "./quantized-layers.ts";

/**
 * Makes a dense copy of `model`, in memory of its own, that computes the same: packed weights become the numbers that
 * they stand for. A quantized layer with adapters becomes a dense layer that holds W + Σ ΔW of the active ones, exactly:
 * this merges without quantizing again.
 *
 *     const dense = dequantizeModel(adapted.model);
 *
 * @param model a plain model, or the model that adapters were put on
 */
export function dequantizeModel<M extends Module>(model: M): M {
  const dense = new Map<Module, Module>();
  return cloneModule(model, (module) => {
    const made = dense.get(module) ?? denseCopy(module);
    dense.set(module, made);
    return made;
  });
}

/** A dense copy of a layer that is quantized, adapted or not; every other module itself. */
function denseCopy(module: Module): Module {
  if (module instanceof QuantizedLinear) return scope(() => module.dense());
  if (!isLinearLike(module) || isDenseLinear(module)) return module;
  const inner = quantizedLayers(module).next().value; // below its adapters
  if (!inner) return module;
  return scope(() => denseLayer(inner[1].kind, module.denseWeight().value, module.bias as Parameter | null));
}

/**
 * Compares each quantized layer of `quantized` with the layer of the same name in `exact`, which holds the weight before
 * it was quantized. After merging an adapter into a quantized base, this is the error of merging:
 *
 *     requantizationError(dequantizeModel(adapted.model), adapted.toPlain())
 *
 * @returns the errors by name of layer
 * @throws QuantizationError if `exact` has no such layer, or one of another shape
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
