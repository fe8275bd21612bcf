/** @file The absmax of a block, found in one pass that also refuses NaN and Infinity. */

import { QuantizationError } from "../../core/index.ts";

const magnitude = new Float32Array(1);
const magnitudeBits = new Int32Array(magnitude.buffer);
const INFINITY_BITS = 0x7f800000;

/**
 * Returns the function (from, to) ↦ max |xᵢ| over [from, to). Without their sign bits, floats are ordered as the integers
 * that they are stored as, with Infinity and NaN above all others: one pass finds the largest and refuses those.
 * @throws QuantizationError, from the function returned, if an element is NaN or infinite; the message names it
 */
export function magnitudesOf(x: Float32Array): (from: number, to: number) => number {
  const bits = new Int32Array(x.buffer, x.byteOffset, x.length);
  return (from, to) => {
    let largest = 0;
    for (let i = from; i < to; i++) largest = Math.max(largest, bits[i] & 0x7fffffff);
    if (largest >= INFINITY_BITS) throw notFinite(x, from);
    magnitudeBits[0] = largest;
    return magnitude[0];
  };
}

function notFinite(x: Float32Array, from: number): QuantizationError {
  const at = x.findIndex((value, i) => i >= from && !Number.isFinite(value));
  return new QuantizationError(
    `quantize: expected finite float32 values; got ${x[at]} at element ${at}. Find where it came from: there is no code for it`,
  );
}
