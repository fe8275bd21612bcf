/** @file Reductions over any axes, all by default; negative axes count from the end. */

import type { Indices, Shape } from "../../core/index.ts";
import * as nd from "../../core/index.ts";
import { OUTPUT } from "../graph.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";
import { add, div, eq, mul, sub, where } from "./arithmetic.ts";
import { broadcastTo, reshape } from "./movement.ts";
import { exp, log, square } from "./unary.ts";

export type Axes = number | readonly number[];

export interface KeepDims {
  /** Keeps the reduced axes, with length 1. @default false */
  readonly keepdims?: boolean;
}

/** The shape of a reduction that keeps its axes, and the number of elements that go into one. */
function keptShape(
  who: string,
  x: Tensor,
  axes: Axes | undefined,
  options: object = {},
): { kept: Shape; n: number; over: number[] } {
  operand(who, x);
  nd.checkOptions(who, options, ["keepdims"], {
    keepdim: "keepdims",
    dim: "axes, the argument before",
    axis: "axes, the argument before",
    unbiased: "correction",
  });
  const over = nd.normalizeAxes(who, axes, x.shape.length);
  const kept = x.shape.map((length, axis) => (over.includes(axis) ? 1 : length));
  return { kept, n: nd.sizeOf(over.map((axis) => x.shape[axis])), over };
}

/** y = Σ x over `axes`. */
export function sum(x: Tensor, axes?: Axes, options?: KeepDims): Tensor {
  const { kept } = keptShape("sum", x, axes, options);
  const before = x.shape;
  return record("sum", nd.reduce("sum", x.value, axes, options), [
    { input: x, vjp: (dY) => broadcastTo(reshape(dY, kept), before) }, // dX = dY, repeated
  ]);
}

/** The mean over `axes`. The mean of nothing is NaN. */
export function mean(x: Tensor, axes?: Axes, options?: KeepDims): Tensor {
  const { n } = keptShape("mean", x, axes, options);
  return div(sum(x, axes, options), n);
}

/**
 * Σ (x − mean)² / (n − correction) over `axes`.
 * @param options correction: is subtracted from the number of elements. Defaults to 0, the variance of the values
 *   themselves, as in NumPy; PyTorch's default is 1, the estimate from a sample
 * @throws ArgumentError when correction is not a number from 0; a correction of n or more gives ∞ or NaN, as in PyTorch
 */
export function variance(
  x: Tensor,
  axes?: Axes,
  { correction = 0, ...options }: KeepDims & { readonly correction?: number } = {},
): Tensor {
  if (!Number.isFinite(correction) || correction < 0)
    throw new nd.ArgumentError("variance", "correction a number from 0", { correction });
  const { n } = keptShape("variance", x, axes, options);
  const centred = sub(x, mean(x, axes, { keepdims: true }));
  return div(sum(square(centred), axes, options), n - correction);
}

/** The maximum over `axes`; equal maxima share the gradient equally. @throws ArgumentError for the maximum of nothing */
export function max(x: Tensor, axes?: Axes, options?: KeepDims): Tensor {
  return extremum("max", x, axes, options);
}

/** The minimum over `axes`; equal minima share the gradient equally. */
export function min(x: Tensor, axes?: Axes, options?: KeepDims): Tensor {
  return extremum("min", x, axes, options);
}

function extremum(
  name: "max" | "min",
  x: Tensor,
  axes: Axes | undefined,
  options: KeepDims | undefined,
): Tensor {
  const { kept } = keptShape(name, x, axes, options);
  return record(name, nd.reduce(name, x.value, axes, options), [
    {
      input: x,
      saves: [x, OUTPUT],
      vjp: (dY, X, Y) => {
        const winners = eq(X, reshape(Y, kept)); // 1 where x is the extremum
        return mul(winners, div(reshape(dY, kept), sumKept(winners, kept))); // dX = dY / (number of winners), on them
      },
    },
  ]);
}

const sumKept = (x: Tensor, kept: Shape): Tensor =>
  sum(
    x,
    kept.flatMap((length, axis) => (length === 1 ? [axis] : [])),
    { keepdims: true },
  );

/** The index of the maximum along one axis, the first of equals; where `max` is NaN that of the first NaN. */
export function argmax(x: Tensor, axis = -1): Indices {
  const along = nd.normalizeAxis("argmax", axis, operand("argmax", x).rank);
  const n = x.shape[along];
  if (n === 0) throw new nd.ShapeError("argmax", "at least one element along the axis", { x: x.shape, axis });
  const shape = x.shape.filter((_, i) => i !== along);
  const inner = nd.sizeOf(x.shape.slice(along + 1));
  const { data } = x.value;
  const best = new Int32Array(nd.sizeOf(shape));
  for (let i = 0; i < best.length; i++) {
    const at = Math.floor(i / inner) * n * inner + (i % inner);
    for (let j = 1; j < n; j++) {
      const [x, highest] = [data[at + j * inner], data[at + best[i] * inner]];
      if (x > highest || (Number.isNaN(x) && !Number.isNaN(highest))) best[i] = j;
    }
  }
  return { data: best, shape };
}

/** log Σ eˣ over `axes`, without overflow: the maximum is taken out first. */
export function logsumexp(x: Tensor, axes?: Axes, options: KeepDims = {}): Tensor {
  const { kept, over } = keptShape("logsumexp", x, axes, options);
  const { keepdims = false } = options;
  const highest = max(x.detach(), axes, { keepdims: true });
  const finite = where(eq(sub(highest, highest), 0), highest, 0); // ±∞ − itself is NaN
  const result = add(log(sum(exp(sub(x, finite)), axes, { keepdims: true })), finite);
  return keepdims
    ? result
    : reshape(
        result,
        kept.filter((_, axis) => !over.includes(axis)),
      );
}

/** √Σ x², the Euclidean (Frobenius) norm over `axes`. Its gradient at 0 is taken as 0. */
export function norm(x: Tensor, axes?: Axes, options?: KeepDims): Tensor {
  const { kept } = keptShape("norm", x, axes, options);
  const value = nd.unary("sqrt", nd.reduce("sum", nd.unary("square", x.value), axes, options));
  return record("norm", value, [
    {
      input: x,
      saves: [x, OUTPUT],
      vjp: (dY, X, Y) => {
        const y = reshape(Y, kept);
        return mul(reshape(dY, kept), where(eq(y, 0), 0, div(X, where(eq(y, 0), 1, y)))); // dX = dY x/‖x‖
      },
    },
  ]);
}
