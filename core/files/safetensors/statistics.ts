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
  let [energy, mean, squares] = [0, 0, 0]; // Σ x², and of the parts so far Σ (x − mean)² (Chan, Golub & LeVeque, 1979)
  for (const part of tensor.parts()) {
    let [sum, finite] = [0, 0];
    for (let i = 0; i < part.length; i++) {
      const value = Number(part[i]);
      if (!Number.isFinite(value)) {
        if (firstNotFinite < 0) firstNotFinite = at + i;
        if (Number.isNaN(value)) nan++;
        else infinite++;
        continue;
      }
      if (value === 0) zeros++;
      if (value < min) min = value;
      if (value > max) max = value;
      sum += value;
      finite++;
    }
    at += part.length;
    if (finite === 0) continue;
    const center = sum / finite;
    let around = 0;
    for (let i = 0; i < part.length; i++) {
      const value = Number(part[i]);
      if (!Number.isFinite(value)) continue;
      around += (value - center) ** 2;
      energy += value * value;
    }
    const all = count + finite;
    squares += around + ((center - mean) ** 2 * count * finite) / all;
    mean += ((center - mean) * finite) / all;
    count = all;
  }
  return {
    size: sizeOf(tensor.shape),
    norm: Math.sqrt(energy),
    mean,
    deviation: count > 0 ? Math.sqrt(squares / count) : 0,
    min: count > 0 ? min : 0,
    max: count > 0 ? max : 0,
    zeros,
    nan,
    infinite,
    firstNotFinite,
  };
}
