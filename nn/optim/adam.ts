/**
 * @file Adam (Kingma & Ba 2015, arXiv:1412.6980) and AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
 *
 *     m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²
 *     w ← w − η λ w − η m̂ / (√v̂ + ε),  m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)
 *
 * In AdamW weight decay λ acts on w directly, not through the moments. In Adam it is L2: λw is added to the gradient g,
 * so that it goes through the moments.
 */

import type { Parameter } from "../../autograd/index.ts";
import { ArgumentError, array, binary, kernel, type NDArray, type Shape } from "../../core/index.ts";
import type { Params } from "./groups.ts";
import { Optimizer, type ParameterState, stateArray } from "./optimizer.ts";
import type { StateLayout } from "./saved-state.ts";

/** The settings of Adam and AdamW. */
export interface AdamSettings {
  /** η. @default 1e-3 */
  lr: number;
  /** β₁ and β₂. @default [0.9, 0.999] */
  betas: readonly [number, number];
  /** ε. With 0, a weight whose gradients were all 0 stays where it is. @default 1e-8 */
  eps: number;
  /** λ. @default 0.01, in Adam 0 */
  weightDecay: number;
  /**
   * AMSGrad (Reddi, Kale & Kumar 2018, arXiv:1904.09237): the largest v so far divides, so that no step grows again.
   * @default false
   */
  amsgrad: boolean;
}

/** AdamW's default settings. */
export const adamDefaults: Readonly<AdamSettings> = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0.01,
  amsgrad: false,
};

/**
 * AdamW: Adam with weight decay that acts on w directly.
 *
 *     const optimizer = new AdamW(model.parameters(), { lr: 3e-4 });
 *     loss.backward();
 *     optimizer.step();
 *     optimizer.zeroGrad();
 */
export class AdamW extends Optimizer<AdamSettings> {
  /** @throws ArgumentError on a negative or unknown setting, betas outside [0, 1), or nothing to train */
  constructor(params: Params<AdamSettings>, settings: Partial<AdamSettings> = {}) {
    super(params, adamDefaults, settings);
    checkBetas(new.target.name, this.groups);
  }

  override get kind(): string {
    return "AdamW";
  }

  protected override get continues(): readonly string[] {
    return ["AdamW", "PagedAdamW"];
  }

  protected override layouts({ shape }: Parameter, settings: AdamSettings): readonly StateLayout[] {
    return [adamLayout(shape, settings)];
  }

  protected override update(
    parameter: Parameter,
    gradient: NDArray,
    settings: AdamSettings,
    state: ParameterState,
  ): void {
    adamStep(parameter, gradient, settings, state);
  }
}

/** Adam. Weight decay is L2, added to the gradient. */
export class Adam extends Optimizer<AdamSettings> {
  /** @throws ArgumentError on a negative or unknown setting, betas outside [0, 1), or nothing to train */
  constructor(params: Params<AdamSettings>, settings: Partial<AdamSettings> = {}) {
    super(params, { ...adamDefaults, weightDecay: 0 }, settings);
    checkBetas(new.target.name, this.groups);
  }

  override get kind(): string {
    return "Adam";
  }

  protected override layouts({ shape }: Parameter, settings: AdamSettings): readonly StateLayout[] {
    return [adamLayout(shape, settings)];
  }

  protected override update(
    parameter: Parameter,
    gradient: NDArray,
    settings: AdamSettings,
    state: ParameterState,
  ): void {
    const { weightDecay } = settings;
    const decayed =
      weightDecay === 0
        ? gradient
        : binary("add", gradient, binary("mul", parameter.value, array(weightDecay, []))); // g + λw
    adamStep(parameter, decayed, { ...settings, weightDecay: 0 }, state);
  }
}

/** The arrays of a parameter's state: m and v, and with AMSGrad the largest v. */
function adamLayout(shape: Shape, { amsgrad }: AdamSettings): StateLayout {
  const moments = { exp_avg: shape, exp_avg_sq: shape };
  return amsgrad ? { ...moments, max_exp_avg_sq: shape } : moments;
}

/** @throws ArgumentError unless the betas of every group are two numbers in [0, 1) */
function checkBetas(who: string, groups: readonly AdamSettings[]): void {
  for (const { betas } of groups) {
    const isPair = Array.isArray(betas) && betas.length === 2;
    if (!isPair || !betas.every((beta) => typeof beta === "number" && beta >= 0 && beta < 1))
      throw new ArgumentError(who, "betas, two numbers in [0, 1)", { betas });
  }
}

/** The step of one parameter, in place: AdamW's, and Adam's where the decay is in the gradient and `weightDecay` is 0. */
function adamStep(
  parameter: Parameter,
  gradient: NDArray,
  settings: AdamSettings,
  state: ParameterState,
): void {
  const { lr, eps, weightDecay, amsgrad } = settings;
  const [beta1, beta2] = settings.betas;
  const m = stateArray(state, "exp_avg", parameter);
  const v = stateArray(state, "exp_avg_sq", parameter);
  const step = {
    lr,
    beta1,
    beta2,
    eps: eps || 1e-30, // far below √v of any gradient but 0: there, and only there, it makes 0/0 a 0
    weightDecay,
    correction1: 1 - beta1 ** state.step,
    correction2: 1 - beta2 ** state.step,
  };
  if (!amsgrad) {
    kernel("adam")(parameter.value, gradient, m, v, step);
    return;
  }
  kernel("adam")(parameter.value, gradient, m, v, { ...step, lr: 0 }); // m and v only
  const largest = stateArray(state, "max_exp_avg_sq", parameter);
  largest.storage.write().set(binary("max", largest, v).data);
  kernel("adam")(parameter.value, gradient, m, largest, { ...step, beta1: 1, beta2: 1 }); // w only
}
