/**
 * @file Row-wise absmax int8: LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale.
 * Dettmers, Lewis, Belkada, Zettlemoyer, 2022, arXiv:2208.07339, section 2.1.
 *
 *     q = round(127 x / absmax(row))      x ≈ q/127 · absmax(row)
 *
 * One absmax a row of the last axis. Halves round to even, as in the released code.
 */

import type { Blocks } from "./blockwise.ts";
import { magnitudesOf } from "./codes/magnitudes.ts";

/** A smaller absmax is replaced by this as a divisor, so that 127/absmax is finite. */
const TINY = Math.fround(1e-36);
/** Adding and subtracting 1.5 · 2^52 leaves no room for a fraction: it rounds a double to an integer, halves to even. */
const ROUND = 1.5 * 2 ** 52;

/**
 * Quantizes each row of x to int8.
 * @returns the int8 of each element as a byte in two's complement, and the absmax of each row
 * @throws QuantizationError if an element is NaN or infinite; the message names it
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
