/** @file An adapter as it is written: what it is on the model, whatever it was made from. */

import { AdapterError } from "../../core/index.ts";
import { listModules, type NamedModule } from "../../nn/index.ts";
import type { AdapterConfig } from "../methods.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import type { Adapter, AdapterOptions } from "../model/adapter.ts";
import type { PeftForm } from "../model/method.ts";
import type { OwnParameter } from "../model/saved-parameters.ts";
import { groupedParts } from "./forms/lora-grouped.ts";
import { formFor, peftMethods } from "./methods.ts";
import { type Origin, originOf } from "./origin.ts";
import { type Masks, masksOf } from "./tensors/masks.ts";

/** What is known of an adapter when it is written. */
export interface AdapterView {
  readonly name: string;
  readonly method: string;
  readonly form: PeftForm;
  /** The adapters of its layers, by the names of the layers. */
  readonly parts: ReadonlyMap<string, Adapter>;
  /** Its own copies of parameters of the base. */
  readonly own: readonly OwnParameter[];
  /** Which triplets are written. */
  readonly masks: Masks;
  /** The configuration that it was made with here. */
  readonly config: AdapterConfig;
  /** The files that it was read from, if it was. */
  readonly origin: Origin | undefined;
  readonly model: AdaptedModel["model"];
  /** All modules of the model. */
  readonly modules: readonly NamedModule[];
  /** All adapted layers of the model, by name. */
  readonly layers: ReadonlyMap<string, AdaptedLayer>;
}

/** @throws AdapterError when there is no such adapter, it is merged, or its method is none that PEFT's files can hold */
export function viewAdapter(adapted: AdaptedModel, name: string): AdapterView {
  const found = adapted.adapter(name);
  if (adapted.merged.includes(name))
    throw new AdapterError(`saveAdapter: ${name} is merged; expected it in its layers; unmerge() first`);
  const methods = new Set(Array.from(found.values(), ({ method }) => method));
  const [first] = methods;
  const its = methods.size === 1 ? formFor(first, adapted.config(name).method) : undefined;
  const isGrouped =
    its === formFor("lora") &&
    [...found.keys()].some((path) => (adapted.layers.get(path)?.W0.convolution?.groups ?? 1) > 1);
  const method = isGrouped ? "lora-grouped" : first;
  const form = isGrouped ? formFor(method) : its;
  if (!form)
    throw new AdapterError(
      `saveAdapter: expected one method of ${peftMethods.join(", ")}; ${name} is ${[...methods].join(" and ")}`,
    );
  const config = adapted.config(name);
  const origin = originOf(config);
  const { triplets } = form;
  const { model, layers } = adapted;
  const isStabilized = (config as Partial<AdapterOptions>).rankStabilized ?? false;
  const parts = isGrouped ? groupedParts(name, found, layers, isStabilized) : found;
  return {
    name,
    method,
    form,
    parts,
    own: adapted.ownParameters(name),
    masks: triplets
      ? masksOf(triplets, parts, origin && { masks: origin.config.masks, alive: origin.alive })
      : null,
    config,
    origin,
    model,
    modules: [...listModules(model)],
    layers,
  };
}
