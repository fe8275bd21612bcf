/**
 * @file LoRA with a bias of its own, PEFT's lora_bias, for adapters that were extracted from a trained model together with
 * the change of its biases.
 *
 *     h = W0 x + s (B A x + b)           A [r, in]   B [out, r]   b [out], which starts at 0
 *
 * Merging adds s B A to the weight and s b to the layer's own bias; on a layer without one the adapter acts beside its base
 * alone. Such adapters are not combined or compared, which is about ΔW.
 */

import { matmul, type Parameter, type Tensor } from "../../../autograd/index.ts";
import { zeros } from "../../../core/index.ts";
import { methods } from "../../methods.ts";
import { Adapter, type AdapterOptions, adapterParameter } from "../../model/adapter.ts";
import { defineMethod, type PeftForm } from "../../model/method.ts";
import type { LayerInput, WeightView } from "../../model/weight-view.ts";

/** LoRA with a bias on one layer: h = W0 x + s (B A x + b). */
export class LoRABias extends Adapter {
  static override readonly options: readonly string[] = methods.lora.adapter.options;
  readonly method = "lora-bias";
  A: Parameter; // [r, in]
  B: Parameter; // [out, r]
  b: Parameter; // [out]

  constructor(W0: WeightView, options: AdapterOptions) {
    super(options);
    const { A, B, residual } = new methods.lora.adapter(W0, options);
    this.A = A;
    this.B = B;
    this.b = adapterParameter(zeros([W0.out]));
    this.residual = residual;
  }

  /** ΔW x = s B A x   [..., out] */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    return W0.up(W0.down(this.dropped(x), this.A).mul(this.scaling), this.B);
  }

  /** ΔW = s B A   [out, in] */
  override deltaWeight(_W0?: WeightView): Tensor {
    return matmul(this.B, this.A).mul(this.scaling);
  }

  /** Δb = s b   [out] */
  override deltaBias(): Tensor {
    return this.b.mul(this.scaling);
  }

  /** A and s B. */
  override factors(): { A: Tensor; B: Tensor } {
    return { A: this.A, B: this.B.mul(this.scaling) };
  }
}

const { peft } = methods.lora;

/** The method of adapters with lora_bias. */
export const loraBias = defineMethod({
  name: "lora-bias",
  adapter: LoRABias,
  count: { trained: (r, d_in, d_out) => r * (d_in + d_out) + d_out },
  peft: {
    ...(peft as PeftForm),
    loraBias: true,
    onEmbeddings: false,
    tensors: { ...(peft as PeftForm).tensors, b: { key: "lora_B.bias", shape: ({ out }) => [out] } },
  },
});
