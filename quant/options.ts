/** @file The options of `quantize`: their defaults, what fits together, and what other libraries call them. */

import { checkOptions, optionNames, QuantizationError, type Shape } from "../core/index.ts";
import { type Format, formats } from "./codebooks.ts";

export interface QuantizeOptions {
  /**
   * The data type.
   * @default "nf4"
   */
  readonly format?: Format;
  /**
   * Elements that share an absmax: a power of two from 32 to 4096. For `int8-rows` a block is a row of the last axis, and
   * this is left out.
   * @default 64
   */
  readonly blockSize?: number;
  /**
   * Double quantization: whether the absmax of the blocks is quantized as well.
   * @default false
   */
  readonly doubleQuant?: boolean;
}

const names = optionNames<QuantizeOptions>({ format: true, blockSize: true, doubleQuant: true });

const nothing = (why: string): string => `nothing in its place: ${why}`;

/** Fields of transformers' BitsAndBytesConfig and arguments of bitsandbytes, with what says the same here. */
const elsewhere: Readonly<Record<string, string>> = {
  load_in_4bit: 'format: "nf4" (the default), "fp4" or "int4"',
  load_in_8bit: 'format: "int8-rows"',
  bnb_4bit_quant_type: "format",
  bnb_4bit_use_double_quant: "doubleQuant",
  bnb_4bit_quant_storage: nothing("codes are bytes"),
  llm_int8_threshold: nothing("outliers are quantized like all numbers"),
  llm_int8_enable_fp32_cpu_offload: nothing("weights stay where they are"),
  llm_int8_has_fp16_weight: nothing("only the codes are kept"),
  quant_method: nothing("all formats are those of bitsandbytes"),
  quant_type: "format",
  quant_storage: nothing("codes are bytes"),
  compress_statistics: "doubleQuant",
  blocksize: "blockSize",
  double_quant: "doubleQuant",
};

/** The same for options that only layers or models have. */
const elsewhereOfModels: Readonly<Record<string, "computeDtype" | "skip">> = {
  bnb_4bit_compute_dtype: "computeDtype",
  compute_dtype: "computeDtype",
  llm_int8_skip_modules: "skip",
  modules_to_not_convert: "skip",
};

/**
 * Checks the names of options.
 * @param who the called function
 * @param own the names of the options that `who` takes in addition to those of `quantize`
 * @throws ArgumentError naming the first unknown option, and the option that was probably meant
 */
export function checkQuantizeOptions(who: string, options: object, own: readonly string[] = []): void {
  const ofModels = Object.entries(elsewhereOfModels).map(([name, option]) => [
    name,
    own.includes(option) ? option : `${option} of quantizeModel`,
  ]);
  checkOptions(who, options, [...names, ...own], { ...elsewhere, ...Object.fromEntries(ofModels) });
}

/**
 * The options with their defaults, for a tensor of this shape.
 * @throws ArgumentError if there is no such option; QuantizationError if one does not fit
 */
export function settingsOf(who: string, options: QuantizeOptions, shape: Shape): Required<QuantizeOptions> {
  checkQuantizeOptions(who, options);
  const { format = "nf4", doubleQuant = false } = options;
  const { blockSize = format === "int8-rows" ? rowLength(shape) : 64 } = options;
  checkFormat(who, format, blockSize, shape);
  return { format, blockSize, doubleQuant };
}

/** The block size of `int8-rows`. */
const rowLength = (shape: Shape): number => Math.max(1, shape.at(-1) ?? 1);

/** @throws QuantizationError unless `format` is known and `blockSize` fits it */
export function checkFormat(who: string, format: Format, blockSize: number, shape: Shape): void {
  const refuse = (expected: string, got: unknown): never => {
    throw new QuantizationError(`${who}: expected ${expected}; got ${got}`);
  };
  if (!formats.includes(format))
    refuse(`format to be one of ${formats.join(", ")}`, JSON.stringify(format) ?? format);
  if (format === "int8-rows") {
    if (blockSize !== rowLength(shape))
      refuse(`no blockSize for int8-rows, whose blocks are the rows of [${shape.join(", ")}]`, blockSize);
    return;
  }
  const isPowerOfTwo = Number.isInteger(blockSize) && (blockSize & (blockSize - 1)) === 0;
  if (!isPowerOfTwo || blockSize < 32 || blockSize > 4096)
    refuse("blockSize to be a power of two from 32 to 4096", blockSize);
}
