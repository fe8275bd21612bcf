/**
 * @file The tensors of adapter_model.safetensors: their names and shapes, for each kind of layer.
 *
 *     linear        lora_A.weight [r, in]                lora_B.weight [out, r]
 *     embedding     lora_embedding_A [r, num]            lora_embedding_B [dim, r]
 *     convolution   lora_A.weight [r, in, k...]          lora_B.weight [out, r, 1...]
 *     DoRA          and lora_magnitude_vector [out], [1, out, 1...] at a convolution
 *     AdaLoRA       lora_A [r, in · k]   (our Q)         lora_B [out, r]   (our P)         lora_E [r, 1]   (our λ)
 *
 * All begin with base_model.model. and the name of the layer.
 */

import { AdapterError, type Shape } from "../../core/index.ts";
import { Conv1d, Conv2d, Embedding, type Module } from "../../nn/index.ts";
import { siteOf } from "../model/weight-view.ts";

export const PREFIX = "base_model.model.";

/** Where a parameter of an adapter stands in the file. */
export interface Slot {
  readonly key: string;
  readonly shape: Shape;
}

/** The slots of one layer's adapter, by the field of the adapter that they fill. @throws AdapterError where PEFT has none */
export function slotsOf(
  method: "lora" | "dora" | "adalora",
  path: string,
  layer: Module,
  rank: number,
): Readonly<Record<string, Slot>> {
  const site = siteOf(layer, path);
  const kernel = layer instanceof Conv1d || layer instanceof Conv2d ? layer.weight.shape.slice(2) : [];
  if ((layer instanceof Conv1d || layer instanceof Conv2d) && (layer.options.groups ?? 1) > 1)
    throw new AdapterError(
      `PEFT format: ${path} is a convolution with groups, whose adapters have another form there`,
    );
  const slot = (end: string, shape: Shape): Slot => ({ key: `${PREFIX}${path}.${end}`, shape });
  const ones = kernel.map(() => 1);
  if (method === "adalora") {
    if (site.kind === "embedding")
      throw new AdapterError(`PEFT format: ${path} is an embedding, for which PEFT has no AdaLoRA`);
    return {
      Q: slot("lora_A", [rank, site.in]),
      P: slot("lora_B", [site.out, rank]),
      lambda: slot("lora_E", [rank, 1]),
    };
  }
  const channels = site.in / kernel.reduce((product, length) => product * length, 1);
  const factors =
    layer instanceof Embedding
      ? {
          A: slot("lora_embedding_A", [rank, site.in]),
          B: slot("lora_embedding_B", [site.out, rank]),
        }
      : {
          A: slot("lora_A.weight", [rank, channels, ...kernel]),
          B: slot("lora_B.weight", [site.out, rank, ...ones]),
        };
  if (method === "lora") return factors;
  const magnitude = kernel.length > 0 ? [1, site.out, ...ones] : [site.out];
  return { ...factors, m: slot("lora_magnitude_vector", magnitude) };
}

/** The layer that a key of an adapter's part names; null for other keys. */
export function layerOfKey(key: string): string | null {
  const part = /^(.+)\.lora_(?:embedding_)?[ABE](?:\.weight)?$|^(.+)\.lora_magnitude_vector$/.exec(key);
  const name = part?.[1] ?? part?.[2];
  return name?.startsWith(PREFIX) ? name.slice(PREFIX.length) : null;
}

/** The key of an adapter's own copy of a parameter. An adapted layer's bias stands below the layer it wraps. */
export function ownKey(name: string, adapted: (layer: string) => boolean): string {
  const layer = name.slice(0, Math.max(0, name.lastIndexOf(".")));
  return adapted(layer) ? baseKey(layer, name.slice(layer.length + 1)) : PREFIX + name;
}

/** The key of a parameter of an adapted layer itself. */
export const baseKey = (layer: string, field: string): string => `${PREFIX}${layer}.base_layer.${field}`;
