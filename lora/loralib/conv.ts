/**
 * @file LoRA on a convolution in loralib's form (its ConvLoRA; Hu et al., 2021, arXiv:2106.09685, and its code). PEFT's
 * form, a convolution and a pointwise one, is what every other method uses (see site.ts); the two are not equivalent.
 *
 *     ΔW = (α/r) reshape(B A)      W0 [out, in, k, k]
 *
 *     A [r k, in k]   starts Kaiming-uniform       B [out k, r k]   starts at zero
 *
 * The numbers of B A [out k, in k] are read in row-major order as a kernel [out, in, k, k], k rows for each output
 * channel. As a matrix [out, in k k] it can have any rank, not r: the low rank is that of [out k, in k]. Other
 * layers have k = 1, and then this is LoRA.
 */

import { matmul, type Parameter, type Tensor } from "../../autograd/index.ts";
import { AdapterError, optionNames, type Random, zeros } from "../../core/index.ts";
import { kaimingUniform } from "../../nn/index.ts";
import { Adapter, type AdapterOptions, commonOptions } from "../model/adapter.ts";
import { branchInput, factor } from "../model/low-rank.ts";
import type { LayerInput, Site } from "../model/weight-view.ts";

export type LoraConvOptions = Omit<AdapterOptions, "init" | "loftq">;

export class LoraConv extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<LoraConvOptions, "rng">>({
    ...commonOptions,
  });
  readonly method = "lora-conv";
  A: Parameter;
  B: Parameter;
  readonly dropout: number;
  readonly rng: Random;

  /** @throws AdapterError unless the kernel is square, k × k, and the convolution has one group */
  constructor(site: Site, options: LoraConvOptions) {
    super(options);
    const { rank, rng, dropout = 0 } = options;
    const { kernel, groups } = site.convolution ?? { kernel: [1, 1], groups: 1 };
    const k = kernel[0];
    if (kernel.length !== 2 || kernel[1] !== k || groups !== 1) {
      throw new AdapterError(
        `lora-conv: expected a convolution with a square kernel and one group; got the kernel ` +
          `[${kernel.join(", ")}], groups ${groups}; use the method lora`,
      );
    }
    this.dropout = dropout;
    this.rng = rng.split("dropout");
    const across = site.in / k; // in k
    this.A = factor(kaimingUniform(rng, [rank * k, across], across));
    this.B = factor(zeros([site.out * k, rank * k]));
  }

  /** The convolution of x with ΔW as its kernel. */
  override update(site: Site, x: LayerInput): Tensor {
    return site.down(branchInput(x, this.dropout, this.training, this.rng), this.deltaWeight(site));
  }

  /** ΔW = (α/r) reshape(B A)   [out, in k k] */
  override deltaWeight(site: Site): Tensor {
    return matmul(this.B.mul(this.scaling), this.A).reshape(site.out, site.in);
  }

  override describe(): string {
    return `r ${this.rank}, α ${this.alpha}, scaling ${this.scaling}`;
  }
}
