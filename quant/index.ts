/** @file Fewer bits: code books, block-wise quantization, double quantization, and what they cost. */

export { type Blocks, dequantizeBlocks, quantizeBlocks } from "./blockwise.ts";
export {
  type CodeBook,
  dynamic8,
  dynamic8Unsigned,
  fp4,
  int4,
  int8,
  linear8,
  nf4,
  nf4Equation4,
} from "./codebooks.ts";
export { NESTED_BLOCK, type NestedAbsmax, quantizeAbsmax, recoverAbsmax } from "./double.ts";
export { type QuantizationLaw, quantizationLaws } from "./laws.ts";
export { packNibbles, unpackNibbles } from "./pack.ts";
export { type QuantizationErrorReport, quantizationError } from "./quantization-error.ts";
export { type Numbers, type QuantizeOptions, quantize } from "./quantize.ts";
export { bookOf, type Format, formats, type QuantizedParts, QuantizedTensor } from "./quantized-tensor.ts";
export { quantizeRows } from "./rows.ts";
