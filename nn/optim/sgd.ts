/** @file Stochastic gradient descent with momentum, as PyTorch defines it. */

import type { Parameter } from "../../autograd/index.ts";
import { ArgumentError, copy, type NDArray } from "../../core/index.ts";
import type { Params } from "./groups.ts";
import { Optimizer, type ParameterState } from "./optimizer.ts";
import type { StateLayout } from "./saved-state.ts";

/** The settings of SGD. */
export interface SGDSettings {
  /** η. It has no default. */
  lr: number;
  /** μ. @default 0 */
  momentum: number;
  /** τ. @default 0 */
  dampening: number;
  /** λ: L2, added to the gradient as λw. @default 0 */
  weightDecay: number;
  /** Nesterov's momentum. @default false */
  nesterov: boolean;
}

/**
 * Stochastic gradient descent with momentum:
 *
 *     g ← g + λw;  b ← μb + (1 − τ)g, b₁ = g;  w ← w − η b  (Nesterov: η (g + μb))
 */
export class SGD extends Optimizer<SGDSettings> {
  /**
   * @throws ArgumentError on a negative or unknown setting, nothing to train, a rate that is left out, or Nesterov's
   *   step without momentum or with dampening
   */
  constructor(params: Params<SGDSettings>, settings: Partial<SGDSettings> & { lr: number }) {
    const defaults = { lr: Number.NaN, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false };
    super(params, defaults, settings);
    for (const { nesterov, momentum, dampening } of this.groups) {
      if (nesterov && (momentum === 0 || dampening !== 0))
        throw new ArgumentError("SGD", "momentum > 0 and dampening 0 for nesterov", { momentum, dampening });
    }
  }

  override get kind(): string {
    return "SGD";
  }

  protected override layouts({ shape }: Parameter, { momentum }: SGDSettings): readonly StateLayout[] {
    return [momentum === 0 ? {} : { momentum_buffer: shape }];
  }

  protected override update(
    parameter: Parameter,
    gradient: NDArray,
    settings: SGDSettings,
    state: ParameterState,
  ): void {
    const { lr, momentum, dampening, weightDecay, nesterov } = settings;
    const w = parameter.value.storage.write();
    const g = Float64Array.from(gradient.data);
    if (weightDecay !== 0) for (let i = 0; i < g.length; i++) g[i] += weightDecay * w[i];
    if (momentum !== 0) {
      if (!state.arrays.momentum_buffer) {
        state.arrays.momentum_buffer = copy(gradient, "optimizer");
        state.arrays.momentum_buffer.storage.write().set(g); // the first step takes the gradient whole, undampened
      } else {
        const b = state.arrays.momentum_buffer.storage.write();
        for (let i = 0; i < g.length; i++) b[i] = momentum * b[i] + (1 - dampening) * g[i];
      }
      const b = state.arrays.momentum_buffer.data;
      for (let i = 0; i < g.length; i++) g[i] = nesterov ? g[i] + momentum * b[i] : b[i];
    }
    for (let i = 0; i < g.length; i++) w[i] -= lr * g[i];
  }
}
