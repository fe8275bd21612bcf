/**
 * @file Names and shapes of the tensors of adapter_model.safetensors. All names begin with base_model.model.
 *
 *     base_model.model.LAYER.lora_A.weight         an adapter's tensor (see methods.ts)
 *     base_model.model.LAYER.base_layer.bias       a parameter of an adapted layer itself
 *     base_model.model.lm_head.weight              a parameter of any other module
 */

import type { Parameter } from "../../../autograd/index.ts";
import { AdapterError, type Shape } from "../../../core/index.ts";
import { Conv1d, Conv2d, Embedding, type Module } from "../../../nn/index.ts";
import type { Adapter } from "../../model/adapter.ts";
import type { PeftForm } from "../../model/method.ts";
import { viewWeight } from "../../model/weight-view.ts";
import { peftForms } from "../methods.ts";

export const PREFIX = "base_model.model.";

/** Where a parameter of an adapter is in the file. */
export interface Slot {
  readonly key: string;
  readonly shape: Shape;
}

/**
 * The tensors of one layer's adapter, by the name of the adapter's parameter.
 * @param rank of the tensors in the file: without the triplets that were pruned
 * @throws AdapterError when PEFT has no such adapter on a layer of this kind
 */
export function slotsOf(
  { method, form }: { readonly method: string; readonly form: PeftForm },
  path: string,
  layer: Module,
  rank: number,
): Readonly<Record<string, Slot>> {
  const { tensors, onEmbeddings } = form;
  const isEmbedding = layer instanceof Embedding;
  if (isEmbedding && !onEmbeddings)
    throw new AdapterError(
      `PEFT format: ${path} is an embedding, on which PEFT has no adapter of the method ${method}`,
    );
  const sizes = { rank, ...sizesOf(layer, path) };
  checkGroups(form, path, sizes);
  return Object.fromEntries(
    Object.entries(tensors).map(([parameter, { key, embeddingKey = key, shape }]) => [
      parameter,
      { key: `${PREFIX}${path}.${isEmbedding ? embeddingKey : key}`, shape: shape(sizes) },
    ]),
  );
}

/** The parameter of an adapter by its name. @throws AdapterError when its method has none of that name */
export function parameterOf(adapter: Adapter, name: string): Parameter {
  for (const [own, parameter] of adapter.namedParameters()) if (own === name) return parameter;
  throw new AdapterError(`PEFT format: expected a parameter ${name} of ${adapter.method}; there is none`);
}

function sizesOf(layer: Module, path: string) {
  const { out, in: columns } = viewWeight(layer, path);
  if (!(layer instanceof Conv1d || layer instanceof Conv2d))
    return { out, in: columns, channels: columns, kernel: [], groups: 1 };
  const { groups = 1 } = layer.options;
  const [, channels, ...kernel] = layer.weight.shape;
  return { out, in: columns, channels: groups * channels, kernel, groups };
}

/** @throws AdapterError on a convolution with groups, unless the form is the one there and the groups divide the rank */
function checkGroups(form: PeftForm, path: string, { groups, rank }: { groups: number; rank: number }): void {
  if (groups === 1) return;
  if (!form.onGroups)
    throw new AdapterError(
      `PEFT format: ${path} is a convolution with groups, where PEFT has plain LoRA alone, in another form (A sees all ` +
        "channels, B is grouped), which is read, and which other adapters cannot be written in; expected target_modules without it",
    );
  if (rank % groups !== 0)
    throw new AdapterError(
      `PEFT format: ${path} is a convolution with ${groups} groups, which divide the rank in PEFT; got rank ${rank}`,
    );
}

/** What follows a layer's name in the keys of adapters' tensors. */
const ends = peftForms
  .flatMap(({ tensors }) => Object.values(tensors))
  .flatMap(({ key, embeddingKey = key }) => [`.${key}`, `.${embeddingKey}`]);

/** The layer that the key of an adapter's tensor names; null for other keys. */
export function layerOfKey(key: string): string | null {
  const end = ends.find((one) => key.endsWith(one));
  return (end && key.startsWith(PREFIX) && key.slice(PREFIX.length, -end.length)) || null;
}

/** The key of an adapter's own copy of a parameter. An adapted layer's bias is below the layer that it wraps. */
export function ownKey(name: string, isAdapted: (layer: string) => boolean): string {
  const layer = name.slice(0, Math.max(0, name.lastIndexOf(".")));
  return isAdapted(layer) ? baseKey(layer, name.slice(layer.length + 1)) : PREFIX + name;
}

/** The key of a parameter of an adapted layer itself. */
export const baseKey = (layer: string, field: string): string => `${PREFIX}${layer}.base_layer.${field}`;
