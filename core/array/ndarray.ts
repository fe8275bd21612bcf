/**
 * @file NDArray: a shape over a storage. Immutable by convention; dense and row-major, except that
 * transposes, slices and broadcasts are views: other strides over the same storage, made without a copy.
 */

import { ShapeError } from "../errors.ts";
import type { Category } from "../meter.ts";
import { flatten, type Nested, nest } from "./nested.ts";
import { type HasStorages, keepsCopies } from "./scope.ts";
import { checkShape, type Shape, sizeOf, stridesOf } from "./shape.ts";
import {
  currentPrecision,
  type FloatArray,
  gatherInArena,
  hostStorage,
  newStorage,
  type Storage,
} from "./storage.ts";

/**
 * Numbers with a shape, without gradients: what kernels read and write.
 *
 *     const x = array([[1, 2, 3], [4, 5, 6]]); // [2, 3]
 *     mT(x).shape; // [3, 2], a view of the same storage
 *
 * Functions on arrays return new ones and change none.
 */
export class NDArray implements HasStorages {
  readonly storage: Storage;
  readonly shape: Shape;
  /** Step in the storage from one element to the next, per axis. */
  readonly strides: readonly number[];
  /** Position of the first element in the storage. */
  readonly offset: number;
  readonly size: number;
  /** True when the elements lie side by side in row-major order. */
  readonly isContiguous: boolean;

  constructor(storage: Storage, shape: Shape, strides?: readonly number[], offset = 0) {
    this.storage = storage;
    this.shape = shape;
    this.strides = strides ?? stridesOf(shape);
    this.offset = offset;
    this.size = sizeOf(shape);
    this.isContiguous = strides === undefined || isRowMajor(shape, strides);
  }

  get rank(): number {
    return this.shape.length;
  }

  /** The values in row-major order, for reading: a view of the storage when contiguous, else a copy. */
  get data(): FloatArray {
    if (!this.isContiguous) return contiguous(this).data;
    const { data } = this.storage;
    return data.length === this.size ? data : data.subarray(this.offset, this.offset + this.size);
  }

  /** For JSON.stringify: the values as nested lists. */
  toJSON(): Nested {
    return nest(this.data, this.shape);
  }

  *storages(): Generator<Storage> {
    yield this.storage;
  }
}

function isRowMajor(shape: Shape, strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 0) return true;
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** An array with arbitrary contents: the caller writes every element before it is read. */
export function empty(shape: Shape, category?: Category): NDArray {
  return new NDArray(newStorage(sizeOf(shape), category), shape);
}

/** An array with every element equal to `value`. */
export function full(shape: Shape, value: number, category?: Category): NDArray {
  checkShape("full", shape);
  const array = empty(shape, category);
  array.storage.data.fill(value);
  return array;
}

/** An array of zeros. */
export const zeros = (shape: Shape, category?: Category): NDArray => full(shape, 0, category);
/** An array of ones. */
export const ones = (shape: Shape, category?: Category): NDArray => full(shape, 1, category);

/**
 * An array from numbers: a typed array or flat list with a shape, or nested lists whose nesting gives the
 * shape. The numbers are copied, and rounded to float32 unless `withPrecision("float64")`.
 * @throws ShapeError when the number of values is not that of the shape, or lists are ragged; ArgumentError on elements
 *   that are not numbers
 */
export function array(data: ArrayLike<number> | Nested, shape?: Shape, category?: Category): NDArray {
  const { flat, shape: own } = flatten("array", data);
  const actual = shape ?? own;
  checkShape("array", actual);
  if (flat.length !== sizeOf(actual)) {
    throw new ShapeError("array", `${sizeOf(actual)} values for shape [${actual.join(", ")}]`, {
      values: flat.length,
    });
  }
  const result = empty([...actual], category);
  result.storage.data.set(flat);
  return result;
}

/** Takes over `data` without a copy (one is made when the precision differs). @throws ShapeError on a wrong count */
export function fromHost(data: FloatArray, shape: Shape, category?: Category): NDArray {
  checkShape("fromHost", shape);
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError("fromHost", `${sizeOf(shape)} values for shape [${shape.join(", ")}]`, {
      values: data.length,
    });
  }
  if (data.BYTES_PER_ELEMENT !== (currentPrecision() === "float64" ? 8 : 4))
    return array(data, shape, category);
  return new NDArray(hostStorage(data, category), shape);
}

/** The same values side by side in row-major order. `x` itself when it is contiguous. */
export function contiguous(x: NDArray): NDArray {
  return x.isContiguous ? x : gathered(x);
}

/**
 * A contiguous copy with its own storage. Inside a scope it is a temporary like any result, except when a category says
 * what it is for: `copy(x, "weights")` stays. In the callbacks of `fit` every copy stays.
 */
export function copy(x: NDArray, category?: Category): NDArray {
  const result = gathered(x, category);
  if (keepsCopies()) result.storage.keep();
  return result;
}

function gathered(x: NDArray, category?: Category): NDArray {
  const result = empty(x.shape, category);
  if (!gatherInArena(x.storage, x.offset, x.shape, x.strides, result.storage)) {
    gatherStrided(x.storage.data, x.offset, x.shape, x.strides, result.storage.data);
  }
  return result;
}

/** Writes the elements of a strided view, in row-major order, to the front of `target`. */
export function gatherStrided(
  source: FloatArray,
  offset: number,
  shape: Shape,
  strides: readonly number[],
  target: FloatArray,
): void {
  eachRow(shape, strides, offset, (at, out, length, step) => {
    if (step === 1 && length > LONG) target.set(source.subarray(at, at + length), out);
    else for (let i = 0, from = at; i < length; i++, from += step) target[out + i] = source[from];
  });
}

/** Writes the front of `source` to the elements of a strided view, in row-major order. */
export function scatterStrided(
  source: FloatArray,
  target: FloatArray,
  offset: number,
  shape: Shape,
  strides: readonly number[],
): void {
  eachRow(shape, strides, offset, (at, out, length, step) => {
    if (step === 1 && length > LONG) target.set(source.subarray(out, out + length), at);
    else for (let i = 0, to = at; i < length; i++, to += step) target[to] = source[out + i];
  });
}

/** Shorter rows are copied faster by a loop. */
const LONG = 32;

/** Visits the rows of a strided view in order: where each begins, how many elements came before, length and step. */
function eachRow(
  shape: Shape,
  strides: readonly number[],
  offset: number,
  visit: (at: number, before: number, length: number, step: number) => void,
): void {
  const size = sizeOf(shape);
  if (size === 0) return;
  if (isRowMajor(shape, strides)) {
    visit(offset, 0, size, 1);
    return;
  }
  const rank = shape.length;
  const inner = shape[rank - 1];
  const step = strides[rank - 1];
  const index = new Array<number>(rank).fill(0);
  let at = offset;
  for (let out = 0; out < size; out += inner) {
    visit(at, out, inner, step);
    for (let axis = rank - 2; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/** True when an element is NaN. */
export const hasNaN = (x: NDArray): boolean => !allWithin(x, Infinity);

/** True when every |element| ≤ bound, which a NaN is not. A view is read in place, without a copy. */
export function allWithin(x: NDArray, bound: number): boolean {
  const { data } = x.storage;
  let all = true;
  eachRow(x.shape, x.strides, x.offset, (at, _, length, step) => {
    if (!all) return;
    for (let i = 0, from = at; i < length; i++, from += step) {
      const value = data[from];
      if (!(value <= bound && value >= -bound)) all = false;
    }
  });
  return all;
}
