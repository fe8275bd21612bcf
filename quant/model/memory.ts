/**
 * @file The memory of a QLoRA run in bytes, computed from its shapes alone; the meter counts the same.
 *
 *     weights in b bits        b/8 n                                            codes
 *     absmax                   4 n/B,  or  n/B + 4 n/(256 B) + 4  a tensor      blocks of B; double quantization
 *     other frozen weights     4 each                                           embeddings, norms, heads
 *     adapters                 4 p + 4 p + 8 p                                  values, gradients, AdamW's m and v
 *     gradients in transit     4 p                                              leaves collect at the end of backward
 *     one layer dequantized    4 n                                              the largest
 *     activations              what the forward pass leaves for the backward pass
 *
 * That is the memory of the host, on the cpu. A gpu device dequantizes no layer of 4 bits: it keeps all of them, in 32/6
 * bits a weight and 32 a block, and the meter counts that as memory of the device (core/gpu/packed-matrix.ts).
 */

import { type Shape, sizeOf } from "../../core/index.ts";
import { codebookFor } from "../codebooks.ts";
import { packedLength } from "../codes/pack.ts";
import { ABSMAX_BLOCK_SIZE } from "../double-quantization.ts";
import { type QuantizeOptions, settingsOf } from "../options.ts";

/** Bytes of the codes and of the absmax that `quantize` makes of a tensor of this shape, with these options. */
export function quantizedBytes(
  shape: Shape,
  options: QuantizeOptions = {},
): {
  readonly codes: number;
  readonly absmax: number;
  /** @deprecated Named absmax now. */
  readonly constants: number;
} {
  const { format, blockSize, doubleQuant } = settingsOf("quantizedBytes", options, shape);
  const size = sizeOf(shape);
  const blocks = Math.ceil(size / blockSize);
  const absmax = doubleQuant ? blocks + 4 * Math.ceil(blocks / ABSMAX_BLOCK_SIZE) + 4 : 4 * blocks;
  return {
    codes: packedLength(codebookFor[format].bits, size),
    absmax,
    constants: absmax,
  };
}

/** The shapes of a QLoRA run. */
export interface QLoRARun {
  /** The shapes of the quantized weights. */
  readonly quantized: readonly Shape[];
  /** How they are quantized. */
  readonly options?: QuantizeOptions;
  /** The number of frozen parameters that are not quantized. */
  readonly frozen: number;
  /** The number of trained parameters. */
  readonly trained: number;
  /** Bytes that the forward pass saves for the backward pass. */
  readonly activations: number;
  /**
   * Bytes of optimizer state in memory for each trained parameter.
   * @default 8, for AdamW
   */
  readonly statePerParameter?: number;
}

/** Bytes at the peak of a training step by the meter's categories. `workspace` contains saved activations, too. */
export function qloraBytes(run: QLoRARun): {
  readonly quantized: number;
  readonly weights: number;
  readonly adapters: number;
  readonly gradients: number;
  readonly optimizer: number;
  readonly workspace: number;
  readonly total: number;
} {
  const { statePerParameter = 8 } = run;
  const packed = run.quantized.map((shape) => quantizedBytes(shape, run.options));
  const parts = {
    quantized: packed.reduce((sum, { codes, absmax }) => sum + codes + absmax, 0),
    weights: 4 * run.frozen,
    adapters: 4 * run.trained,
    gradients: 4 * run.trained,
    optimizer: statePerParameter * run.trained,
    workspace: 4 * Math.max(0, ...run.quantized.map(sizeOf)) + 4 * run.trained + run.activations,
  };
  return { ...parts, total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}
