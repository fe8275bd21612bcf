/** @file The `reference` device: plain loops in the order of the definitions. Every other device must agree with it. */

import { broadcastTo, mT } from "../array/movement.ts";
import { empty, type NDArray } from "../array/ndarray.ts";
import { type Shape, sizeOf } from "../array/shape.ts";
import type { FloatArray } from "../array/storage.ts";
import {
  type BinaryName,
  binaryFunctions,
  type ReduceName,
  reduceFunctions,
  type UnaryName,
  unaryFunctions,
} from "./functions.ts";
import type { Codes, Kernels } from "./kernels.ts";

function matmul(a: NDArray, b: NDArray): NDArray {
  const batch = a.shape.slice(0, -2);
  const [n, k] = a.shape.slice(-2);
  const m = b.shape[b.rank - 1];
  const result = empty([...batch, n, m]);
  const A = a.storage.data;
  const B = b.storage.data;
  const Y = result.storage.data;
  const [aRow, aCol] = a.strides.slice(-2);
  const [bRow, bCol] = b.strides.slice(-2);
  for (let p = 0; p < sizeOf(batch); p++) {
    const a0 = a.offset + batchOffset(p, batch, a.strides);
    const b0 = b.offset + batchOffset(p, batch, b.strides);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < m; j++) {
        let sum = 0; // in double precision; rounded once, on storing
        for (let l = 0; l < k; l++) sum += A[a0 + i * aRow + l * aCol] * B[b0 + l * bRow + j * bCol];
        Y[(p * n + i) * m + j] = sum;
      }
    }
  }
  return result;
}

/** Offset of batch number `p` (row-major over `batch`) under `strides`, whose last two entries are not batch axes. */
export function batchOffset(p: number, batch: Shape, strides: readonly number[]): number {
  let offset = 0;
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    offset += (p % batch[axis]) * strides[axis];
    p = Math.floor(p / batch[axis]);
  }
  return offset;
}

function unary(name: UnaryName, x: NDArray): NDArray {
  const result = empty(x.shape);
  const f = unaryFunctions[name];
  const X = x.data;
  const Y = result.storage.data;
  for (let i = 0; i < Y.length; i++) Y[i] = f(X[i]);
  return result;
}

function binary(name: BinaryName, a: NDArray, b: NDArray, shape: Shape): NDArray {
  const result = empty(shape);
  const f = binaryFunctions[name];
  const A = broadcastTo(a, shape).data;
  const B = broadcastTo(b, shape).data;
  const Y = result.storage.data;
  for (let i = 0; i < Y.length; i++) Y[i] = f(A[i], B[i]);
  return result;
}

function reduce(
  name: ReduceName,
  x: NDArray,
  outer: number,
  n: number,
  inner: number,
  shape: Shape,
): NDArray {
  const result = empty(shape);
  const f = reduceFunctions[name];
  const X = x.data;
  const Y = result.storage.data;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      let value = X[o * n * inner + i]; // in double precision
      for (let j = 1; j < n; j++) value = f(value, X[(o * n + j) * inner + i]);
      Y[o * inner + i] = value;
    }
  }
  return result;
}

function softmax(x: NDArray, log: boolean): NDArray {
  const result = empty(x.shape);
  const [rows, n] = x.shape;
  const X = x.data;
  const Y = result.storage.data;
  for (let row = 0; row < rows; row++) {
    const at = row * n;
    let max = -Infinity;
    for (let j = 0; j < n; j++) max = Math.max(max, X[at + j]);
    if (max === -Infinity) max = 0; // a row of −∞: 0/0, NaN, as by definition
    let sum = 0;
    for (let j = 0; j < n; j++) sum += Math.exp(X[at + j] - max);
    const logSum = Math.log(sum);
    for (let j = 0; j < n; j++) Y[at + j] = log ? X[at + j] - max - logSum : Math.exp(X[at + j] - max) / sum;
  }
  return result;
}

function causalSoftmax(x: NDArray, queries: number): NDArray {
  const result = empty(x.shape);
  const [rows, n] = x.shape;
  const X = x.data;
  const Y = result.storage.data;
  for (let row = 0; row < rows; row++) {
    const at = row * n;
    const seen = n - queries + 1 + (row % queries);
    let max = -Infinity;
    for (let j = 0; j < seen; j++) max = Math.max(max, X[at + j]);
    if (max === -Infinity) max = 0;
    let sum = 0;
    for (let j = 0; j < seen; j++) sum += Y[at + j] = Math.exp(X[at + j] - max);
    for (let j = 0; j < seen; j++) Y[at + j] /= sum;
    for (let j = seen; j < n; j++) Y[at + j] = 0;
  }
  return result;
}

function softmaxGrad(y: NDArray, dY: NDArray): NDArray {
  const result = empty(y.shape);
  const [rows, n] = y.shape;
  const Y = y.data;
  const G = dY.data;
  const dX = result.storage.data;
  for (let row = 0; row < rows; row++) {
    const at = row * n;
    let dot = 0;
    for (let j = 0; j < n; j++) dot += Y[at + j] === 0 ? 0 : G[at + j] * Y[at + j];
    for (let j = 0; j < n; j++) dX[at + j] = Y[at + j] === 0 ? 0 : Y[at + j] * (G[at + j] - dot);
  }
  return result;
}

function normalize(x: NDArray, eps: number, centre: boolean): { xHat: NDArray; r: NDArray } {
  const [rows, n] = x.shape;
  const xHat = empty(x.shape);
  const r = empty([rows]);
  const X = x.data;
  const Y = xHat.storage.data;
  const R = r.storage.data;
  for (let row = 0; row < rows; row++) {
    const at = row * n;
    let mean = 0;
    if (centre) {
      for (let j = 0; j < n; j++) mean += X[at + j];
      mean /= n;
    }
    let variance = 0;
    for (let j = 0; j < n; j++) variance += (X[at + j] - mean) ** 2;
    const scale = 1 / Math.sqrt(variance / n + eps);
    for (let j = 0; j < n; j++) Y[at + j] = (X[at + j] - mean) * scale;
    R[row] = scale;
  }
  return { xHat, r };
}

function normalizeGrad(xHat: NDArray, r: NDArray, dXHat: NDArray, centre: boolean): NDArray {
  const result = empty(xHat.shape);
  const [rows, n] = xHat.shape;
  const X = xHat.data;
  const R = r.data;
  const G = dXHat.data;
  const dX = result.storage.data;
  for (let row = 0; row < rows; row++) {
    const at = row * n;
    let mean = 0;
    let dot = 0;
    for (let j = 0; j < n; j++) {
      if (centre) mean += G[at + j];
      dot += G[at + j] * X[at + j];
    }
    mean /= n;
    dot /= n;
    for (let j = 0; j < n; j++) dX[at + j] = R[row] * (G[at + j] - mean - X[at + j] * dot);
  }
  return result;
}

const adam: Kernels["adam"] = (parameter, gradient, m, v, step) => {
  const { lr, beta1, beta2, eps, weightDecay, correction1, correction2 } = step;
  const [W, M, V] = [parameter, m, v].map(({ storage, offset, size }) =>
    storage.write().subarray(offset, offset + size),
  );
  const G = gradient.data;
  for (let i = 0; i < G.length; i++) {
    M[i] = beta1 * M[i] + (1 - beta1) * G[i];
    V[i] = beta2 * V[i] + (1 - beta2) * G[i] * G[i];
    const update = M[i] / correction1 / (Math.sqrt(V[i] / correction2) + eps);
    W[i] = W[i] - lr * weightDecay * W[i] - lr * update;
  }
};

/** Writes numbers from number `start` on into `y`, where they have the same places. */
export function dequantizeInto(y: FloatArray, { codes, values, scales, blockSize }: Codes, start = 0): void {
  for (let i = start; i < y.length; i++) {
    const code = (codes[Math.floor(i / 2)] >> (i % 2 ? 0 : 4)) & 15;
    y[i] = Math.fround(values[code] * scales[Math.floor(i / blockSize)]);
  }
}

const dequantize: Kernels["dequantize"] = (from) => {
  const result = empty(from.shape);
  dequantizeInto(result.storage.data, from);
  return result;
};

/** `dequantizeMatmul` in two steps: W as numbers, then the product. */
export const dequantizeThenMultiply =
  ({ dequantize, matmul }: Pick<Kernels, "dequantize" | "matmul">): Kernels["dequantizeMatmul"] =>
  (a, codes, transposed) => {
    const W = dequantize(codes);
    return matmul(a, transposed ? mT(W) : W);
  };

export const reference: Kernels = {
  matmul,
  unary,
  binary,
  reduce,
  softmax,
  causalSoftmax,
  softmaxGrad,
  normalize,
  normalizeGrad,
  dequantize,
  dequantizeMatmul: dequantizeThenMultiply({ dequantize, matmul }),
  adam,
};
