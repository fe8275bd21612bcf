/**
 * @file LoRA on a convolution in loralib's form (its ConvLoRA; Hu et al., 2021, arXiv:2106.09685, and its code). PEFT's
 * form, a convolution and a pointwise one, is what every other method uses (see model/weight-view.ts); the two are not equivalent.
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
import { AdapterError, optionNames, zeros } from "../../core/index.ts";
import { kaimingUniform } from "../../nn/index.ts";
import { Adapter, type AdapterOptions, adapterParameter, commonOptions } from "../model/adapter.ts";
import type { LayerInput, WeightView } from "../model/weight-view.ts";

export type LoraConvOptions = Omit<AdapterOptions, "init" | "loftq">;

/** loralib's ConvLoRA on one convolution: ΔW = (α/r) reshape(B A). */
export class LoraConv extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<LoraConvOptions, "rng">>({
    ...commonOptions,
  });
  readonly method = "lora-conv";
  A: Parameter; // [r k, in k]
  B: Parameter; // [out k, r k]

  /** @throws AdapterError unless the kernel is square, k × k, and the convolution has one group */
  constructor(W0: WeightView, options: LoraConvOptions) {
    super(options);
    const { rank, rng } = options;
    const { kernel, groups } = W0.convolution ?? { kernel: [1, 1], groups: 1 };
    const k = kernel[0];
    if (kernel.length !== 2 || kernel[1] !== k || groups !== 1) {
      throw new AdapterError(
        `lora-conv: expected a convolution with a square kernel and one group; got the kernel ` +
          `[${kernel.join(", ")}], groups ${groups}; use the method lora`,
      );
    }
    const across = W0.in / k; // in k
    this.A = adapterParameter(kaimingUniform(rng, [rank * k, across], across));
    this.B = adapterParameter(zeros([W0.out * k, rank * k]));
  }

  /** ΔW x, the convolution of x with ΔW as its kernel. */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    return W0.down(this.dropped(x), this.deltaWeight(W0));
  }

  /** ΔW = (α/r) reshape(B A)   [out, in k k] */
  override deltaWeight(W0: WeightView): Tensor {
    return matmul(this.B.mul(this.scaling), this.A).reshape(W0.out, W0.in);
  }
}
