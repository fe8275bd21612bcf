/**
 * @file What writing merged weights in a format costs: how much of ΔW the rounding erases.
 *
 *     lost = ‖round(W + ΔW) − (W + ΔW)‖_F / ‖ΔW‖_F
 *
 * In bfloat16, with 8 bits of precision, an update of a thousandth of W is about as large as the rounding: much of it can
 * be lost, and nothing in the file tells. ΔW is what the adapter's float32 numbers give in float32.
 */

import {
  CheckpointError,
  type FloatArray,
  narrowToBfloat16,
  narrowToFloat16,
  widenBfloat16,
  widenFloat16,
} from "../../../core/index.ts";
import type { MergedPart } from "./slices.ts";

/** Formats that merged weights can be written in. */
export type FloatDtype = "F64" | "F32" | "F16" | "BF16";

/** What merging did to one tensor, or to all together. */
export interface MergeCost {
  /** ‖ΔW‖_F. */
  readonly delta: number;
  /** ‖ΔW‖_F / ‖W‖_F; 0 when both are 0. */
  readonly relative: number;
  /** ‖round(W + ΔW) − (W + ΔW)‖_F / ‖ΔW‖_F: the part of ΔW that rounding to the format of the file erases. */
  readonly lost: number;
}

/** Sums of squares, from which the cost follows. */
export class CostSums {
  delta = 0;
  weight = 0;
  error = 0;

  /** Adds one element: its value before, the change, and the sum as it is written. */
  add(before: number, change: number, written: number): void {
    const e = written - (before + change); // in double precision
    this.delta += change * change;
    this.weight += before * before;
    this.error += e * e;
  }

  plus(other: CostSums): void {
    this.delta += other.delta;
    this.weight += other.weight;
    this.error += other.error;
  }

  get cost(): MergeCost {
    const ratio = (a: number, b: number): number => (a === 0 ? 0 : Math.sqrt(a / b));
    return {
      delta: Math.sqrt(this.delta),
      relative: ratio(this.delta, this.weight),
      lost: ratio(this.error, this.delta),
    };
  }
}

/**
 * The bytes of merged values in a format, with what the rounding costs.
 * @param name of the tensor, for the message
 * @throws CheckpointError when a value is not finite in that format
 */
export function rounded(
  name: string,
  dtype: FloatDtype,
  { before, delta, after }: Pick<MergedPart, "before" | "delta" | "after">,
  sums: CostSums,
): Uint8Array {
  const [codes, written] = roundings[dtype](after);
  for (let i = 0; i < written.length; i++) {
    if (!Number.isFinite(written[i])) throw notFinite(name, dtype, before[i], after[i]);
    sums.add(before[i], delta[i], written[i]);
  }
  return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
}

/** The values in each format: as the file has them, and as numbers. */
const roundings: Readonly<Record<FloatDtype, (values: FloatArray) => [ArrayBufferView, FloatArray]>> = {
  F64: (values) => twice(Float64Array.from(values)),
  F32: (values) => twice(values instanceof Float32Array ? values : Float32Array.from(values)),
  F16(values) {
    const codes = narrowToFloat16(values);
    return [codes, widenFloat16(codes)];
  },
  BF16(values) {
    const codes = narrowToBfloat16(values);
    return [codes, widenBfloat16(codes)];
  },
};

const twice = (values: FloatArray): [FloatArray, FloatArray] => [values, values];

function notFinite(name: string, dtype: FloatDtype, before: number, after: number): CheckpointError {
  const advice = !Number.isFinite(before)
    ? `the base holds ${before} there`
    : Number.isFinite(after)
      ? `${dtype} ends before it; expected another dtype, such as BF16 or F32`
      : "the adapter's values, or their sum with the base's, are too large";
  return new CheckpointError(`${name} would hold ${after}: ${advice}`);
}

/** True for the formats that merged weights can be written in. */
export const isFloatDtype = (dtype: string): dtype is FloatDtype => Object.hasOwn(roundings, dtype);
