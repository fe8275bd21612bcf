/**
 * @file LoRA: Low-Rank Adaptation of Large Language Models. Hu et al., 2021, arXiv:2106.09685.
 *
 *     h = W0 x + ΔW x = W0 x + (α/r) B A x                                  (Eq. 3, and the α/r of §4.1)
 *
 *     W0 [out, in]  pretrained, frozen
 *     A  [r, in]    starts random          B [out, r]  starts at zero, so that ΔW = 0 (init.ts has other starts)
 *
 * ΔW x costs r (in + out) multiplications; merging adds ΔW to W0 once, and nothing after that.
 */

import { matmul, type Parameter, type Tensor } from "../autograd/index.ts";
import { optionNames, type Random } from "../core/index.ts";
import { firstValues } from "./init/index.ts";
import { Adapter, type AdapterOptions, commonOptions } from "./model/adapter.ts";
import { branchInput, factor } from "./model/low-rank.ts";
import type { LayerInput, Site } from "./model/weight-view.ts";

export class LoRA extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<AdapterOptions, "rng">>({
    ...commonOptions,
    init: true,
    loftq: true,
  });
  readonly method: string = "lora";
  A: Parameter;
  B: Parameter;
  readonly dropout: number;
  readonly rng: Random;

  /** @param zero the factor that starts at zero; see init.ts */
  constructor(site: Site, options: AdapterOptions, zero?: "A" | "B") {
    super(options);
    this.dropout = options.dropout ?? 0;
    this.rng = options.rng.split("dropout");
    const { A, B, remainder } = firstValues(site, { ...options, scaling: this.scaling, zero });
    this.A = factor(A);
    this.B = factor(B);
    this.remainder = remainder;
  }

  /** (α/r) B A x, with the factor on the smallest array. */
  override update(site: Site, x: LayerInput): Tensor {
    const { A, B, scaling } = this; //                                             x [..., in]
    const z = site.down(branchInput(x, this.dropout, this.training, this.rng), A); // [..., r]    A x
    return site.up(z.mul(scaling), B); //                                             [..., out]  (α/r) B A x
  }

  /** ΔW = (α/r) B A   [out, in] */
  override deltaWeight(_site?: Site): Tensor {
    return matmul(this.B, this.A).mul(this.scaling);
  }

  /** A and (α/r) B. */
  override factors(): { A: Tensor; B: Tensor } {
    return { A: this.A, B: this.B.mul(this.scaling) };
  }

  override describe(): string {
    return `r ${this.rank}, α ${this.alpha}, scaling ${this.scaling}`;
  }
}
