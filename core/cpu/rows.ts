/** @file Reductions, softmax and normalization on the cpu device. */

import type { ReduceName } from "../kernels.ts";
import { empty, type NDArray } from "../ndarray.ts";
import type { Shape } from "../shape.ts";
import { floatBits, kernels, type Machine } from "./machine.ts";

const functions: Record<ReduceName, number> = { sum: 0, max: 1, min: 2 };

/** Longer rows are reduced in pieces of this many elements, and then the pieces. */
const PIECE = 16384;

/** Columns reduced at a time: their running results stay in the first-level cache. */
const COLUMNS = 256;

export function reduce(
  machine: Machine,
  name: ReduceName,
  x: NDArray,
  outer: number,
  n: number,
  inner: number,
  shape: Shape,
): NDArray {
  const result = empty(shape);
  const f = functions[name];
  const nanoseconds = x.size * 0.3;
  machine.call((operands) => {
    const X = operands.input(x);
    const Y = operands.output(result);
    if (inner === 1 && n <= PIECE) {
      machine.run(kernels.reduceRows, machine.chunks(outer, nanoseconds), [X, Y, outer, n, n, f]);
    } else if (inner === 1) {
      const pieces = Math.ceil(n / PIECE);
      const partial = operands.workspace(outer * pieces * 4);
      const chunks = machine.chunks(outer * pieces, nanoseconds);
      machine.run(kernels.reduceRows, chunks, [X, partial, outer, n, PIECE, f]);
      machine.run(kernels.reduceRows, 1, [partial, Y, outer, pieces, pieces, f]);
    } else {
      // Narrower pieces, of whole cache lines, when there are too few for the threads.
      const shares = Math.ceil(machine.threads / outer);
      const columns = Math.min(COLUMNS, Math.ceil(inner / shares / 16) * 16);
      const items = outer * Math.ceil(inner / columns);
      machine.run(kernels.reduceColumns, machine.chunks(items, nanoseconds), [
        X,
        Y,
        outer,
        n,
        inner,
        f,
        columns,
      ]);
    }
  });
  return result;
}

/** With `queries` above 1, each row's last elements are not seen, as `Kernels.causalSoftmax` says. */
export function softmax(machine: Machine, x: NDArray, log: boolean, queries: number): NDArray {
  const result = empty(x.shape);
  const [rows, n] = x.shape;
  machine.call((operands) => {
    const chunks = machine.chunks(rows, x.size);
    const addresses = [operands.input(x), operands.output(result)];
    machine.run(kernels.softmax, chunks, [...addresses, rows, n, log ? 1 : 0, queries]);
  });
  return result;
}

export function softmaxGrad(machine: Machine, y: NDArray, dY: NDArray): NDArray {
  const result = empty(y.shape);
  const [rows, n] = y.shape;
  machine.call((operands) => {
    const chunks = machine.chunks(rows, y.size * 0.5);
    const addresses = [operands.input(y), operands.input(dY), operands.output(result)];
    machine.run(kernels.softmaxGrad, chunks, [...addresses, rows, n]);
  });
  return result;
}

export function normalize(
  machine: Machine,
  x: NDArray,
  eps: number,
  centre: boolean,
): { xHat: NDArray; r: NDArray } {
  const [rows, n] = x.shape;
  const xHat = empty(x.shape);
  const r = empty([rows]);
  machine.call((operands) => {
    const chunks = machine.chunks(rows, x.size * 0.6);
    const addresses = [operands.input(x), operands.output(xHat), operands.output(r)];
    machine.run(kernels.normalize, chunks, [...addresses, rows, n, centre ? 1 : 0, floatBits(eps)]);
  });
  return { xHat, r };
}

export function normalizeGrad(
  machine: Machine,
  xHat: NDArray,
  r: NDArray,
  dXHat: NDArray,
  centre: boolean,
): NDArray {
  const result = empty(xHat.shape);
  const [rows, n] = xHat.shape;
  machine.call((operands) => {
    const chunks = machine.chunks(rows, xHat.size * 0.7);
    const addresses = [
      operands.input(xHat),
      operands.input(r),
      operands.input(dXHat),
      operands.output(result),
    ];
    machine.run(kernels.normalizeGrad, chunks, [...addresses, rows, n, centre ? 1 : 0]);
  });
  return result;
}
