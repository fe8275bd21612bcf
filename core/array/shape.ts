/** @file Shapes: sizes, strides, axes and NumPy's broadcasting. No data here. */

import { ShapeError } from "../errors.ts";

/** Lengths of the axes, outermost first. `[]` is a scalar. */
export type Shape = readonly number[];

/** Number of elements: the product of the lengths, 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** True when both have the same lengths in the same order. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** @throws ShapeError when a length is not a non-negative integer, or the number of elements is not a safe integer */
export function checkShape(who: string, shape: Shape): void {
  const legal = Array.isArray(shape) && shape.every((length) => Number.isSafeInteger(length) && length >= 0);
  if (!legal || !Number.isSafeInteger(sizeOf(shape))) {
    throw new ShapeError(who, "a shape of non-negative integers", { shape });
  }
}

/**
 * The shape that `shapes` broadcast to (NumPy's rule): aligned at the last axis, a length of 1 repeats,
 * other lengths must agree. 0 and 1 broadcast to 0.
 */
export function broadcastShapes(who: string, ...shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const lead = rank - shape.length;
    for (let axis = 0; axis < shape.length; axis++) {
      const length = shape[axis];
      if (length === 1) continue;
      if (result[lead + axis] === 1) result[lead + axis] = length;
      else if (result[lead + axis] !== length) {
        const names = Object.fromEntries(shapes.map((s, i) => [String.fromCharCode(97 + i), s]));
        throw new ShapeError(who, "shapes that broadcast together", names);
      }
    }
  }
  return result;
}

/** The axis counted from the start; a negative `axis` counts from the end. @throws ShapeError when it is out of range */
export function normalizeAxis(who: string, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank) {
    throw new ShapeError(who, `an axis from ${-rank} to ${rank - 1}`, { axis, rank });
  }
  return normal;
}

/** The axes of a reduction, counted from the start, ascending; all by default. @throws ShapeError on duplicates */
export function normalizeAxes(
  who: string,
  axes: number | readonly number[] | undefined,
  rank: number,
): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  if (typeof axes !== "number" && !Array.isArray(axes))
    throw new ShapeError(who, "an axis or a list of axes (undefined: all of them)", { axes });
  const normal = (typeof axes === "number" ? [axes] : (axes as readonly number[])).map((axis) =>
    normalizeAxis(who, axis, rank),
  );
  if (new Set(normal).size !== normal.length) throw new ShapeError(who, "distinct axes", { axes });
  return normal.sort((a, b) => a - b);
}
