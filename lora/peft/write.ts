/** @file writeAdapter: from an adapter on a model to PEFT's files. */

import {
  AdapterError,
  checkOptions,
  type Shape,
  serializeSafetensors,
  tensorBytes,
} from "../../core/index.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import { elsewhere } from "../model/elsewhere.ts";
import { placesIn } from "../model/saved-parameters.ts";
import { type AdapterView, viewAdapter } from "./adapter-view.ts";
import type { Fields } from "./config/fields.ts";
import { configText } from "./config/write.ts";
import { formFor } from "./methods.ts";
import { writePlain } from "./plain.ts";
import type { AdapterFiles } from "./read.ts";
import { bareLayer } from "./tensors/content.ts";
import { ownKey, parameterOf, slotsOf } from "./tensors/keys.ts";
import { shortened } from "./tensors/masks.ts";
import { rowsOf } from "./tensors/tokens.ts";

export interface WriteOptions {
  /**
   * The name of the adapter to write.
   * @default "default"
   */
  readonly name?: string;
  /**
   * Fields of adapter_config.json that do not follow from the adapter: base_model_name_or_path, task_type, total_step, ...
   * @default those of the file that it was read from, else PEFT's
   */
  readonly fields?: Fields;
  /**
   * The format of the numbers. "F32" keeps every bit.
   * @default "F32"
   */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/**
 * Writes an adapter as PEFT's files. One that was read from such files and has not changed since gives the same bytes, and
 * all fields that came with it are kept. DoRA's `normGradient`, LoRA-FA's frozen A and AdaLoRA's masked triplets have no
 * place in the files and are lost.
 *
 * A method that PEFT does not have, such as one of your own, is written in a plain form; see plain.ts.
 *
 * @returns the text of the configuration and the bytes of the weights
 * @throws AdapterError when there is no such adapter, it is merged, or PEFT's format cannot express it
 */
export function writeAdapter(adapted: AdaptedModel, options: WriteOptions = {}): AdapterFiles {
  checkOptions("writeAdapter", options, ["name", "fields", "dtype"], { ...elsewhere, torch_dtype: "dtype" });
  const { name = "default", fields = {}, dtype = "F32" } = options;
  if (isOfPlainForm(adapted, name)) {
    if (Object.keys(fields).length > 0)
      throw new AdapterError(`saveAdapter: fields: the plain form of ${name} has none of PEFT's`);
    return writePlain(adapted, { name, dtype });
  }
  const view = viewAdapter(adapted, name);
  const config = configText(view, fields);
  const entries = [
    ...adapterEntries(view),
    ...copyEntries(view),
    ...repeatedEntries(view),
    ...echoEntries(view),
  ];
  const tensors = entries.map(({ key, shape, values }) => [key, tensorBytes(dtype, shape, values)] as const);
  return { config, weights: serializeSafetensors(tensors) };
}

/** True when all its parts are of one method, which PEFT's files cannot hold. */
function isOfPlainForm(adapted: AdaptedModel, name: string): boolean {
  const [method, ...others] = new Set(Array.from(adapted.adapter(name).values(), ({ method }) => method));
  return others.length === 0 && !formFor(method, adapted.config(name).method);
}

/** One tensor of the file. */
interface Entry {
  readonly key: string;
  readonly shape: Shape;
  readonly values: ArrayLike<number>;
}

/** The parameters of the adapters of all layers, without pruned triplets. */
function adapterEntries({ method, form, parts, masks, layers }: AdapterView): Entry[] {
  return [...parts].flatMap(([path, part]) => {
    const mask = masks?.get(path);
    const rank = mask ? mask.filter(Boolean).length : part.rank;
    const slots = slotsOf({ method, form }, path, bareLayer(layers.get(path) as AdaptedLayer), rank);
    return Object.entries(slots).map(([name, { key, shape }]): Entry => {
      const parameter = parameterOf(part, name);
      const axis = form.triplets?.axes[name];
      const isMasked = mask !== undefined && axis !== undefined;
      return { key, shape, values: isMasked ? shortened(parameter, axis, mask) : parameter.value.data };
    });
  });
}

/** The adapter's own copies of parameters of the base. */
function copyEntries({ own, parts, origin }: AdapterView): Entry[] {
  const entries = own.map(({ name, copy: { shape, value } }): Entry => {
    const found = origin?.rows.get(name);
    if (!found) return { key: ownKey(name, (layer) => parts.has(layer)), shape, values: value.data };
    const { key, rows } = found;
    return { key, shape: [rows.length, shape[1]], values: rowsOf(value.data, rows, shape[1]) };
  });
  return [...new Map(entries.map((entry) => [entry.key, entry])).values()]; // what is tied has its rows once
}

/** The parameters of the base that the file repeated. */
function repeatedEntries({ modules, parts, origin }: AdapterView): Entry[] {
  const wanted = new Set(origin?.repeated);
  const places = wanted.size > 0 ? modules.flatMap((module) => [...placesIn(module)]) : [];
  return places
    .map(({ name, original: { shape, value } }) => ({
      key: ownKey(name, (layer) => parts.has(layer)),
      shape,
      values: value.data,
    }))
    .filter(({ key }) => wanted.has(key));
}

/** The biases of saved modules under the other keys where the file had them. */
function echoEntries({ own, origin }: AdapterView): Entry[] {
  return (origin?.echoes ?? []).map(({ key, place, of }) => {
    const { copy, original } = own.find(({ name }) => name === place.name) ?? {};
    const { shape, value } = (of === null ? original : copy) ?? place.original;
    return { key, shape, values: value.data };
  });
}
