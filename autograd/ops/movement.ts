/** @file Movement ops. Each one's gradient is the movement back; the adjoint of repeating is summing. */

import type { Shape } from "../../core/index.ts";
import * as nd from "../../core/index.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";

/** The values in row-major order under another shape; one length may be −1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const value = operand("reshape", x);
  const before = x.shape;
  return record("reshape", nd.reshape(value, shape), [{ input: x, vjp: (dY) => reshape(dY, before) }]);
}

/** Axis i of the result is axis `order[i]` of x. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const value = operand("permute", x);
  const result = nd.permute(value, order);
  const rank = order.length;
  const inverse = order.map((_, axis) => order.findIndex((from) => (from + rank) % rank === axis));
  return record("permute", result, [{ input: x, vjp: (dY) => permute(dY, inverse) }]);
}

/** Axes a and b exchanged. */
export function transpose(x: Tensor, a: number, b: number): Tensor {
  const value = operand("transpose", x);
  return record("transpose", nd.transpose(value, a, b), [{ input: x, vjp: (dY) => transpose(dY, a, b) }]);
}

/** The matrix transpose: the last two axes exchanged. */
export function mT(x: Tensor): Tensor {
  const value = operand("mT", x);
  return record("mT", nd.mT(value), [{ input: x, vjp: (dY) => mT(dY) }]);
}

/** x repeated until it has `shape`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  const value = operand("broadcastTo", x);
  return record("broadcastTo", nd.broadcastTo(value, shape), [{ input: x, vjp: (dY) => dY }]); // summed by backward()
}

/** x summed over the axes along which `shape` would be repeated to give x's: the adjoint of broadcastTo. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const value = operand("sumTo", x);
  const before = x.shape;
  return record("sumTo", nd.sumTo(value, shape), [{ input: x, vjp: (dY) => broadcastTo(dY, before) }]);
}

/** Elements start (included) to end (excluded) along one axis. */
export function slice(x: Tensor, axis: number, start: number, end?: number): Tensor {
  const value = operand("slice", x);
  const length = x.shape.at(axis) ?? 0;
  const from = start < 0 ? start + length : start;
  return record("slice", nd.slice(value, axis, start, end), [
    { input: x, vjp: (dY) => pad(dY, axis, from, length) },
  ]);
}

/** Zeros of `length` along `axis` with x written from `start`: the adjoint of slice. */
export function pad(x: Tensor, axis: number, start: number, length: number): Tensor {
  const value = operand("pad", x);
  const end = start + (x.shape.at(axis) ?? 0);
  return record("pad", nd.pad(value, axis, start, length), [
    { input: x, vjp: (dY) => slice(dY, axis, start, end) },
  ]);
}

/** Tensors joined along an axis. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors)) throw new nd.ArgumentError("concat", "a list of tensors", { tensors });
  const value = nd.concat(
    tensors.map((x) => operand("concat", x, "each of the list")),
    axis,
  );
  let at = 0;
  const rules = tensors.map((input) => {
    const start = at;
    const end = (at += input.shape.at(axis) as number);
    return { input, vjp: (dY: Tensor) => slice(dY, axis, start, end) };
  });
  return record("concat", value, rules);
}

/** Tensors of one shape joined along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors)) throw new nd.ArgumentError("stack", "a list of tensors", { tensors });
  for (const x of tensors) operand("stack", x, "each of the list");
  const rank = (tensors[0]?.shape.length ?? 0) + 1;
  const at = nd.normalizeAxis("stack", axis, rank);
  return concat(
    tensors.map((x) => reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])),
    at,
  );
}
