/** @file Integer indices (token ids, labels, positions): an Int32Array with a shape, never differentiated. */

import { ArgumentError, ShapeError } from "../errors.ts";
import { checkShape, type Shape, sizeOf } from "./shape.ts";

export interface Indices {
  readonly data: Int32Array;
  readonly shape: Shape;
}

/** What functions accept as indices: `Indices`, a plain list (one axis), or lists of equal length (two axes). */
export type IndexLike = Indices | Int32Array | readonly number[] | readonly (readonly number[])[];

/**
 * Indices from a list, lists of lists, or a flat list and a shape. Each must be an integer of 32 bits: others are refused,
 * never wrapped.
 * @param shape defaults to the shape of `values`
 * @throws ShapeError on ragged lists, a wrong count or an invalid shape; ArgumentError when `values` is not a list of
 *   numbers, and naming the first element that is a NaN, a fraction or beyond ±2³¹
 */
export function indices(values: IndexLike, shape?: Shape): Indices {
  const given = isIndices(values) ? values.data : values;
  const lists = given as readonly (readonly number[])[];
  const isNested = Array.isArray(given) && lists.some(isList);
  if (!isList(given)) throw notNumbers(values);
  const lengths = isNested ? lists.map((list) => (isList(list) ? list.length : undefined)) : [];
  if (lengths.some((length) => length !== lengths[0])) {
    throw new ShapeError("indices", "lists of equal length", { lengths: lengths.map((n) => n ?? "none") });
  }
  const flat = isNested ? lists.flatMap((list) => Array.from(list)) : (given as ArrayLike<number>);
  const own = isIndices(values) ? values.shape : isNested ? [lists.length, lists[0].length] : [flat.length];
  const actual = shape ?? own;
  checkShape("indices", actual);
  if (sizeOf(actual) !== flat.length) {
    throw new ShapeError("indices", `${sizeOf(actual)} values for the shape`, {
      shape: actual,
      values: flat.length,
    });
  }
  if (flat instanceof Int32Array) return isIndices(values) && !shape ? values : { data: flat, shape: actual };
  for (let i = 0; i < flat.length; i++) {
    if (!Number.isInteger(flat[i]) || flat[i] !== (flat[i] | 0))
      throw new ArgumentError("indices", "integers from −2³¹ to 2³¹ − 1", { [`element ${i}`]: flat[i] });
  }
  return { data: Int32Array.from(flat), shape: actual };
}

const isList = (values: unknown): values is ArrayLike<number> =>
  Array.isArray(values) || (ArrayBuffer.isView(values) && "length" in values);

function isIndices(values: unknown): values is Indices {
  return (
    typeof values === "object" &&
    values !== null &&
    isList((values as Partial<Indices>).data) &&
    Array.isArray((values as Partial<Indices>).shape)
  );
}

function notNumbers(values: unknown): ArgumentError {
  const isTensor = typeof (values as { toArray?: unknown } | null)?.toArray === "function";
  const expected = isTensor
    ? "integers, in a list or an Int32Array (a tensor holds floats: give Array.from(t.toArray()))"
    : "a list of integers, or an Int32Array";
  const kind = isTensor ? "a tensor" : values === null ? "null" : typeof values;
  return new ArgumentError("indices", expected, { indices: kind });
}

/** @throws ArgumentError naming the first index that is neither in [0, bound) nor equal to `except` */
export function checkIndices(who: string, { data }: Indices, bound: number, except?: number): void {
  for (let i = 0; i < data.length; i++) {
    if ((data[i] < 0 || data[i] >= bound) && data[i] !== except) {
      throw new ArgumentError(who, `indices from 0 to ${bound - 1}`, { [`element ${i}`]: data[i] });
    }
  }
}
