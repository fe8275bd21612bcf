/**
 * @file Row-wise absmax int8: LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale.
 * Dettmers, Lewis, Belkada, Zettlemoyer, 2022, arXiv:2208.07339, section 2.1.
 *
 *     q = round(127 x / absmax(row))      x ≈ q/127 · absmax(row)
 *
 * One absmax a row of the last axis. Halves round to even, as in the released code.
 */

import { type Blocks, magnitudesOf } from "./blockwise.ts";

/** Below this a magnitude counts as this when divided by, so that 127/absmax stays finite. */
const TINY = Math.fround(1e-36);
/**
 * Adding and subtracting 1.5 · 2^52 leaves no room for a fraction: a double is rounded to an integer, halves
 * to even.
 */
const ROUND = 1.5 * 2 ** 52;

/**
 * The int8 of each element as a byte in two's complement, and the largest magnitude of each row.
 * @throws QuantizationError when an element is NaN or infinite; it is named
 */
export function quantizeRows(x: Float32Array, rowLength: number): Blocks {
  const packed = new Uint8Array(x.length);
  const absmax = new Float32Array(x.length / rowLength);
  const largestIn = magnitudesOf(x);
  for (let row = 0, from = 0; row < absmax.length; row++, from += rowLength) {
    absmax[row] = largestIn(from, from + rowLength);
    const scale = Math.fround(127 / Math.max(absmax[row], TINY));
    for (let i = from; i < from + rowLength; i++) packed[i] = Math.fround(x[i] * scale) + ROUND - ROUND;
  }
  return { packed, absmax };
}
