/**
 * @file Double quantization (QLoRA, section 3): the absmax of the blocks is quantized in its turn.
 *
 *     c2 = absmax of each block      c2 - mean(c2) ≈ value[code] · c1      c1 = absmax of 256 such differences
 *
 * Magnitudes are positive; their mean is subtracted, so that a signed type is used on both sides. The paper stores
 * c2 in "8-bit floats"; the released code, and so this, in the 8-bit dynamic map. For blocks of 64 absmax
 * shrinks from 32/64 = 0.5 bits a parameter to 8/64 + 32/(64·256) = 0.127.
 *
 *     doubleDequant(c1, c2, W) = dequant(dequant(c1, c2), W)      (Eq. 6)
 *
 * The inner dequant is `dequantizeAbsmax`, the outer one `dequantizeBlocks`; `QuantizedTensor.dequantize` is both.
 */

import { dequantizeBlocks, quantizeBlocks } from "./blockwise.ts";
import { dynamic8 } from "./codebooks.ts";

/** Elements of c2 that share one c1. */
export const ABSMAX_BLOCK_SIZE = 256;

/** The absmax of many blocks, c2, in 8 bits each. */
export interface DoubleQuantizedAbsmax {
  /** The code of each block's c2 - offset. */
  readonly codes: Uint8Array; // [blocks]
  /** c1: the largest |c2 - offset| of every 256 blocks. */
  readonly absmax: Float32Array; // [⌈blocks / 256⌉]
  /** The mean of c2, a float32. */
  readonly offset: number;
}

/** Quantizes c2, the absmax of each block. */
export function quantizeAbsmax(c2: Float32Array): DoubleQuantizedAbsmax {
  let sum = 0;
  for (const value of c2) sum += value;
  const offset = Math.fround(sum / Math.max(c2.length, 1));
  const differences = c2.map((value) => value - offset);
  const { packed, absmax: c1 } = quantizeBlocks(dynamic8, differences, ABSMAX_BLOCK_SIZE);
  return { codes: packed, absmax: c1, offset };
}

/**
 * dequant(c1, c2) for blocks from … to - 1. As in bitsandbytes, the absmax of a block much smaller than its neighbours
 * may come out slightly negative; a block of zeros stays zeros all the same, because its codes are those of zero.
 */
export function dequantizeAbsmax(
  { codes, absmax: c1, offset }: DoubleQuantizedAbsmax,
  from = 0,
  to = codes.length,
): Float32Array {
  const c2 = new Float32Array(to - from);
  const firstC1 = c1.subarray(Math.floor(from / ABSMAX_BLOCK_SIZE));
  dequantizeBlocks(dynamic8, codes, firstC1, ABSMAX_BLOCK_SIZE, c2, from, to);
  for (let b = 0; b < c2.length; b++) c2[b] += offset;
  return c2;
}
