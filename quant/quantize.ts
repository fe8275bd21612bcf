/** @file `quantize`: from numbers to a QuantizedTensor. */

import { Tensor } from "../autograd/index.ts";
import { NDArray, QuantizationError, type Shape } from "../core/index.ts";
import { quantizeBlocks } from "./blockwise.ts";
import { quantizeAbsmax } from "./double.ts";
import { bookOf, checkFormat, type Format, QuantizedTensor, rowLength } from "./quantized-tensor.ts";
import { quantizeRows } from "./rows.ts";

export interface QuantizeOptions {
  readonly format?: Format;
  /**
   * Elements that share a constant: a power of two from 32 to 4096. The blocks of `int8-rows` are its rows.
   */
  readonly blockSize?: number;
  /** Quantizes the constants as well. */
  readonly doubleQuant?: boolean;
}

/** Numbers in row-major order; a plain list is a tensor of one axis. */
export type Numbers = Tensor | NDArray | ArrayLike<number>;

/**
 * Quantizes to 4 or 8 bits (QLoRA, section 2 and 3), with the codes that bitsandbytes would choose.
 * @throws QuantizationError when an element is NaN or infinite as a float32, an option does not fit, or `x`
 * is
 *   quantized already; nothing is changed
 */
export function quantize(x: Numbers, options: QuantizeOptions = {}): QuantizedTensor {
  const { shape, data } = numbersOf("quantize", x);
  const { format = "nf4", doubleQuant = false } = options;
  const { blockSize = format === "int8-rows" ? rowLength(shape) : 64 } = options;
  checkFormat(format, blockSize, shape);
  const { packed, absmax } =
    format === "int8-rows" ? quantizeRows(data, blockSize) : quantizeBlocks(bookOf[format], data, blockSize);
  const constants = doubleQuant ? quantizeAbsmax(absmax) : absmax;
  return new QuantizedTensor({ format, shape, blockSize, packed, absmax: constants });
}

/** The shape of `x` and its numbers as float32s, not copied where they are so already. */
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
