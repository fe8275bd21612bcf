/** @file Whether a result is what is stored: |got − stored| ≤ atol + rtol · |stored|, element by element. */

import { type Shape, sameShape } from "lowrank/core";
import type { StoredOutput, Tolerance } from "./cases.ts";

/** Numbers with a shape: arrays, indices, tensors of a file. */
export interface Numbers {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

export interface Comparison {
  /** The largest error as a multiple of what is allowed; Infinity where none is. Up to 1 passes. */
  readonly worst: number;
  /** Where and what that error is; empty when there is none. */
  readonly detail: string;
}

/** Compares a result with an output of a case. */
export function compare(got: Numbers, { tensor, tolerance }: StoredOutput): Comparison {
  if (!sameShape(got.shape, tensor.shape)) {
    return {
      worst: Infinity,
      detail: `expected shape [${tensor.shape.join(", ")}]; got [${got.shape.join(", ")}]`,
    };
  }
  const stored = Array.from(tensor.values(), Number);
  if (got.data.length !== stored.length) {
    return { worst: Infinity, detail: `expected ${stored.length} values; got ${got.data.length}` };
  }
  let [worst, at] = [0, -1];
  for (let i = 0; i < stored.length; i++) {
    const error = relativeError(got.data[i], stored[i], tolerance);
    if (error > worst) [worst, at] = [error, i];
  }
  if (at < 0) return { worst, detail: "" };
  const place = indexOf(at, tensor.shape);
  return { worst, detail: `expected ${stored[at]} at [${place.join(", ")}]; got ${got.data[at]}` };
}

/** The error as a multiple of what is allowed. A NaN equals a NaN only, an infinity only itself. */
export function relativeError(got: number, stored: number, tolerance: Tolerance): number {
  if (got === stored || (Number.isNaN(got) && Number.isNaN(stored))) return 0;
  if (tolerance === "exact" || !Number.isFinite(got) || !Number.isFinite(stored)) return Infinity;
  const allowed = tolerance.atol + tolerance.rtol * Math.abs(stored);
  return Math.abs(got - stored) / allowed; // Infinity when nothing is allowed
}

/** The index of element number `flat` in row-major order. */
function indexOf(flat: number, shape: Shape): number[] {
  const index: number[] = [];
  let left = flat;
  for (const length of shape.toReversed()) {
    index.unshift(left % length);
    left = Math.floor(left / length);
  }
  return index;
}
