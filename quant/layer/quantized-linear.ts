/**
 * @file QuantizedLinear: a frozen linear layer that holds its weight in packed bytes only (QLoRA, section 3).
 *
 *     Y = X dd(c1, c2, W)ᵀ + b         (Eq. 5 without its adapter; dd, doubleDequant, is Eq. 6)
 *
 *     W [out, in]  packed               X [..., in]      Y [..., out]
 *
 * The other half of Eq. 5, + s X L1 L2, is any adapter of lora/ on this layer.
 */

import { add, linear, type Parameter, parameter, type Tensor } from "../../autograd/index.ts";
import { checkOptions, mT, type NDArray, QuantizationError, sameShape, zeros } from "../../core/index.ts";
import { Conv1D, Linear, type LinearLike, Module, overrides } from "../../nn/index.ts";
import { checkQuantizeOptions, type QuantizeOptions } from "../options.ts";
import { quantize } from "../quantize.ts";
import type { QuantizedTensor } from "../quantized-tensor.ts";
import { type ComputeDtype, denseOf, roundingTo, timesTransposed } from "./quantized-matmul.ts";

/** The kind of layer that was quantized, which `dense` gives back. */
export type LinearKind = "linear" | "conv1d";

/** Makes a frozen layer of that kind from W [out, in]. */
export function denseLayer(kind: LinearKind, W: NDArray, bias: Parameter | null): Linear | Conv1D {
  const weight = parameter(kind === "conv1d" ? mT(W) : W);
  weight.requiresGrad = false;
  if (kind === "linear") return Linear.of(weight, bias);
  return Conv1D.of(weight, bias ?? parameter(zeros([W.shape[0]])));
}

export interface QuantizedLinearOptions extends QuantizeOptions {
  /**
   * The type that products are computed in.
   * @default "float32"
   */
  readonly computeDtype?: ComputeDtype;
}

interface Settings {
  /** b [out]. @default null */
  readonly bias?: Parameter | null;
  /** @default "linear" */
  readonly kind?: LinearKind;
  /** @default "float32" */
  readonly computeDtype?: ComputeDtype;
}

/**
 * A frozen linear layer y = x Wᵀ + b that holds W in packed bytes only. W is dequantized for each product and released
 * after it. The bias is a parameter like that of any layer. Made by `quantizeModel`, or from one layer:
 *
 *     const layer = QuantizedLinear.from(new Linear(64, 32), { format: "nf4", doubleQuant: true });
 *     layer.forward(x);       // x [..., 64] → y [..., 32]
 *     layer.packed.bytes;     // what the weight takes
 */
export class QuantizedLinear extends Module implements LinearLike {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** W [out, in], also if the layer was a Conv1D, which stores [in, out] as transformers does. */
  readonly packed: QuantizedTensor;
  /** b [out], or null. */
  bias: Parameter | null;
  readonly kind: LinearKind;
  readonly computeDtype: ComputeDtype;

  /**
   * @param packed W [out, in]; it is kept, not copied
   * @throws QuantizationError unless `packed` is a matrix and the bias has one number a row
   */
  constructor(packed: QuantizedTensor, settings: Settings = {}) {
    super();
    checkOptions("QuantizedLinear", settings, ["bias", "kind", "computeDtype"]);
    const { bias = null, kind = "linear", computeDtype = "float32" } = settings;
    if (packed.shape.length !== 2) {
      throw new QuantizationError(
        `QuantizedLinear: expected a matrix [out, in]; got [${packed.shape.join(", ")}]`,
      );
    }
    if (computeDtype !== "float32" && computeDtype !== "bfloat16") {
      throw new QuantizationError(
        `QuantizedLinear: expected computeDtype to be float32 or bfloat16; got ${JSON.stringify(computeDtype)}`,
      );
    }
    const [outFeatures, inFeatures] = packed.shape;
    if (bias && !sameShape(bias.shape, [outFeatures])) {
      throw new QuantizationError(
        `QuantizedLinear: expected a bias [${outFeatures}]; got [${bias.shape.join(", ")}]`,
      );
    }
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.packed = packed;
    this.bias = bias;
    this.kind = kind;
    this.computeDtype = computeDtype;
  }

  /**
   * Quantizes the weight of `layer`. The new layer shares its bias.
   * @throws ArgumentError if there is no such option; QuantizationError if an element is NaN or infinite, an option does
   *   not fit, or `layer` is quantized already or has adapters on it
   */
  static from(layer: Linear | Conv1D, options: QuantizedLinearOptions = {}): QuantizedLinear {
    checkQuantizeOptions("QuantizedLinear.from", options, ["computeDtype"]);
    const { computeDtype, ...settings } = options;
    if (!(layer instanceof Linear || layer instanceof Conv1D)) {
      const name = (layer as object | null | undefined)?.constructor.name ?? String(layer);
      throw new QuantizationError(
        `QuantizedLinear.from: expected a Linear or a Conv1D; got a ${name}. Dequantize it, or take the plain model ` +
          "of an adapted one (toPlain), first",
      );
    }
    const own = overrides(layer);
    if (own.length > 0) {
      throw new QuantizationError(
        `QuantizedLinear.from: expected a layer that computes x Wᵀ + b and nothing else; got a ` +
          `${layer.constructor.name}, with ${own.join(" and ")} of its own`,
      );
    }
    const kind = layer instanceof Conv1D ? "conv1d" : "linear";
    const packed = quantize(layer.denseWeight(), settings);
    return new QuantizedLinear(packed, { bias: layer.bias, kind, computeDtype });
  }

  /** y = x Wᵀ + b (Eq. 5 without its adapter). */
  forward(x: Tensor): Tensor {
    return this.addBias(this.project(x));
  }

  /** y + b, rounded to the compute type. */
  addBias(y: Tensor): Tensor {
    return this.bias ? this.round(add(y, this.round(this.bias))) : y;
  }

  /** x Mᵀ for a matrix M [n, k], operands and result rounded to the compute type. */
  times(x: Tensor, M: Tensor): Tensor {
    return this.round(linear(this.round(x), this.round(M)));
  }

  /** x rounded to the compute type. */
  round(x: Tensor): Tensor {
    return roundingTo(this.computeDtype)(x);
  }

  /** x Wᵀ, without the bias. */
  project(x: Tensor): Tensor {
    return timesTransposed(x, this);
  }

  /** W [out, in] dequantized: a new temporary at every call, without history. */
  denseWeight(): Tensor {
    return denseOf(this.packed);
  }

  /** The options that W was quantized with. */
  get options(): QuantizeOptions {
    const { format, blockSize, doubleQuant } = this.packed;
    return format === "int8-rows" ? { format } : { format, blockSize, doubleQuant };
  }

  /**
   * Makes a layer like this one that holds `W` [out, in], quantized with the same options.
   * @throws QuantizationError if an element is NaN or infinite
   */
  withWeight(W: NDArray): QuantizedLinear {
    const { bias, kind, computeDtype } = this;
    return new QuantizedLinear(quantize(W, this.options), { bias, kind, computeDtype });
  }

  /**
   * Makes a frozen dense layer of the kind that was quantized.
   * @param W [out, in], which is not rounded
   * @default W: the dequantized weight
   */
  dense(W: NDArray = this.denseWeight().value): Linear | Conv1D {
    return denseLayer(this.kind, W, this.bias);
  }

  override packedWeights(): Iterable<QuantizedTensor> {
    return [this.packed];
  }

  override describe(): string {
    const { packed, inFeatures, outFeatures, computeDtype } = this;
    const { format, blockSize, doubleQuant, bitsPerParameter } = packed;
    const double = doubleQuant ? ", double quantization" : "";
    const compute = computeDtype === "float32" ? "" : `, computes in ${computeDtype}`;
    return `${inFeatures} → ${outFeatures}, ${format} in blocks of ${blockSize}${double}, ${bitsPerParameter.toFixed(3)} bits a weight${compute}`;
  }
}
