/** @file QLoRA and its relatives: numbers in 4 or 8 bits, layers and models that hold them, optimizers of few bytes. */

// Data types, block-wise and double quantization (QLoRA, sections 2 and 3); rows of LLM.int8

export { type Blocks, dequantizeBlocks, quantizeBlocks } from "./blockwise.ts";
export {
  type Codebook,
  codebookFor,
  dynamic8,
  dynamic8Unsigned,
  type Format,
  formats,
  fp4,
  int4,
  int8,
  linear8,
  nf4,
  nf4Equation4,
} from "./codebooks.ts";
export { packNibbles, unpackNibbles } from "./codes/pack.ts";
export {
  ABSMAX_BLOCK_SIZE,
  type DoubleQuantizedAbsmax,
  dequantizeAbsmax,
  quantizeAbsmax,
} from "./double-quantization.ts";
export { quantizeRows } from "./rowwise.ts";

// Tensors

export type { QuantizeOptions } from "./options.ts";
export { type QuantizationErrorReport, quantizationError } from "./quantization-error.ts";
export { type Numbers, quantize } from "./quantize.ts";
export { type QuantizedParts, QuantizedTensor } from "./quantized-tensor.ts";

// Layers and models: QLoRA is quantizeModel, then inject of lowrank/lora

export { outputHeads } from "../nn/index.ts";
export { type LinearKind, QuantizedLinear, type QuantizedLinearOptions } from "./layer/quantized-linear.ts";
export type { ComputeDtype } from "./layer/quantized-matmul.ts";
export type { LayerName } from "./model/choose-layers.ts";
export { dequantizeModel, requantizationError } from "./model/dequantize-model.ts";
export { type QLoRARun, qloraBytes, quantizedBytes } from "./model/memory.ts";
export {
  type QuantizedLayerReport,
  type QuantizeModelOptions,
  type QuantizeModelReport,
  quantizeModel,
} from "./model/quantize-model.ts";
export { bytesOf, quantizedLayers } from "./model/quantized-layers.ts";

// Optimizers: paged ones (QLoRA, section 3), and state in 8 bits

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

// Files

export { loadQuantizedModel } from "./files/load-model.ts";
export { packedState } from "./files/packed-state.ts";
export {
  type QuantizeCheckpointOptions,
  type QuantizeCheckpointReport,
  type QuantizedWeight,
  quantizeCheckpoint,
  quantizeSteps,
} from "./files/quantize-checkpoint.ts";
export {
  loadQuantized,
  loadQuantizedState,
  quantizedState,
  saveQuantized,
} from "./files/quantized-state.ts";

// Laws

export {
  type GradientsTrial,
  type PagingTrial,
  type QuantizationLaw,
  type QuantizationTrial,
  quantizationLaws,
  trainingLaws,
  type UntouchedTrial,
} from "./laws/index.ts";

// Earlier names

export {
  /** @deprecated Named Codebook now. */
  type Codebook as CodeBook,
  /** @deprecated Named codebookFor now. */
  codebookFor as bookOf,
} from "./codebooks.ts";
export {
  /** @deprecated Named ABSMAX_BLOCK_SIZE now. */
  ABSMAX_BLOCK_SIZE as NESTED_BLOCK,
  /** @deprecated Named DoubleQuantizedAbsmax now. */
  type DoubleQuantizedAbsmax as NestedAbsmax,
  /** @deprecated Named dequantizeAbsmax now. */
  dequantizeAbsmax as recoverAbsmax,
} from "./double-quantization.ts";
