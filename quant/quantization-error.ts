/** @file `quantizationError`: how far a quantized tensor is from the original. */

import { QuantizationError } from "../core/index.ts";
import { type Numbers, numbersOf } from "./quantize.ts";
import type { QuantizedTensor } from "./quantized-tensor.ts";

/** The error e = x̂ - x over all elements. */
export interface QuantizationErrorReport {
  /** max |e| */
  readonly max: number;
  /** mean |e| */
  readonly meanAbs: number;
  /** mean e² */
  readonly mse: number;
  /** ‖e‖ / ‖x‖; 0 if e = 0, also for a tensor of zeros. */
  readonly relative: number;
  /** The signal to quantization noise ratio, 10 log₁₀(‖x‖² / ‖e‖²), in decibels; Infinity if e = 0. */
  readonly sqnr: number;
}

/**
 * Compares a tensor with its quantized form. Sums are in double precision.
 *
 *     quantizationError(W, quantize(W, { format: "nf4" })).sqnr      // about 21 dB for normal numbers
 *
 * @throws QuantizationError if the two have different numbers of elements
 */
export function quantizationError(original: Numbers, quantized: QuantizedTensor): QuantizationErrorReport {
  const { data: x, shape } = numbersOf("quantizationError", original);
  if (x.length !== quantized.size) {
    throw new QuantizationError(
      `quantizationError: expected the tensor that was quantized, of shape [${quantized.shape.join(", ")}]; got [${shape.join(", ")}]`,
    );
  }
  const y = quantized.toArray();
  let [max, sum, noise, signal] = [0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const e = Math.abs(y[i] - x[i]);
    max = Math.max(max, e);
    sum += e;
    noise += e * e;
    signal += x[i] * x[i];
  }
  const n = Math.max(x.length, 1);
  const lossless = noise === 0;
  return {
    max,
    meanAbs: sum / n,
    mse: noise / n,
    relative: lossless ? 0 : Math.sqrt(noise / signal),
    sqnr: lossless ? Infinity : 10 * Math.log10(signal / noise),
  };
}
