/** @file What quantizing a tensor has cost. */

import { QuantizationError } from "../core/index.ts";
import { type Numbers, numbersOf } from "./quantize.ts";
import type { QuantizedTensor } from "./quantized-tensor.ts";

/** With e = x̂ - x, over all elements. */
export interface QuantizationErrorReport {
  /** max |e| */
  readonly max: number;
  /** mean |e| */
  readonly meanAbs: number;
  /** mean e² */
  readonly mse: number;
  /** ‖e‖ / ‖x‖; 0 when nothing was lost, also of a tensor of zeros. */
  readonly relative: number;
  /**
   * Signal to quantization noise ratio, 10 log₁₀(‖x‖² / ‖e‖²), in decibels; Infinity when nothing was lost.
   */
  readonly sqnr: number;
}

/**
 * Compares a tensor with its quantized self. Sums are in double precision.
 * @throws QuantizationError when the two have different numbers of elements
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
