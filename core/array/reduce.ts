/** @file Reductions over any axes, and the row-wise functions built on them: softmax, normalization. */

import { kernel } from "../device/device.ts";
import type { ReduceName } from "../device/functions.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { permute, reshape } from "./movement.ts";
import { contiguous, empty, full, type NDArray } from "./ndarray.ts";
import { broadcastShapes, checkShape, normalizeAxes, type Shape, sameShape, sizeOf } from "./shape.ts";

export interface ReduceOptions {
  /** Keep the reduced axes, with length 1. */
  readonly keepdims?: boolean;
}

/**
 * Sum, maximum or minimum over `axes`, all by default. The sum over nothing is 0.
 * @throws ArgumentError for the maximum or minimum of nothing
 */
export function reduce(
  name: ReduceName,
  x: NDArray,
  axes?: number | readonly number[],
  { keepdims = false }: ReduceOptions = {},
): NDArray {
  const over = normalizeAxes(name, axes, x.rank);
  const kept = x.shape.map((length, axis) => (over.includes(axis) ? 1 : length));
  const shape = keepdims ? kept : x.shape.filter((_, axis) => !over.includes(axis));
  if (x.size === 0) {
    if (name !== "sum" && sizeOf(shape) > 0) {
      throw new ArgumentError(name, "at least one element to reduce", { "x of shape": x.shape, axes: over });
    }
    return full(shape, 0);
  }
  let result = x;
  for (const [first, last] of runs(over).reverse()) {
    const outer = sizeOf(result.shape.slice(0, first));
    const n = sizeOf(result.shape.slice(first, last + 1));
    const inner = sizeOf(result.shape.slice(last + 1));
    const reduced = result.shape.map((length, axis) => (axis >= first && axis <= last ? 1 : length));
    result =
      n === 1
        ? reshape(result, reduced)
        : kernel("reduce")(name, contiguous(result), outer, n, inner, reduced);
  }
  return reshape(result, shape);
}

/** Ascending axes as runs [first, last] of neighbours, each of which one kernel call reduces. */
function runs(axes: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const axis of axes) {
    const current = found.at(-1);
    if (current && current[1] === axis - 1) current[1] = axis;
    else found.push([axis, axis]);
  }
  return found;
}

/** `x` summed to `shape`: the adjoint of broadcasting `shape` to `x.shape`. */
export function sumTo(x: NDArray, shape: Shape): NDArray {
  checkShape("sumTo", shape);
  if (sameShape(x.shape, shape)) return x;
  if (shape.length > x.rank || !sameShape(broadcastShapes("sumTo", x.shape, shape), x.shape))
    throw new ShapeError("sumTo", "a shape that broadcasts to x's", { x: x.shape, shape });
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((length, axis) =>
    axis < lead || (shape[axis - lead] === 1 && length !== 1) ? [axis] : [],
  );
  return reshape(reduce("sum", x, axes, { keepdims: true }), shape);
}

/**
 * Applies a row function over `axes`: they are moved last and joined into rows, and moved back after.
 * @param more arrays of x's shape, handed to f the same way
 * @returns f's result in the shape and axis order of x
 */
function overRows(
  who: string,
  x: NDArray,
  axes: number | readonly number[],
  f: (rows: NDArray, more: NDArray[]) => NDArray,
  ...more: NDArray[]
): NDArray {
  if (x.size === 0) return empty(x.shape);
  const over = normalizeAxes(who, axes, x.rank);
  const kept = x.shape.flatMap((_, axis) => (over.includes(axis) ? [] : [axis]));
  const order = [...kept, ...over];
  const rows = sizeOf(kept.map((axis) => x.shape[axis]));
  const toRows = (y: NDArray): NDArray => reshape(contiguous(permute(y, order)), [rows, -1]);
  const result = reshape(
    f(toRows(x), more.map(toRows)),
    order.map((axis) => x.shape[axis]),
  );
  const back = order.map((_, axis) => order.indexOf(axis));
  return contiguous(permute(result, back));
}

/** eˣ / Σ eˣ over `axes`. */
export const softmax = (x: NDArray, axes: number | readonly number[] = -1): NDArray =>
  overRows("softmax", x, axes, (rows) => kernel("softmax")(rows, false));

/** x − log Σ eˣ over `axes`. */
export const logSoftmax = (x: NDArray, axes: number | readonly number[] = -1): NDArray =>
  overRows("logSoftmax", x, axes, (rows) => kernel("softmax")(rows, true));

/**
 * Softmax of attention scores x [..., queries, keys] in which the last query sees all keys, the one before it all but
 * one, and so on. A key that is not seen has 0.
 * @throws ShapeError when there are more queries than keys
 */
export function causalSoftmax(x: NDArray): NDArray {
  const [queries, keys] = x.shape.slice(-2);
  if (x.rank < 2 || queries > keys) {
    throw new ShapeError("causalSoftmax", "x [..., queries, keys] with at least as many keys", {
      x: x.shape,
    });
  }
  if (x.size === 0) return empty(x.shape);
  return reshape(kernel("causalSoftmax")(reshape(contiguous(x), [x.size / keys, keys]), queries), x.shape);
}

/** From y = softmax(x) and dY, over `axes`: dX = y ∘ (dY − Σ dY ∘ y). */
export function softmaxGrad(y: NDArray, dY: NDArray, axes: number | readonly number[] = -1): NDArray {
  return overRows("softmaxGrad", y, axes, (rows, [other]) => kernel("softmaxGrad")(rows, other), dY);
}

/**
 * x̂ = r (x − μ) along the last axis, with r = 1/√(mean (x − μ)² + eps), μ the mean, or 0 when not `centre`.
 * @returns xHat of the shape of x; r [..., 1]
 */
export function normalize(x: NDArray, eps: number, centre: boolean): { xHat: NDArray; r: NDArray } {
  if (x.rank === 0) throw new ShapeError("normalize", "x [..., n]", { x: x.shape });
  const lead = [...x.shape.slice(0, -1), 1];
  if (x.size === 0) return { xHat: empty(x.shape), r: full(lead, 1 / Math.sqrt(eps)) };
  const { xHat, r } = kernel("normalize")(reshape(contiguous(x), [sizeOf(lead), -1]), eps, centre);
  return { xHat: reshape(xHat, x.shape), r: reshape(r, lead) };
}

/** From x̂, r [..., 1] and dX̂: dX = r (dX̂ − mean dX̂ − x̂ mean(dX̂ ∘ x̂)); without mean dX̂ when not `centre`. */
export function normalizeGrad(xHat: NDArray, r: NDArray, dXHat: NDArray, centre: boolean): NDArray {
  if (xHat.size === 0) return empty(xHat.shape);
  const rows = [r.size, -1];
  const [X, G] = [reshape(contiguous(xHat), rows), reshape(contiguous(dXHat), rows)];
  return reshape(kernel("normalizeGrad")(X, reshape(contiguous(r), [r.size]), G, centre), xHat.shape);
}
