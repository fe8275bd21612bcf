/** @file The activation functions, by the names that configurations give them. */

import { gelu, geluTanh, relu, silu, type Tensor, tanh } from "../../autograd/index.ts";
import { ArgumentError } from "../../core/index.ts";
import type { ActivationName } from "../config/config.ts";

const functions: { readonly [Name in ActivationName]: (x: Tensor) => Tensor } = {
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  silu,
  tanh,
};

/** @throws ArgumentError unless there is an activation of that name */
export function checkActivation(who: string, name: string): void {
  if (!Object.hasOwn(functions, name))
    throw new ArgumentError(who, `activation one of ${Object.keys(functions).join(", ")}`, {
      activation: name,
    });
}

/**
 * The activation function of that name, elementwise: `activation("gelu")(x)`.
 * @param name see `ActivationName`
 */
export const activation = (name: ActivationName): ((x: Tensor) => Tensor) => functions[name];
