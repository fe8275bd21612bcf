/** @file `quantize`: from numbers to a QuantizedTensor. */

import { Tensor } from "../autograd/index.ts";
import { NDArray, QuantizationError, type Shape } from "../core/index.ts";
import { quantizeBlocks } from "./blockwise.ts";
import { codebookFor } from "./codebooks.ts";
import { quantizeAbsmax } from "./double-quantization.ts";
import { type QuantizeOptions, settingsOf } from "./options.ts";
import { QuantizedTensor } from "./quantized-tensor.ts";
import { quantizeRows } from "./rowwise.ts";

/** Numbers in row-major order; a plain list is a tensor of one axis. */
export type Numbers = Tensor | NDArray | ArrayLike<number>;

/**
 * Quantizes numbers to 4 or 8 bits (QLoRA, section 2 and 3), to the codes that bitsandbytes would choose.
 *
 *     const q = quantize(weight, { format: "nf4", doubleQuant: true });
 *     q.bitsPerParameter;      // 4.127 for a large weight
 *     q.dequantize();          // a tensor of the same shape
 *
 * @throws ArgumentError if there is no such option; QuantizationError if an element is NaN or infinite as a float32, an
 *   option does not fit, or `x` is quantized already
 */
export function quantize(x: Numbers, options: QuantizeOptions = {}): QuantizedTensor {
  const { shape, data } = numbersOf("quantize", x);
  const { format, blockSize, doubleQuant } = settingsOf("quantize", options, shape);
  if (typeof doubleQuant !== "boolean")
    throw new QuantizationError(
      `quantize: expected doubleQuant to be true or false; got ${JSON.stringify(doubleQuant)}`,
    );
  const { packed, absmax } =
    format === "int8-rows"
      ? quantizeRows(data, blockSize)
      : quantizeBlocks(codebookFor[format], data, blockSize);
  const stored = doubleQuant ? quantizeAbsmax(absmax) : absmax;
  return new QuantizedTensor({ format, shape, blockSize, packed, absmax: stored });
}

/** The shape of `x` and its numbers as float32s, which are not copied if they are float32s already. */
export function numbersOf(who: string, x: Numbers): { shape: Shape; data: Float32Array } {
  if (x instanceof QuantizedTensor) {
    throw new QuantizationError(
      `${who}: expected numbers; got a tensor quantized to ${x.format} already. dequantize() it first`,
    );
  }
  if (x instanceof Tensor) return numbersOf(who, x.value);
  if (x instanceof NDArray) return { shape: x.shape, data: float32(x.data) };
  if (typeof x?.length !== "number" || typeof x === "string") {
    throw new QuantizationError(`${who}: expected a tensor or a list of numbers; got ${typeof x}`);
  }
  return { shape: [x.length], data: float32(x) };
}

const float32 = (x: ArrayLike<number>): Float32Array =>
  x instanceof Float32Array ? x : Float32Array.from(x);
