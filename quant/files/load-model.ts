/** @file loadQuantizedModel: a model from a folder whose linear layers are quantized. */

import { checkOptions, type Random } from "../../core/index.ts";
import { blankModel, fillWeights, isDenseLinear, type PretrainedModel } from "../../nn/index.ts";
import type { ComputeDtype } from "../layer/quantized-matmul.ts";
import { checkQuantizationConfig } from "./quantization-config.ts";
import { loadQuantizedState } from "./quantized-state.ts";

/**
 * Loads the model in a folder of `quantizeCheckpoint`, or one of transformers with bitsandbytes in 4 bits. Layers that are
 * quantized there become QuantizedLinears; no dense weight of theirs is ever in memory. In evaluation mode.
 *
 * @example
 * const adapted = inject(loadQuantizedModel("models/llama-nf4"), { rank: 8, target: "all-linear" });      // QLoRA
 * @param options the type that products are computed in, which files do not store; the generator of dropout's seeds
 * @throws CheckpointError when a file is missing or malformed, the weights are quantized in another way or not at all, or
 *   they are not those of the configuration
 */
export function loadQuantizedModel(
  folder: string,
  options: { readonly computeDtype?: ComputeDtype; readonly rng?: Random } = {},
): PretrainedModel {
  checkOptions("loadQuantizedModel", options, ["computeDtype", "rng"]);
  const { rng, ...compute } = options;
  const { model, tensors, path, fields } = blankModel(folder, ["quantization_config"], rng);
  checkQuantizationConfig(folder, fields);
  const quantized = new Set(
    Array.from(tensors.keys(), (key) => /^(.+)\.weight\.quant_state\./.exec(key)?.[1]),
  );
  const packed = new Set<unknown>();
  for (const [name, module] of model.namedModules())
    if (isDenseLinear(module) && quantized.has(name)) packed.add(module.weight);
  fillWeights(model, packed);
  loadQuantizedState(model, tensors, compute, path);
  return model;
}
