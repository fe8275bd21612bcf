/** @file Reductions, softmax and normalization on the cpu device, with their backward passes. */

import { reshape } from "../array/movement.ts";
import { contiguous, empty, type NDArray } from "../array/ndarray.ts";
import type { Shape } from "../array/shape.ts";
import type { ReduceName } from "../device/functions.ts";
import { reference } from "../device/reference.ts";
import { footprint, type Operands, part } from "./operands.ts";
import { floatBits, kernels, type WasmRuntime } from "./wasm-runtime.ts";

/** The numbers of the functions in assembly/rows.ts. */
const functions: Record<ReduceName, number> = { sum: 0, max: 1, min: 2 };

/** Longer rows are reduced in pieces of this many elements, and then the results of the pieces. */
const ROW = 16384;

/**
 * Columns up to this length are summed in one go. The kernel adds eight rows at a time, in pairs, where four columns
 * lie side by side, and one row after the other in the columns that are left when `inner` is not a multiple of four:
 * these lose more digits, so then the bound is lower.
 */
const COLUMN = { inGroups: 1024, oneByOne: 256 };

/**
 * Longer columns are summed in blocks of this many elements, then the sums of the blocks in the same way, until one
 * is left. A number passes at most 17 additions a level (63 one by one), and there is a level for each factor of 64
 * in n; in one go, at most 137 (255). So the error of a long sum is a multiple of ε log n Σ|x|, not of ε n Σ|x| (N.
 * Higham, The accuracy of floating point summation, 1993).
 */
const BLOCK = 64;

/** Columns that are reduced together: their intermediate results stay in the first-level cache. */
const COLUMNS = 256;

/**
 * Softmax and normalization of longer rows run on the plain loops of `reference`. A kernel needs up to three of these
 * rows at once, which fit into the smallest window that a memory is given by default (8 MiB).
 */
const LONGEST_ROW = 2 ** 19;

export function reduce(
  runtime: WasmRuntime,
  name: ReduceName,
  x: NDArray,
  outer: number,
  n: number,
  inner: number,
  shape: Shape,
): NDArray {
  const result = empty(shape);
  const f = functions[name];
  x = contiguous(x);
  if (inner === 1) reduceRows(runtime, f, reshape(x, [outer, n]), reshape(result, [outer, 1]));
  else {
    const longest = inner % 4 === 0 ? COLUMN.inGroups : COLUMN.oneByOne;
    const block = n <= longest ? n : BLOCK;
    reduceColumns(runtime, f, reshape(x, [outer, n, inner]), reshape(result, [outer, 1, inner]), block);
  }
  return result;
}

/** x [rows, n] over n, to y [rows, 1]. */
function reduceRows(runtime: WasmRuntime, f: number, x: NDArray, y: NDArray): void {
  const [rows, n] = x.shape;
  const pieces = Math.ceil(n / ROW);
  const partial = pieces === 1 ? y : empty([rows, pieces]);
  const run = (operands: Operands, [X, Y]: readonly NDArray[]): void => {
    const [count, length] = X.shape;
    const chunks = runtime.chunks(Y.size, X.size * 0.3);
    const addresses = [operands.input(X).address, operands.output(Y).address];
    runtime.run(kernels.reduceRows, chunks, [...addresses, count, length, Math.min(n, ROW), f]);
  };
  if (footprint(part(x, 0, 0, 1)) <= runtime.piece) runtime.pieces([x, partial], run);
  else {
    const atATime = Math.max(1, Math.floor(runtime.piece / 4 / ROW));
    for (let row = 0; row < rows; row++) {
      for (let from = 0; from < pieces; from += atATime) {
        const to = Math.min(pieces, from + atATime);
        const X = part(part(x, 0, row, row + 1), 1, from * ROW, Math.min(n, to * ROW));
        const Y = part(part(partial, 0, row, row + 1), 1, from, to);
        runtime.call((operands) => run(operands, [X, Y]));
      }
    }
  }
  if (pieces === 1) return;
  reduceRows(runtime, f, partial, y);
  partial.storage.release();
}

/** x [outer, n, inner] over n, to y [outer, 1, inner]: first each block, then their results. */
function reduceColumns(runtime: WasmRuntime, f: number, x: NDArray, y: NDArray, block: number): void {
  const [outer, n, inner] = x.shape;
  const blocks = Math.ceil(n / block);
  const partial = blocks === 1 ? y : empty([outer, blocks, inner]);
  reduceBlocks(runtime, f, x, partial, block);
  if (blocks === 1) return;
  reduceColumns(runtime, f, partial, y, block);
  partial.storage.release();
}

/** x [outer, n, inner], in blocks of n, to y [outer, blocks, inner]; in two halves when x and y do not fit. */
function reduceBlocks(runtime: WasmRuntime, f: number, x: NDArray, y: NDArray, block: number): void {
  const bytes = footprint(x) + footprint(y);
  const [outer, blocks, inner] = y.shape;
  const axis =
    bytes <= runtime.piece ? -1 : outer > 1 ? 0 : blocks > 1 ? 1 : bytes <= runtime.windowCapacity ? -1 : 2;
  if (axis >= 0) {
    const [length, step] = [y.shape[axis], axis === 1 ? block : 1];
    // Cut between groups of four columns: the kernel sums the columns after the last group in another order.
    const middle = axis === 2 ? Math.ceil(length / 8) * 4 : Math.ceil(length / 2);
    for (const [from, to] of [
      [0, middle],
      [middle, length],
    ]) {
      const X = part(x, axis, from * step, Math.min(x.shape[axis], to * step));
      reduceBlocks(runtime, f, X, part(y, axis, from, to), block);
    }
    return;
  }
  runtime.call((operands) => {
    const [X, Y] = [operands.input(x), operands.output(y)];
    // With too few blocks for all threads, the columns are cut into narrower pieces of whole cache lines.
    const shares = Math.ceil(runtime.threads / (outer * blocks));
    const columns = Math.min(COLUMNS, Math.ceil(inner / shares / 16) * 16);
    const items = outer * blocks * Math.ceil(inner / columns);
    runtime.run(kernels.reduceColumns, runtime.chunks(items, x.size * 0.3), [
      ...[X.address, X.strides[0] * 4, X.strides[1] * 4, Y.address, Y.strides[0] * 4, Y.strides[1] * 4],
      ...[outer, x.shape[1], inner, block, f, columns],
    ]);
  });
}

/**
 * Softmax of each row; with `queries` above 1 the last elements of each row are masked, as in
 * `Kernels.causalSoftmax`.
 */
export function softmax(runtime: WasmRuntime, x: NDArray, log: boolean, queries: number): NDArray {
  const [, n] = x.shape;
  if (n > LONGEST_ROW) return queries > 1 ? reference.causalSoftmax(x, queries) : reference.softmax(x, log);
  const result = empty(x.shape);
  runtime.pieces([x, result], (operands, [X, Y], from) => {
    const [rows] = X.shape;
    const addresses = [operands.input(X).address, operands.output(Y).address];
    const chunks = runtime.chunks(rows, X.size);
    runtime.run(kernels.softmax, chunks, [...addresses, rows, n, log ? 1 : 0, queries, from % queries]);
  });
  return result;
}

export function softmaxGrad(runtime: WasmRuntime, y: NDArray, dY: NDArray): NDArray {
  const [, n] = y.shape;
  if (n > LONGEST_ROW) return reference.softmaxGrad(y, dY);
  const result = empty(y.shape);
  runtime.pieces([y, dY, result], (operands, [Y, G, dX]) => {
    const [rows] = Y.shape;
    const addresses = [operands.input(Y).address, operands.input(G).address, operands.output(dX).address];
    runtime.run(kernels.softmaxGrad, runtime.chunks(rows, Y.size * 0.5), [...addresses, rows, n]);
  });
  return result;
}

export function normalize(
  runtime: WasmRuntime,
  x: NDArray,
  eps: number,
  centre: boolean,
): { xHat: NDArray; r: NDArray } {
  const [, n] = x.shape;
  if (n > LONGEST_ROW) return reference.normalize(x, eps, centre);
  const xHat = empty(x.shape);
  const r = empty([x.shape[0]]);
  runtime.pieces([x, xHat, r], (operands, [X, Y, R]) => {
    const [rows] = X.shape;
    const addresses = [operands.input(X).address, operands.output(Y).address, operands.output(R).address];
    const chunks = runtime.chunks(rows, X.size * 0.6);
    runtime.run(kernels.normalize, chunks, [...addresses, rows, n, centre ? 1 : 0, floatBits(eps)]);
  });
  return { xHat, r };
}

export function normalizeGrad(
  runtime: WasmRuntime,
  xHat: NDArray,
  r: NDArray,
  dXHat: NDArray,
  centre: boolean,
): NDArray {
  const [, n] = xHat.shape;
  if (n > LONGEST_ROW) return reference.normalizeGrad(xHat, r, dXHat, centre);
  const result = empty(xHat.shape);
  runtime.pieces([xHat, r, dXHat, result], (operands, [X, R, G, dX]) => {
    const [rows] = X.shape;
    const addresses = [...[X, R, G].map((x) => operands.input(x).address), operands.output(dX).address];
    const chunks = runtime.chunks(rows, X.size * 0.7);
    runtime.run(kernels.normalizeGrad, chunks, [...addresses, rows, n, centre ? 1 : 0]);
  });
  return result;
}
