/**
 * @file LoRA: Low-Rank Adaptation of Large Language Models. Hu et al., 2021, arXiv:2106.09685.
 *
 *     h = W0 x + ΔW x = W0 x + (α/r) B A x                                  (Eq. 3, and the α/r of §4.1)
 *
 *     W0 [out, in]  pretrained, frozen
 *     A  [r, in]    starts random          B [out, r]  starts at zero, so that ΔW = 0 (init/ has other starts)
 *
 * ΔW x costs r (in + out) multiplications; merging adds ΔW to W0 once, and nothing after that.
 */

import { matmul, type Parameter, type Tensor } from "../autograd/index.ts";
import { optionNames } from "../core/index.ts";
import { initialize } from "./init/index.ts";
import { Adapter, type AdapterOptions, adapterParameter, commonOptions } from "./model/adapter.ts";
import type { LayerInput, WeightView } from "./model/weight-view.ts";

/** LoRA on one layer: h = W0 x + (α/r) B A x + b, with W0 frozen and only A and B trained. */
export class LoRA extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<AdapterOptions, "rng">>({
    ...commonOptions,
    init: true,
    loftq: true,
  });
  readonly method = "lora";
  A: Parameter; // [r, in]
  B: Parameter; // [out, r]

  constructor(W0: WeightView, options: AdapterOptions) {
    super(options);
    const { A, B, residual } = initialize(W0, { ...options, scaling: this.scaling });
    this.A = adapterParameter(A);
    this.B = adapterParameter(B);
    this.residual = residual;
  }

  /** ΔW x = (α/r) B A x, with the factor on the smallest array, so that h = W0 x + ΔW x   (Eq. 3) */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    const z = W0.down(this.dropped(x), this.A); // A x            [..., r]
    return W0.up(z.mul(this.scaling), this.B); //  (α/r) B A x    [..., out]
  }

  /** ΔW = (α/r) B A   [out, in] */
  override deltaWeight(_W0?: WeightView): Tensor {
    return matmul(this.B, this.A).mul(this.scaling);
  }

  /** A and (α/r) B. */
  override factors(): { A: Tensor; B: Tensor } {
    return { A: this.A, B: this.B.mul(this.scaling) };
  }
}
