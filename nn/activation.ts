/** @file The activations that configurations name. */

import { gelu, geluTanh, relu, silu, type Tensor, tanh } from "../autograd/index.ts";
import type { ActivationName } from "./config.ts";

const functions: { readonly [Name in ActivationName]: (x: Tensor) => Tensor } = {
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  silu,
  tanh,
};

/** The function of that name, elementwise. */
export const activation = (name: ActivationName): ((x: Tensor) => Tensor) => functions[name];
