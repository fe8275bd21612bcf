/** @file Fewer bits: code books, block-wise quantization, double quantization, and what they cost. */

export { AdamW8bit, type AdamW8bitOptions } from "./adamw8bit.ts";
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
export { type QLoRARun, qloraBytes, quantizedBytes } from "./memory.ts";
export { packNibbles, unpackNibbles } from "./pack.ts";
export { packedState } from "./packed-state.ts";
export { PagedAdamW, type PagedAdamWOptions } from "./paged-adamw.ts";
export {
  type Page,
  type PageEntry,
  Pager,
  type PagerCounts,
  type PagerOptions,
  PagingError,
} from "./pager.ts";
export { type QuantizationErrorReport, quantizationError } from "./quantization-error.ts";
export { type Numbers, type QuantizeOptions, quantize } from "./quantize.ts";
export {
  bytesOf,
  dequantizeModel,
  type LayerName,
  outputHeads,
  type QuantizedLayerReport,
  type QuantizeModelOptions,
  type QuantizeModelReport,
  quantizedLayers,
  quantizeModel,
  requantizationError,
} from "./quantize-model.ts";
export { type LinearKind, QuantizedLinear, type QuantizedLinearOptions } from "./quantized-linear.ts";
export type { ComputeDtype } from "./quantized-matmul.ts";
export {
  loadQuantized,
  loadQuantizedState,
  quantizedState,
  saveQuantized,
} from "./quantized-state.ts";
export { bookOf, type Format, formats, type QuantizedParts, QuantizedTensor } from "./quantized-tensor.ts";
export { quantizeRows } from "./rows.ts";
export { trainingLaws } from "./training-laws.ts";
