/** @file `quantizeModel`: the linear layers of a model quantized in place, and a report of bytes and errors. */

import { QuantizationError, scope } from "../../core/index.ts";
import { type Conv1D, type Linear, type Module, naming, outputHeads } from "../../nn/index.ts";
import { QuantizedLinear, type QuantizedLinearOptions } from "../layer/quantized-linear.ts";
import { checkQuantizeOptions } from "../options.ts";
import { type QuantizationErrorReport, quantizationError } from "../quantization-error.ts";
import { chooseLayers, type LayerName } from "./choose-layers.ts";
import { bytesOf } from "./quantized-layers.ts";

export interface QuantizeModelOptions extends QuantizedLinearOptions {
  /**
   * Linear layers, or modules with linear layers in them, that stay dense.
   * @default outputHeads
   */
  readonly skip?: readonly LayerName[];
}

/** What quantizing one layer did. */
export interface QuantizedLayerReport {
  readonly name: string;
  readonly shape: readonly number[]; // [out, in]
  /** Bytes of the dense weight. */
  readonly bytesBefore: number;
  /** Bytes of its codes and absmax. */
  readonly bytes: number;
  readonly bitsPerParameter: number;
  readonly error: QuantizationErrorReport;
}

/** What `quantizeModel` did. */
export interface QuantizeModelReport {
  readonly layers: readonly QuantizedLayerReport[];
  /** The linear layers that stay dense, each with the reason: named in `skip`, or its weight is another module's too. */
  readonly skipped: readonly { readonly name: string; readonly reason: "skip" | "tied" }[];
  /** Bytes of the whole dense model, embeddings, norms and heads included. */
  readonly bytesBefore: number;
  /** Bytes of the whole quantized model. */
  readonly bytes: number;
  /** The mean over the quantized weights. */
  readonly bitsPerParameter: number;
}

/**
 * Replaces the linear layers of `model` by QuantizedLinears, in place. Embeddings are not linear layers and stay dense;
 * so do the layers in `skip` and layers whose weight is also another module's (a head tied to its embedding). A layer
 * shared by two modules is quantized once, and skipped if one of its names is skipped. Classes that extend Linear or
 * Conv1D and compute something else, or have fields of their own, are refused by name.
 *
 *     quantizeModel(gpt2, { format: "nf4", doubleQuant: true });
 *     const adapted = inject(gpt2, { method: "lora", rank: 8, target: "all-linear" });      // QLoRA
 *
 * @throws ArgumentError if there is no such option; QuantizationError if a weight is not finite, a layer is quantized
 *   already, adapters are on the model, a name in `skip` matches nothing, or nothing is left to quantize. It names the
 *   layer, and the model is then unchanged
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
