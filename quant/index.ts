/** @file Fewer bits: codebooks, block-wise quantization, double quantization, and what they cost. */

export { outputHeads } from "../nn/index.ts";
export { type Blocks, dequantizeBlocks, quantizeBlocks } from "./blockwise.ts";
/** @deprecated Named Codebook now. */
export type { Codebook as CodeBook } from "./codebooks.ts";
export {
  type Codebook,
  dynamic8,
  dynamic8Unsigned,
  fp4,
  int4,
  int8,
  linear8,
  nf4,
  nf4Equation4,
} from "./codebooks.ts";
export { packNibbles, unpackNibbles } from "./codes/pack.ts";
/** @deprecated Named DoubleQuantizedAbsmax now. */
export type { DoubleQuantizedAbsmax as NestedAbsmax } from "./double-quantization.ts";
/** @deprecated Named ABSMAX_BLOCK_SIZE now. */
/** @deprecated Named dequantizeAbsmax now. */
export {
  ABSMAX_BLOCK_SIZE,
  ABSMAX_BLOCK_SIZE as NESTED_BLOCK,
  type DoubleQuantizedAbsmax,
  dequantizeAbsmax,
  dequantizeAbsmax as recoverAbsmax,
  quantizeAbsmax,
} from "./double-quantization.ts";
export { packedState } from "./files/packed-state.ts";
export {
  loadQuantized,
  loadQuantizedState,
  quantizedState,
  saveQuantized,
} from "./files/quantized-state.ts";
export {
  type GradientsTrial,
  type PagingTrial,
  type QuantizationLaw,
  type QuantizationTrial,
  quantizationLaws,
  trainingLaws,
  type UntouchedTrial,
} from "./laws/index.ts";
export { type LinearKind, QuantizedLinear, type QuantizedLinearOptions } from "./layer/quantized-linear.ts";
export type { ComputeDtype } from "./layer/quantized-matmul.ts";
export { type QLoRARun, qloraBytes, quantizedBytes } from "./model/memory.ts";
export {
  bytesOf,
  dequantizeModel,
  type LayerName,
  type QuantizedLayerReport,
  type QuantizeModelOptions,
  type QuantizeModelReport,
  quantizedLayers,
  quantizeModel,
  requantizationError,
} from "./model/quantize-model.ts";
export { AdamW8bit, type AdamW8bitOptions } from "./optim/adamw8bit.ts";
export { PagedAdamW, type PagedAdamWOptions } from "./optim/paged-adamw.ts";
export {
  type Page,
  type PageEntry,
  Pager,
  type PagerCounts,
  type PagerOptions,
  PagingError,
} from "./optim/pager.ts";
export { type QuantizationErrorReport, quantizationError } from "./quantization-error.ts";
export { type Numbers, type QuantizeOptions, quantize } from "./quantize.ts";
/** @deprecated Named codebookFor now. */
export {
  codebookFor as bookOf,
  codebookFor,
  type Format,
  formats,
  type QuantizedParts,
  QuantizedTensor,
} from "./quantized-tensor.ts";
export { quantizeRows } from "./rowwise.ts";
