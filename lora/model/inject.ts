/** @file inject: puts adapters on a model. */

import { AdapterError } from "../../core/index.ts";
import { Module } from "../../nn/index.ts";
import type { AdapterConfig } from "../methods.ts";
import { AdaptedLayer } from "./adapted-layer.ts";
import { AdaptedModel, type AnyModel } from "./adapted-model.ts";
import { checkConfig } from "./check-config.ts";
import type { ConfigOf, MethodDefinition } from "./method.ts";
import { type OwnParameter, ownCopies, type Place } from "./saved-parameters.ts";

/**
 * Freezes `model`, puts a trainable adapter on each layer that the target means, and activates it. The model computes
 * what it did before, until the adapter is trained. The adapted layers stand inside `model` itself: `model` and the
 * result compute the same.
 *
 * @example
 *     const adapted = inject(gpt2, { method: "dora", rank: 8, alpha: 16, target: "attn.c_attn" });
 *     const optimizer = new AdamW(adapted.parameters().filter((p) => p.requiresGrad), { lr: 1e-3 });
 *
 * @param options the method ("lora" by default), its options, and where it goes; `name` is the adapter's ("default")
 * @throws ArgumentError on an option that the method does not have, AdapterError on anything else that cannot be done;
 *   the model is then unchanged
 */
export function inject<M extends AnyModel>(
  model: M,
  options: AdapterConfig & { readonly name?: string },
): AdaptedModel<M>;
/** The same for a method that is given as a value of `defineMethod`. */
export function inject<M extends AnyModel, D extends MethodDefinition>(
  model: M,
  options: ConfigOf<D> & { readonly name?: string },
): AdaptedModel<M>;
export function inject<M extends AnyModel>(model: M, options: object): AdaptedModel<M> {
  return injectWith(model, options as AdapterConfig & { readonly name?: string }, ownCopies);
}

/** The same as `inject`; `copies` makes the adapter's own copies of parameters of the base. */
export function injectWith<M extends AnyModel>(
  model: M,
  options: AdapterConfig & { readonly name?: string },
  copies: (places: readonly Place[]) => OwnParameter[],
): AdaptedModel<M> {
  if (!(model instanceof Module))
    throw new AdapterError(`inject: expected a model, a Module with a forward; got ${model}`);
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
