/**
 * @file Double quantization (QLoRA, section 3): the constants of the blocks are quantized in their turn.
 *
 *     c2 = absmax of each block      c2 - mean(c2) ≈ value[code] · c1      c1 = absmax of 256 such differences
 *
 * Magnitudes are positive; with their mean taken off, a signed type is used on both sides. The paper stores
 * c2 in "8-bit floats"; the released code, and so this, in the 8-bit dynamic map. For blocks of 64 the
 * constants shrink from 32/64 = 0.5 bits a parameter to 8/64 + 32/(64·256) = 0.127.
 */

import { dequantizeBlocks, quantizeBlocks } from "./blockwise.ts";
import { dynamic8 } from "./codebooks.ts";

export const NESTED_BLOCK = 256;

export interface NestedAbsmax {
  /** The code of each block's absmax - offset. */
  readonly codes: Uint8Array; // [blocks]
  /** The largest |absmax - offset| of every 256 blocks: c1. */
  readonly absmax: Float32Array; // [⌈blocks / 256⌉]
  /** The mean of absmax, a float32. */
  readonly offset: number;
}

export function quantizeAbsmax(absmax: Float32Array): NestedAbsmax {
  let sum = 0;
  for (const value of absmax) sum += value;
  const offset = Math.fround(sum / Math.max(absmax.length, 1));
  const blocks = quantizeBlocks(
    dynamic8,
    absmax.map((value) => value - offset),
    NESTED_BLOCK,
  );
  return { codes: blocks.packed, absmax: blocks.absmax, offset };
}

/**
 * The constants of blocks from … to - 1. As in bitsandbytes, that of a block much smaller than its neighbours
 * may come out slightly negative; a block of zeros stays zeros all the same, its codes being those of zero.
 */
export function recoverAbsmax(
  { codes, absmax, offset }: NestedAbsmax,
  from = 0,
  to = codes.length,
): Float32Array {
  const recovered = new Float32Array(to - from);
  const constants = absmax.subarray(Math.floor(from / NESTED_BLOCK));
  dequantizeBlocks(dynamic8, codes, constants, NESTED_BLOCK, recovered, from, to);
  for (let b = 0; b < recovered.length; b++) recovered[b] += offset;
  return recovered;
}
