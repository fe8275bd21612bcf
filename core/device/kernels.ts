/**
 * @file The kernels a device can have. `reference` has all of them, as the readable specification; another
 * device brings those it does better, and the rest run on the reference's loops (see `kernel` in device.ts).
 *
 * The functions that users call (array/matmul.ts, array/elementwise.ts, …) check and broadcast; a kernel relies on it.
 * Except where a comment says otherwise, inputs are contiguous and results are new contiguous arrays.
 */

import type { NDArray } from "../array/ndarray.ts";
import type { Shape } from "../array/shape.ts";
import type { BinaryName, ReduceName, UnaryName } from "./functions.ts";

/** Constants of one AdamW step, with the bias corrections 1 − βᵗ computed. */
export interface AdamStep {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly correction1: number;
  readonly correction2: number;
}

/**
 * Numbers in 4 bits each: number i is values[code i] · scales[⌊i / blockSize⌋], rounded to float32. They never change:
 * a device may keep what it has made of them for as long as this object lives.
 */
export interface Codes {
  readonly shape: Shape;
  /** Two to a byte, the earlier in the high half. */
  readonly codes: Uint8Array;
  /** What the codes stand for. */
  readonly values: Float32Array; // [16]
  /** May be a getter that computes them at each access. */
  readonly scales: Float32Array;
  /** For `dequantizeMatmul` a power of two up to 4096. */
  readonly blockSize: number;
}

export interface Kernels {
  /** Y = A B. A [...p, n, k], B [...p, k, m], equal batch axes, none of n, k, m or p zero; any strides. */
  matmul(a: NDArray, b: NDArray): NDArray;
  unary(name: UnaryName, x: NDArray): NDArray;
  /** a and b contiguous, of shapes that broadcast to `shape`. */
  binary(name: BinaryName, a: NDArray, b: NDArray, shape: Shape): NDArray;
  /** x seen as [outer, n, inner], reduced over n; n > 0. The result has outer·inner elements. */
  reduce(name: ReduceName, x: NDArray, outer: number, n: number, inner: number, shape: Shape): NDArray;
  /** Softmax, or its logarithm, of each row of x [rows, n]. */
  softmax(x: NDArray, log: boolean): NDArray;
  /**
   * Softmax over what a query may see: x [rows, n], row i belongs to query i mod `queries`, and the last query sees
   * all n keys, the one before it n − 1, and so on. A key that is not seen has 0. queries ≤ n.
   */
  causalSoftmax(x: NDArray, queries: number): NDArray;
  /** From y = softmax(x) and dY, rows of n: dX = y ∘ (dY − Σ dY ∘ y). Where y is 0, masked, dY does not enter. */
  softmaxGrad(y: NDArray, dY: NDArray): NDArray;
  /** x̂ = (x − mean) / √(var + eps) for each row, and r = 1/√(var + eps) [rows]. `centre` false: RMS norm, mean 0. */
  normalize(x: NDArray, eps: number, centre: boolean): { xHat: NDArray; r: NDArray };
  /** From x̂, r and dX̂: dX = r (dX̂ − mean(dX̂) − x̂ mean(dX̂ ∘ x̂)); without the middle term when not `centre`. */
  normalizeGrad(xHat: NDArray, r: NDArray, dXHat: NDArray, centre: boolean): NDArray;
  /** The numbers that codes stand for. */
  dequantize(from: Codes): NDArray;
  /** Y = A Wᵀ if `transposed`, else Y = A W. A [n, k], any strides; W [out, in]; nothing empty. */
  dequantizeMatmul(a: NDArray, W: Codes, transposed: boolean): NDArray;
  /** One AdamW step on `parameter`, `m` and `v`, all in place: contiguous, of the gradient's shape. */
  adam(parameter: NDArray, gradient: NDArray, m: NDArray, v: NDArray, step: AdamStep): void;
}
