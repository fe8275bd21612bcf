/** @file Two 4-bit codes to a byte, the earlier in the high half, as bitsandbytes stores them. */

import { allocateBytes } from "../../core/index.ts";

/** ⌈n/2⌉ bytes from n codes 0 … 15; an odd count is filled up with `filler`. */
export function packNibbles(codes: Uint8Array, filler: number): Uint8Array {
  const packed = allocateBytes(Math.ceil(codes.length / 2));
  for (let j = 0; j < packed.length; j++) packed[j] = (codes[2 * j] << 4) | (codes[2 * j + 1] ?? filler);
  return packed;
}

/** The first n codes of `packed`: the inverse of `packNibbles`. */
export function unpackNibbles(packed: Uint8Array, n: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => (packed[i >> 1] >> (i & 1 ? 0 : 4)) & 15);
}
