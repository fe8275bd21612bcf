/**
 * @file Arrays as they lie in memory: the one generator of views for the tests of ops and kernels. A layout is data and
 * knows no shape; `view` gives an array of any shape that lies so. What is around and between the elements of a view
 * is NaN: whoever reads it is found out.
 */

import * as fc from "fast-check";
import { Tensor } from "lowrank/autograd";
import { type FloatArray, NDArray, type Shape, sizeOf, stridesOf } from "lowrank/core";
import { newStorage } from "../../core/array/storage.ts";
import { numbers } from "./numbers.ts";

/** Lengths around the kernels' tiles (2, 4, 8 rows; 4, 8, 16 columns), and some others. */
export const extent: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33),
  fc.integer({ min: 1, max: 9 }),
  fc.integer({ min: 10, max: 70 }),
);

/** How an array lies in its storage. Lists have an entry for each axis, aligned at the last. */
export interface Layout {
  /** Of the values. */
  readonly seed: number;
  /** Halves from −1 to 1, among them 0, −0 and many equals, instead of any numbers in [−1, 1). */
  readonly isCoarse: boolean;
  /** Axes lie in the order of these keys, equals as they come: all equal is row-major. */
  readonly order: readonly number[];
  /** Elements of the storage before and after the view's, along each axis. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Axes along which one element is repeated: their stride is 0. */
  readonly repeats: readonly boolean[];
  /** Axes that run backwards: their stride is negative. */
  readonly backwards: readonly boolean[];
  /** Where the kernels of the cpu device reach it without a copy, if a scope is open. */
  readonly isInArena: boolean;
}

const MOST_AXES = 8;
const perAxis = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(value, { minLength: MOST_AXES, maxLength: MOST_AXES });
const none = perAxis(fc.constant(0));

const asStored = none;
/** As `.T` leaves them: the last two exchanged, the batch outside. */
const matrixTransposed = fc.constant([0, 0, 0, 0, 0, 0, 2, 1]);
const reversed = fc.constant([7, 6, 5, 4, 3, 2, 1, 0]);
const order = fc.oneof(asStored, matrixTransposed, reversed, perAxis(fc.nat(MOST_AXES - 1)));

/** No axis, the last, the one before it, or any. */
const someAxes = fc.oneof(
  { weight: 4, arbitrary: perAxis(fc.constant(false)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...[7, 6, 5].map((at) => Array.from({ length: 8 }, (_, i) => i === at))),
  },
  { weight: 1, arbitrary: perAxis(fc.boolean()) },
);
const margin = fc.oneof(none, perAxis(fc.nat(2)));

export const layout: fc.Arbitrary<Layout> = fc.record({
  seed: fc.nat(),
  isCoarse: fc.boolean(),
  order,
  before: margin,
  after: margin,
  repeats: someAxes,
  backwards: fc.oneof(
    { weight: 3, arbitrary: perAxis(fc.constant(false)) },
    { weight: 1, arbitrary: someAxes },
  ),
  isInArena: fc.boolean(),
});

/** An array of this shape that lies so. */
export function view(shape: Shape, how: Layout): NDArray {
  return placed(numbers(how.seed, sizeOf(shape), how.isCoarse), shape, how);
}

/** A contiguous array of this shape that need not begin where its storage does. */
export function packed(shape: Shape, { seed, isCoarse, before, after, isInArena }: Layout): NDArray {
  const [first, last] = [before.at(-1) ?? 0, after.at(-1) ?? 0];
  const values = numbers(seed, sizeOf(shape), isCoarse);
  const storage = newStorage(first + values.length + last, isInArena ? "workspace" : "weights");
  storage.data.fill(NaN);
  storage.data.set(values, first);
  return new NDArray(storage, shape, undefined, first);
}

/** The values of x laid out so; along repeated axes its first ones only. */
export function viewOf(x: Tensor, how: Layout): Tensor {
  return new Tensor(placed(x.value.data, x.shape, how));
}

function placed(values: FloatArray, shape: Shape, how: Layout): NDArray {
  const of = <T>(list: readonly T[], axis: number): T => list[list.length - shape.length + axis];
  const axes = shape.map((_, axis) => axis);
  const own = shape.map((n, axis) => (of(how.repeats, axis) ? Math.min(n, 1) : n));
  const stored = own.map((n, axis) => of(how.before, axis) + n + of(how.after, axis));
  const outermostFirst = axes.toSorted((a, b) => of(how.order, a) - of(how.order, b));
  const steps = stridesOf(outermostFirst.map((axis) => stored[axis]));
  const stepOf = axes.map((axis) => steps[outermostFirst.indexOf(axis)]);

  const storage = newStorage(sizeOf(stored), how.isInArena ? "workspace" : "weights");
  let offset = 0;
  const strides = axes.map((axis) => {
    const isBackwards = of(how.backwards, axis) && own[axis] > 0;
    offset += stepOf[axis] * (of(how.before, axis) + (isBackwards ? own[axis] - 1 : 0));
    if (own[axis] < shape[axis]) return 0;
    return isBackwards ? -stepOf[axis] : stepOf[axis];
  });
  storage.data.fill(NaN);
  const inValues = stridesOf(shape);
  for (let i = 0; i < values.length; i++) {
    let [to, isFirst] = [offset, true];
    for (const axis of axes) {
      const at = Math.floor(i / inValues[axis]) % shape[axis];
      to += at * strides[axis];
      isFirst &&= strides[axis] !== 0 || at === 0;
    }
    if (isFirst) storage.data[to] = values[i];
  }
  return new NDArray(storage, shape, strides, offset);
}
