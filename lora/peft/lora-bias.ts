/**
 * @file LoRA with a bias of its own, PEFT's lora_bias, for adapters that were extracted from a trained model together with
 * the change of its biases.
 *
 *     h = W0 x + s (B A x + b)           A [r, in]   B [out, r]   b [out], which starts at 0
 *
 * No weight can hold b, and many layers have no bias that could: such an adapter acts beside its base, and is not merged,
 * combined or compared.
 */

import type { Parameter, Tensor } from "../../autograd/index.ts";
import { AdapterError, zeros } from "../../core/index.ts";
import { methods } from "../methods.ts";
import { Adapter, type AdapterOptions, adapterParameter } from "../model/adapter.ts";
import { defineMethod, type PeftForm } from "../model/method.ts";
import type { LayerInput, WeightView } from "../model/weight-view.ts";

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

  /** What the adapter adds to the output: s (B A x + b)   [..., out] */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    const BAx = W0.up(W0.down(this.dropped(x), this.A).mul(this.scaling), this.B); // s B A x
    const perUnit = this.b.reshape(W0.out, ...(W0.convolution?.kernel ?? []).map(() => 1));
    return BAx.add(perUnit.mul(this.scaling));
  }

  /** @throws AdapterError: ΔW = s B A is not all that the adapter adds */
  override deltaWeight(): Tensor {
    throw new AdapterError(
      "lora_bias: the adapter adds a bias to its layers, which no weight can hold; expected one without, to merge, combine " +
        "or compare it; beside its base it acts in full",
    );
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
