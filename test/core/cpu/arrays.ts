/** @file Arbitrary arrays for the tests of the cpu device: any layout, inside the kernels' memory or outside. */

import fc from "fast-check";
import { array, type NDArray, permute, type Shape, scope, sizeOf, slice } from "lowrank/core";

/** Numbers in [−1, 1) from a seed: fast to make and to shrink past. */
export function numbers(seed: number, length: number): Float32Array {
  let state = seed | 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

/** How an array lies in its storage: the order of its axes there, and whether it is a part of something larger. */
export interface Layout {
  readonly seed: number;
  readonly isReversed: boolean;
  readonly margin: number;
}

export const layout: fc.Arbitrary<Layout> = fc.record({
  seed: fc.integer(),
  isReversed: fc.boolean(),
  margin: fc.integer({ min: 0, max: 3 }),
});

/** An array of this shape, with axes in reverse order in memory and a margin along every axis if the layout says so. */
export function arrange(shape: Shape, { seed, isReversed, margin }: Layout): NDArray {
  const axes = shape.map((_, axis) => axis);
  const order = isReversed ? axes.toReversed() : axes;
  const outer = order.map((axis) => shape[axis] + 2 * margin);
  let x = array(numbers(seed, sizeOf(outer)), outer);
  for (const axis of axes) x = slice(x, axis, margin, margin + shape[order[axis]]);
  return permute(x, order);
}

/** A contiguous array that does not begin where its storage does when there is a margin. */
export function rows(shape: Shape, { seed, margin }: Layout): NDArray {
  const [first = 1, ...rest] = shape;
  const x = array(numbers(seed, (first + margin) * sizeOf(rest)), [first + margin, ...rest]);
  const part = slice(x, 0, margin);
  return shape.length === 0 ? array(x.data.slice(-1), []) : part;
}

/** Runs `fn` so that its arrays are made where the kernels reach them without copies, or not. */
export function inside(isInside: boolean, fn: () => void): void {
  if (isInside) scope(fn);
  else fn();
}
