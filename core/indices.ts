/** @file Integer indices (token ids, labels, positions): an Int32Array with a shape, never differentiated. */

import { ArgumentError, ShapeError } from "./errors.ts";
import { type Shape, sizeOf } from "./shape.ts";

export interface Indices {
  readonly data: Int32Array;
  readonly shape: Shape;
}

/** What functions accept for indices: with a shape, or a plain list as one axis, or lists of equal length as two. */
export type IndexLike = Indices | Int32Array | readonly number[] | readonly (readonly number[])[];

/**
 * Indices from a list, lists of lists, or a flat list and a shape. Each must be an integer.
 * @throws ShapeError on ragged lists or a wrong count, ArgumentError on a NaN or fraction (the element is named)
 */
export function indices(values: IndexLike, shape?: Shape): Indices {
  if (!shape && isIndices(values)) return values;
  const nested = Array.isArray(values) && Array.isArray(values[0]);
  const lists = values as readonly (readonly number[])[];
  if (nested && lists.some((list) => list.length !== lists[0].length)) {
    throw new ShapeError("indices", "lists of equal length", { lengths: lists.map((list) => list.length) });
  }
  const flat: ArrayLike<number> = isIndices(values)
    ? values.data
    : nested
      ? lists.flat()
      : (values as number[]);
  const actual = shape ?? (nested ? [lists.length, lists[0].length] : [flat.length]);
  if (sizeOf(actual) !== flat.length) {
    throw new ShapeError("indices", `${sizeOf(actual)} values for the shape`, {
      shape: actual,
      values: flat.length,
    });
  }
  if (flat instanceof Int32Array) return { data: flat, shape: actual };
  for (let i = 0; i < flat.length; i++) {
    if (!Number.isInteger(flat[i]))
      throw new ArgumentError("indices", "integers", { [`element ${i}`]: flat[i] });
  }
  return { data: Int32Array.from(flat), shape: actual };
}

function isIndices(values: IndexLike): values is Indices {
  return !Array.isArray(values) && !(values instanceof Int32Array);
}

/** Throws unless every index is in [0, bound), or equals `except`. The first offender is named with its place. */
export function checkIndices(who: string, { data }: Indices, bound: number, except?: number): void {
  for (let i = 0; i < data.length; i++) {
    if ((data[i] < 0 || data[i] >= bound) && data[i] !== except) {
      throw new ArgumentError(who, `indices from 0 to ${bound - 1}`, { [`element ${i}`]: data[i] });
    }
  }
}
