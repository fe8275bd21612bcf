/**
 * @file The memory of a QLoRA run from its shapes alone, in bytes; the meter counts the same.
 *
 *     weights in b bits        b/8 n                                            codes
 *     absmax                   4 n/B,  or  n/B + 4 n/(256 B) + 4  a tensor      blocks of B; double quantization
 *     other frozen weights     4 each                                           embeddings, norms, heads
 *     adapters                 4 p + 4 p + 8 p                                  values, gradients, AdamW's m and v
 *     gradients on their way   4 p                                              leaves collect at the end of backward
 *     one layer dequantized    4 n                                              the largest
 *     activations              what the forward pass leaves for the backward pass
 *
 * That is the host's, on the cpu. A gpu device dequantizes no layer of 4 bits: it keeps all of them, in 32/6 bits a
 * weight and 32 a block, and the meter counts that as the device's (core/gpu/packed-matrix.ts).
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

export interface QLoRARun {
  /** The quantized weights. */
  readonly quantized: readonly Shape[];
  readonly options?: QuantizeOptions;
  /** Numbers of frozen parameters that are not quantized, and of those that train. */
  readonly frozen: number;
  readonly trained: number;
  /** Bytes. */
  readonly activations: number;
  /** Bytes of optimizer state in memory for each trained parameter: 8 for AdamW unless given. */
  readonly statePerParameter?: number;
}

/** Bytes at the peak of a training step, by the meter's categories; `workspace` holds saved activations too. */
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
