/** @file Statistics of a tensor in a file, computed part by part: norm, mean, spread, extremes, NaN and infinities. */

import { sizeOf } from "../../array/shape.ts";
import type { SafeTensor } from "./tensor.ts";

/** Statistics of the values of a tensor. Those of floats leave NaN and infinities out, which are counted instead. */
export interface TensorStatistics {
  /** Number of values. */
  readonly size: number;
  /** √(Σ x²) of the finite values. */
  readonly norm: number;
  /** Mean of the finite values; 0 without any. */
  readonly mean: number;
  /** Standard deviation of the finite values, over their number. */
  readonly deviation: number;
  /** The smallest finite value; 0 without any. */
  readonly min: number;
  /** The largest finite value; 0 without any. */
  readonly max: number;
  /** Number of values that are 0. */
  readonly zeros: number;
  /** Number of NaN. */
  readonly nan: number;
  /** Number of values that are ∞ or −∞. */
  readonly infinite: number;
  /** Place of the first value that is not finite, counted in row-major order; −1 when all are finite. */
  readonly firstNotFinite: number;
}

/**
 * Statistics of a tensor, in double precision. A few megabytes of it are in memory at a time.
 *
 * @example
 * for (const tensor of openSafetensors(path).tensors.values()) console.log(tensor.name, tensorStatistics(tensor).norm);
 * @throws CheckpointError when the file cannot be read
 */
export function tensorStatistics(tensor: SafeTensor): TensorStatistics {
  let [count, at, zeros, nan, infinite, firstNotFinite] = [0, 0, 0, 0, 0, -1];
  let [min, max] = [Infinity, -Infinity];
  // Sums of x², and of x − c and (x − c)² with c the first finite value: near the mean nothing cancels.
  let [energy, sum, squares, center] = [0, 0, 0, Number.NaN];
  for (const part of tensor.parts()) {
    const values =
      part instanceof BigInt64Array || part instanceof BigUint64Array ? Array.from(part, Number) : part;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value - value !== 0) {
        if (firstNotFinite < 0) firstNotFinite = at + i;
        if (Number.isNaN(value)) nan++;
        else infinite++;
        continue;
      }
      if (count++ === 0) center = value;
      if (value === 0) zeros++;
      if (value < min) min = value;
      if (value > max) max = value;
      const away = value - center;
      sum += away;
      squares += away * away;
      energy += value * value;
    }
    at += values.length;
  }
  const mean = count > 0 ? sum / count : 0;
  return {
    size: sizeOf(tensor.shape),
    norm: Math.sqrt(energy),
    mean: count > 0 ? center + mean : 0,
    deviation: count > 0 ? Math.sqrt(Math.max(0, squares / count - mean * mean)) : 0,
    min: count > 0 ? min : 0,
    max: count > 0 ? max : 0,
    zeros,
    nan,
    infinite,
    firstNotFinite,
  };
}
