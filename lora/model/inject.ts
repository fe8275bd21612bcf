/** @file inject: puts adapters on a model. */

import { AdapterError } from "../../core/index.ts";
import { type AdapterConfig, checkConfig } from "../methods.ts";
import { AdaptedLayer } from "./adapted-layer.ts";
import { AdaptedModel, type AnyModel } from "./adapted-model.ts";
import { type OwnParameter, ownCopies, type Place } from "./saved-parameters.ts";

/**
 * Freezes `model`, puts a trainable adapter on each layer that `options.target` means, and activates it. The model
 * computes what it did before, until the adapter is trained.
 *
 *     const adapted = inject(gpt2, { method: "lora", rank: 8, alpha: 16, target: "attn.c_attn" });
 *
 * The adapted layers stand inside `model` itself: `model` and `adapted` compute the same.
 * @param options the method, its options, and where it goes; `name` is what the adapter is called, "default" unless given
 * @throws ArgumentError on an option that the method does not have, AdapterError on anything else that cannot be done;
 *   the model is then unchanged
 */
export function inject<M extends AnyModel>(
  model: M,
  options: AdapterConfig & { readonly name?: string },
): AdaptedModel<M> {
  return injectWith(model, options, ownCopies);
}

/** As `inject`; `copies` makes the adapter's own copies of parameters of the base. */
export function injectWith<M extends AnyModel>(
  model: M,
  options: AdapterConfig & { readonly name?: string },
  copies: (places: readonly Place[]) => OwnParameter[],
): AdaptedModel<M> {
  const { name = "default", ...config } = options ?? {};
  checkConfig("inject", config as AdapterConfig, {});
  for (const [path, module] of model.namedModules()) {
    if (module instanceof AdaptedLayer)
      throw new AdapterError(`inject: ${path} has adapters already; use addAdapter of the adapted model`);
  }
  const adapted = new AdaptedModel(model);
  adapted.addAdapter(name, config as AdapterConfig, copies);
  adapted.activate(name);
  return adapted;
}
