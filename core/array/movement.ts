/** @file Movement: the same values under another shape or order. Views where strides can express it, else copies. */

import { ShapeError } from "../errors.ts";
import { contiguous, empty, NDArray } from "./ndarray.ts";
import {
  broadcastShapes,
  checkShape,
  normalizeAxis,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
} from "./shape.ts";

/** The values in row-major order under another shape; one length may be -1: it follows from the size. */
export function reshape(x: NDArray, shape: Shape): NDArray {
  const actual = resolve(shape, x);
  if (sameShape(actual, x.shape)) return x;
  const source = contiguous(x);
  return new NDArray(source.storage, actual, stridesOf(actual), source.offset);
}

function resolve(shape: Shape, x: NDArray): Shape {
  if (!Array.isArray(shape)) throw new ShapeError("reshape", "a list of lengths", { x: x.shape, shape });
  const open = shape.indexOf(-1);
  const known = sizeOf(shape.filter((_, axis) => axis !== open));
  const actual = open < 0 ? shape : shape.map((length, axis) => (axis === open ? x.size / known : length));
  const legal =
    actual.every((length) => Number.isInteger(length) && length >= 0) && sizeOf(actual) === x.size;
  if (!legal) throw new ShapeError("reshape", `a shape of ${x.size} elements`, { x: x.shape, shape });
  return actual;
}

/** Axes in the order `order`: axis i of the result is axis `order[i]` of `x`. A view. */
export function permute(x: NDArray, order: readonly number[]): NDArray {
  if (!Array.isArray(order)) throw new ShapeError("permute", "a list of axes", { x: x.shape, order });
  const normal = (order as readonly number[]).map((axis) => normalizeAxis("permute", axis, x.rank));
  if (normal.length !== x.rank || new Set(normal).size !== x.rank) {
    throw new ShapeError("permute", `each of the ${x.rank} axes once`, { x: x.shape, order });
  }
  return new NDArray(
    x.storage,
    normal.map((axis) => x.shape[axis]),
    normal.map((axis) => x.strides[axis]),
    x.offset,
  );
}

/** Two axes exchanged. A view. */
export function transpose(x: NDArray, a: number, b: number): NDArray {
  const order = x.shape.map((_, axis) => axis);
  const i = normalizeAxis("transpose", a, x.rank);
  const j = normalizeAxis("transpose", b, x.rank);
  [order[i], order[j]] = [order[j], order[i]];
  return permute(x, order);
}

/** The matrix transpose: the last two axes exchanged. A view. */
export function mT(x: NDArray): NDArray {
  if (x.rank < 2) throw new ShapeError("mT", "x [..., n, m]", { x: x.shape });
  return transpose(x, -2, -1);
}

/** `x` repeated along axes of length 1 and new leading axes until it has `shape`. A view. */
export function broadcastTo(x: NDArray, shape: Shape): NDArray {
  checkShape("broadcastTo", shape);
  if (sameShape(x.shape, shape)) return x;
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape)) {
    throw new ShapeError("broadcastTo", `a shape that broadcasts to [${shape.join(", ")}]`, { x: x.shape });
  }
  const lead = shape.length - x.rank;
  const strides = shape.map((_, axis) =>
    axis < lead || x.shape[axis - lead] === 1 ? 0 : x.strides[axis - lead],
  );
  return new NDArray(x.storage, shape, strides, x.offset);
}

/** Elements `start` (included) to `end` (excluded) along one axis, counted from the end when negative. A view. */
export function slice(x: NDArray, axis: number, start: number, end: number = x.shape.at(axis) ?? 0): NDArray {
  const along = normalizeAxis("slice", axis, x.rank);
  const length = x.shape[along];
  const from = start < 0 ? start + length : start;
  const to = end < 0 ? end + length : end;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > length || from > to) {
    throw new ShapeError("slice", `0 ≤ start ≤ end ≤ ${length} on axis ${along}`, { start, end, x: x.shape });
  }
  const shape = x.shape.map((n, i) => (i === along ? to - from : n));
  return new NDArray(x.storage, shape, x.strides, x.offset + from * x.strides[along]);
}

/** Arrays joined along an axis that exists in each; their other lengths agree. */
export function concat(arrays: readonly NDArray[], axis = 0): NDArray {
  const [first] = arrays;
  if (!first) throw new ShapeError("concat", "at least one array", { arrays: 0 });
  const along = normalizeAxis("concat", axis, first.rank);
  for (const x of arrays) {
    if (x.rank !== first.rank || x.shape.some((n, i) => i !== along && n !== first.shape[i])) {
      throw new ShapeError("concat", `shapes that agree off axis ${along}`, {
        first: first.shape,
        other: x.shape,
      });
    }
  }
  const total = arrays.reduce((sum, x) => sum + x.shape[along], 0);
  const shape = first.shape.map((n, i) => (i === along ? total : n));
  const result = empty(shape);
  const outer = sizeOf(shape.slice(0, along));
  const inner = sizeOf(shape.slice(along + 1));
  const target = result.storage.data;
  let at = 0;
  for (const x of arrays) {
    const { data } = x;
    const block = x.shape[along] * inner;
    for (let o = 0; o < outer; o++)
      target.set(data.subarray(o * block, (o + 1) * block), o * total * inner + at);
    at += block;
  }
  return result;
}

/**
 * Zeros with `x` written from `start` on, `length` long along `axis`: the adjoint of `slice`.
 * @throws ShapeError unless start and length are integers and x fits
 */
export function pad(x: NDArray, axis: number, start: number, length: number): NDArray {
  const along = normalizeAxis("pad", axis, x.rank);
  const own = x.shape[along];
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(length) || start < 0 || start + own > length) {
    throw new ShapeError("pad", `0 ≤ start ≤ length − ${own}, the length of axis ${along}`, {
      start,
      length,
      x: x.shape,
    });
  }
  const shape = x.shape.map((n, i) => (i === along ? length : n));
  const result = empty(shape);
  const target = result.storage.data;
  target.fill(0);
  const { data } = x;
  const outer = sizeOf(shape.slice(0, along));
  const inner = sizeOf(shape.slice(along + 1));
  const block = x.shape[along] * inner;
  for (let o = 0; o < outer; o++) {
    target.set(data.subarray(o * block, (o + 1) * block), (o * length + start) * inner);
  }
  return result;
}
