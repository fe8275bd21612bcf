/**
 * @file Block-wise absmax quantization (QLoRA, section 2), byte for byte as bitsandbytes does it.
 *
 *     c = code of x / absmax(block)      x ≈ value[c] · absmax(block)      (Eq. 1, 2 with a codebook for round)
 *
 * The tensor is quantized in row-major order, in blocks of `blockSize`; the last may be shorter. Codes of 4 bits lie two
 * to a byte, the earlier element in the high half; an odd count is filled up with the code of zero.
 */

import { allocateBytes, allocateFloats } from "../core/index.ts";
import type { Codebook } from "./codebooks.ts";
import { magnitudesOf } from "./codes/magnitudes.ts";
import { nearestCode, type Rounding, roundingOf, UNSURE } from "./codes/nearest.ts";
import { byteOf, packedLength } from "./codes/pack.ts";

/** Numbers quantized block by block. */
export interface Blocks {
  /** The codes, packed. */
  readonly packed: Uint8Array; // [⌈n · bits / 8⌉]
  /** The largest magnitude of each block. */
  readonly absmax: Float32Array; // [⌈n / blockSize⌉]
}

/** A smaller absmax is replaced by this as a divisor, so that a block of zeros gives zeros, not NaN. */
const TINY = Math.fround(1e-38);

/**
 * Quantizes x in blocks of `blockSize`, an even number.
 *
 *     const { packed, absmax } = quantizeBlocks(nf4, x, 64);
 *     dequantizeBlocks(nf4, packed, absmax, 64, y, 0, x.length);      // y ≈ x
 *
 * @throws QuantizationError if an element is NaN or infinite; the message names it
 */
export function quantizeBlocks(codebook: Codebook, x: Float32Array, blockSize: number): Blocks {
  const { bits } = codebook;
  const rounding = roundingOf(codebook);
  const n = x.length;
  const packed = allocateBytes(packedLength(bits, n));
  const absmax = allocateFloats(Math.ceil(n / blockSize));
  const whole = Math.floor(n / blockSize) * blockSize;
  const largestIn = magnitudesOf(x);

  for (let from = 0, b = 0; from < whole; from += blockSize, b++) {
    const largest = largestIn(from, from + blockSize);
    absmax[b] = largest;
    const scale = Math.fround(1 / Math.max(largest, TINY));
    writeCodes(rounding, bits, x, from, from + blockSize, scale, packed, (from * bits) / 8);
  }
  if (whole < n) {
    // As in bitsandbytes, the short block is divided where the others are multiplied, and stores the raised absmax.
    const largest = Math.max(largestIn(whole, n), TINY);
    absmax[absmax.length - 1] = largest;
    const scaled = x.subarray(whole).map((value) => value / largest);
    writeCodes(rounding, bits, scaled, 0, scaled.length, 1, packed, (whole * bits) / 8);
  }
  return { packed, absmax };
}

/**
 * Dequantizes elements start … end - 1 to the front of `target`.
 * @param absmax of the blocks from that of element `start` on
 */
export function dequantizeBlocks(
  codebook: Codebook,
  packed: Uint8Array,
  absmax: Float32Array,
  blockSize: number,
  target: Float32Array,
  start: number,
  end: number,
): void {
  const dequantize = codebook.bits === 4 ? dequantizeNibbles : dequantizeBytes;
  dequantize(codebook.values, packed, absmax, blockSize, target, start, end);
}

/** Writes the codes of x[from … to) · scale from byte `at` on. */
function writeCodes(
  rounding: Rounding,
  bits: 4 | 8,
  x: Float32Array,
  from: number,
  to: number,
  scale: number,
  packed: Uint8Array,
  at: number,
): void {
  const { cells, half } = rounding;
  let i = from;
  for (; i + 1 < to; i += 2) {
    const s = Math.fround(x[i] * scale);
    const t = Math.fround(x[i + 1] * scale);
    let c = cells[(s * half + half) | 0];
    let d = cells[(t * half + half) | 0];
    if ((c | d) >= UNSURE) {
      c = nearestCode(rounding, s, c);
      d = nearestCode(rounding, t, d);
    }
    if (bits === 4) packed[at++] = (c << 4) | d;
    else {
      packed[at++] = c;
      packed[at++] = d;
    }
  }
  if (i < to) {
    const s = Math.fround(x[i] * scale);
    const c = nearestCode(rounding, s, cells[(s * half + half) | 0]);
    packed[at] = bits === 4 ? (c << 4) | rounding.zero : c;
  }
}

/** `dequantizeBlocks` for codes two to a byte, eight at a time: with fewer checks of bounds it takes half the time. */
function dequantizeNibbles(
  values: Float32Array,
  packed: Uint8Array,
  absmax: Float32Array,
  blockSize: number,
  target: Float32Array,
  start: number,
  end: number,
): void {
  const first = Math.floor(start / blockSize);
  let i = start;
  let at = 0;
  for (let b = first; i < end; b++) {
    const scale = absmax[b - first];
    const to = Math.min(end, (b + 1) * blockSize);
    if (i & 1) target[at++] = values[packed[byteOf(i++)] & 15] * scale;
    for (let j = byteOf(i); i + 7 < to; i += 8, j += 4, at += 8) {
      const p = packed[j];
      const q = packed[j + 1];
      const r = packed[j + 2];
      const s = packed[j + 3];
      target[at] = values[p >> 4] * scale;
      target[at + 1] = values[p & 15] * scale;
      target[at + 2] = values[q >> 4] * scale;
      target[at + 3] = values[q & 15] * scale;
      target[at + 4] = values[r >> 4] * scale;
      target[at + 5] = values[r & 15] * scale;
      target[at + 6] = values[s >> 4] * scale;
      target[at + 7] = values[s & 15] * scale;
    }
    for (; i + 1 < to; i += 2, at += 2) {
      const pair = packed[byteOf(i)];
      target[at] = values[pair >> 4] * scale;
      target[at + 1] = values[pair & 15] * scale;
    }
    if (i < to) target[at++] = values[packed[byteOf(i++)] >> 4] * scale;
  }
}

/** `dequantizeBlocks` for codes one to a byte. */
function dequantizeBytes(
  values: Float32Array,
  packed: Uint8Array,
  absmax: Float32Array,
  blockSize: number,
  target: Float32Array,
  start: number,
  end: number,
): void {
  const first = Math.floor(start / blockSize);
  for (let b = first, i = start; i < end; b++) {
    const scale = absmax[b - first];
    for (const to = Math.min(end, (b + 1) * blockSize); i < to; i++)
      target[i - start] = values[packed[i]] * scale;
  }
}
