/** @file Packing: two 4-bit codes to a byte, the earlier in the high half, as bitsandbytes stores them. */

import { allocateBytes } from "../../core/index.ts";

/** The number of bytes that n codes take. */
export const packedLength = (bits: 4 | 8, n: number): number => Math.ceil((n * bits) / 8);

/** Packs n codes 0 … 15 into ⌈n/2⌉ bytes; an odd count is filled up with `filler`. */
export function packNibbles(codes: Uint8Array, filler: number): Uint8Array {
  const packed = allocateBytes(packedLength(4, codes.length));
  for (let j = 0; j < packed.length; j++) packed[j] = (codes[2 * j] << 4) | (codes[2 * j + 1] ?? filler);
  return packed;
}

/** Unpacks the first n codes of `packed`: the inverse of `packNibbles`. */
export function unpackNibbles(packed: Uint8Array, n: number): Uint8Array {
  const codes = allocateBytes(n);
  for (let i = 0; i < n; i++) codes[i] = (packed[byteOf(i)] >> (i & 1 ? 0 : 4)) & 15;
  return codes;
}

/** The byte that 4-bit code i lies in. (A shift, i >> 1, would wrap from 2³¹ codes on.) */
export const byteOf = (i: number): number => Math.floor(i / 2);
