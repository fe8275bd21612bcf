/** @file Feed-forward layers: the two-layer MLP, and its gated form SwiGLU (Shazeer, 2020, arXiv:2002.05202). */

import { mul, type Tensor } from "../../autograd/index.ts";
import type { ActivationName } from "../config/config.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import { activation, checkActivation } from "./activation.ts";
import { Linear, type LinearLike, type LinearOptions } from "./linear.ts";

/** The options of `MLP` and `SwiGLU`. */
export interface MLPOptions extends LinearOptions {
  /** f. @default "gelu"; in SwiGLU "silu" */
  readonly activation?: ActivationName;
}

const known = ["activation", "bias", "rng", "std"];

/** The two-layer MLP y = W2 f(W1 x + b1) + b2: x [..., dim], hidden layer [..., hidden], y [..., dim]. */
export class MLP extends Module {
  readonly activation: ActivationName;
  fc1: LinearLike;
  fc2: LinearLike;

  /** @throws ArgumentError as Linear, and on an unknown activation */
  constructor(dim: number, hidden: number, options: MLPOptions = {}) {
    super();
    checkLayer("MLP", options, known);
    const { activation = "gelu", ...rest } = options;
    checkActivation("MLP", activation);
    this.activation = activation;
    this.fc1 = new Linear(dim, hidden, rest);
    this.fc2 = new Linear(hidden, dim, rest);
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(activation(this.activation)(this.fc1.forward(x)));
  }

  override describe(): string {
    return this.activation;
  }
}

/**
 * The gated MLP y = Wdown (f(Wgate x) ∘ Wup x), with f = silu by default and no biases: x [..., dim], hidden layer
 * [..., hidden], y [..., dim].
 */
export class SwiGLU extends Module {
  readonly activation: ActivationName;
  gate_proj: LinearLike;
  up_proj: LinearLike;
  down_proj: LinearLike;

  /** @throws ArgumentError as Linear, and on an unknown activation */
  constructor(dim: number, hidden: number, options: MLPOptions = {}) {
    super();
    checkLayer("SwiGLU", options, known);
    const { activation = "silu", bias = false, ...rest } = options;
    checkActivation("SwiGLU", activation);
    this.activation = activation;
    this.gate_proj = new Linear(dim, hidden, { ...rest, bias });
    this.up_proj = new Linear(dim, hidden, { ...rest, bias });
    this.down_proj = new Linear(hidden, dim, { ...rest, bias });
  }

  forward(x: Tensor): Tensor {
    const gate = activation(this.activation)(this.gate_proj.forward(x)); // [..., hidden]
    return this.down_proj.forward(mul(gate, this.up_proj.forward(x)));
  }

  override describe(): string {
    return this.activation;
  }
}
