/**
 * @file DoRA: Weight-Decomposed Low-Rank Adaptation. Liu et al., 2024, arXiv:2402.09353.
 *
 *     W' = m V'/‖V'‖_c      V' = W0 + (α/r) B A                             (Eq. 5)
 *
 *     W0 [out, in]  pretrained, frozen       m [out]    magnitude, starts at ‖V'‖_c, which is ‖W0‖_c while B A = 0
 *     B  [out, r]   starts at zero           A [r, in]  starts Kaiming-uniform
 *
 * With g = m/‖V'‖_c [out], W' x = g ∘ (W0 x + (α/r) B A x): W' itself is never formed. For gradients ‖V'‖_c is a
 * constant (§4.3), so that V̄' = g ∘ W̄' (Eq. 11); `normGradient` gives the full gradient (Eq. 6) and keeps V' for it.
 *
 * Departures from the text, as in the authors' released code:
 * - ‖·‖_c is one norm per output unit, a row of our [out, in] layout; the text says columns of W [d, k].
 * - V' carries LoRA's factor α/r, which Eq. 5 leaves out.
 * - Dropout acts on x in both terms of the change: y = W0 x + (g − 1) W0 x̃ + g (α/r) B A x̃.
 *
 * Where ‖V'‖ is 0, g is 1: the row of W' is zero whatever g is, and with g = 1, unlike 0, B can still learn.
 */

import { matmul, type Parameter, type Tensor, where } from "../autograd/index.ts";
import { type NDArray, ones, optionNames } from "../core/index.ts";
import { isInitializing } from "../nn/index.ts";
import { initialize } from "./init/index.ts";
import { Adapter, type AdapterOptions, adapterParameter, commonOptions } from "./model/adapter.ts";
import { updatedRowNorms } from "./model/row-norms.ts";
import { type LayerInput, viewWeight, type WeightView } from "./model/weight-view.ts";

export interface DoRAOptions extends AdapterOptions {
  /**
   * Let gradients pass through ‖V'‖_c too (Eq. 6). By default it counts as a constant (§4.3).
   * @default false
   */
  readonly normGradient?: boolean;
}

/** DoRA on one layer: h = W' x + b, with W' = m V'/‖V'‖_c. The magnitude m, A and B are trained. */
export class DoRA extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<DoRAOptions, "rng">>({
    ...commonOptions,
    init: true,
    loftq: true,
    normGradient: true,
  });
  readonly method = "dora";
  A: Parameter; // [r, in]
  B: Parameter; // [out, r]
  m: Parameter; // [out]
  readonly normGradient: boolean;

  constructor(W0: WeightView, options: DoRAOptions) {
    super(options);
    this.normGradient = options.normGradient ?? false;
    const { A, B, residual } = initialize(W0, { ...options, scaling: this.scaling });
    this.A = adapterParameter(A);
    this.B = adapterParameter(B);
    this.residual = residual;
    const start = residual ? viewWeight(W0.withWeight(residual)) : W0;
    const norms = (): NDArray => updatedRowNorms(start, this).value; // m = ‖V'‖, so that g = 1 to the last bit
    this.m = adapterParameter(isInitializing() ? norms() : ones([W0.out]));
  }

  /** ΔW x = W' x − W0 x, with W' x = g ∘ V' x   (Eq. 5) */
  override delta(W0: WeightView, x: LayerInput, W0x: Tensor): Tensor {
    const dropped = this.dropped(x); // x̃                                           [..., in]
    const base = dropped === x ? W0x : W0.project(dropped); // W0 x̃                 [..., out]
    const BAx = W0.up(W0.down(dropped, this.A).mul(this.scaling), this.B); // (α/r) B A x̃   [..., out]
    const Wx = W0.scaleOutput(base.add(BAx), this.gain(W0)); // W' x̃ = g ∘ V' x̃     [..., out]
    return Wx.sub(base);
  }

  /** ΔW = W' − W0 = g ∘ V' − W0   [out, in] */
  override deltaWeight(W0: WeightView): Tensor {
    return this.direction(W0).mul(this.gain(W0).reshape(W0.out, 1)).sub(W0.weight());
  }

  /** V' = W0 + (α/r) B A   [out, in] */
  direction(W0: WeightView): Tensor {
    return W0.weight().add(matmul(this.B.mul(this.scaling), this.A));
  }

  /** g = m/‖V'‖_c, and 1 where ‖V'‖_c is 0   [out] */
  gain(W0: WeightView): Tensor {
    const c = this.normGradient ? this.direction(W0).norm(1) : updatedRowNorms(W0, this);
    const empty = c.eq(0);
    return where(empty, 1, this.m.div(where(empty, 1, c)));
  }
}
