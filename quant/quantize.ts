/** @file `quantize`: from numbers to a QuantizedTensor. */

import { Tensor } from "../autograd/index.ts";
import { checkOptions, NDArray, optionNames, QuantizationError, type Shape } from "../core/index.ts";
import { quantizeBlocks } from "./blockwise.ts";
import { codebookFor, type Format } from "./codebooks.ts";
import { quantizeAbsmax } from "./double-quantization.ts";
import { checkFormat, QuantizedTensor, rowLength } from "./quantized-tensor.ts";
import { quantizeRows } from "./rowwise.ts";

export interface QuantizeOptions {
  readonly format?: Format;
  /**
   * Elements that share an absmax: a power of two from 32 to 4096. The blocks of `int8-rows` are its rows.
   */
  readonly blockSize?: number;
  /** Quantizes the absmax of the blocks as well: double quantization. */
  readonly doubleQuant?: boolean;
}

export const quantizeOptions = optionNames<QuantizeOptions>({
  format: true,
  blockSize: true,
  doubleQuant: true,
});

const nothing = (why: string): string => `nothing in its place: ${why}`;

/** The fields of transformers' BitsAndBytesConfig, the arguments of bitsandbytes, and what says the same here. */
export const bitsAndBytes: Readonly<Record<string, string>> = {
  load_in_4bit: 'format: "nf4" (the default), "fp4" or "int4"',
  load_in_8bit: 'format: "int8-rows"',
  bnb_4bit_quant_type: "format",
  bnb_4bit_compute_dtype: "computeDtype of quantizeModel",
  bnb_4bit_use_double_quant: "doubleQuant",
  bnb_4bit_quant_storage: nothing("codes are bytes"),
  llm_int8_skip_modules: "skip of quantizeModel",
  llm_int8_threshold: nothing("there are no outliers apart"),
  llm_int8_enable_fp32_cpu_offload: nothing("weights are where they are"),
  llm_int8_has_fp16_weight: nothing("only the codes are kept"),
  quant_method: nothing("all formats are bitsandbytes'"),
  quant_type: "format",
  quant_storage: nothing("codes are bytes"),
  compress_statistics: "doubleQuant",
  compute_dtype: "computeDtype of quantizeModel",
  blocksize: "blockSize",
  double_quant: "doubleQuant",
  modules_to_not_convert: "skip of quantizeModel",
};

/** Numbers in row-major order; a plain list is a tensor of one axis. */
export type Numbers = Tensor | NDArray | ArrayLike<number>;

/**
 * Quantizes to 4 or 8 bits (QLoRA, section 2 and 3), with the codes that bitsandbytes would choose.
 * @throws ArgumentError on an option that there is not; QuantizationError when an element is NaN or infinite as a
 *   float32, an option does not fit, or `x` is quantized already; nothing is changed
 */
export function quantize(x: Numbers, options: QuantizeOptions = {}): QuantizedTensor {
  checkOptions("quantize", options, quantizeOptions, bitsAndBytes);
  const { shape, data } = numbersOf("quantize", x);
  const { format = "nf4", doubleQuant = false } = options;
  if (typeof doubleQuant !== "boolean")
    throw new QuantizationError(`doubleQuant: expected true or false; got ${JSON.stringify(doubleQuant)}`);
  const { blockSize = format === "int8-rows" ? rowLength(shape) : 64 } = options;
  checkFormat(format, blockSize, shape);
  const { packed, absmax } =
    format === "int8-rows"
      ? quantizeRows(data, blockSize)
      : quantizeBlocks(codebookFor[format], data, blockSize);
  const stored = doubleQuant ? quantizeAbsmax(absmax) : absmax;
  return new QuantizedTensor({ format, shape, blockSize, packed, absmax: stored });
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
