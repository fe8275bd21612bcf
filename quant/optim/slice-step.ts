/** @file A part of a parameter as a parameter of its own, for optimizers that keep their state in parts. */

import { Parameter } from "../../autograd/index.ts";
import { fromHost, type NDArray } from "../../core/index.ts";

/**
 * Calls `update` with copies of elements from … to - 1 of a parameter and of its gradient, then writes the elements
 * back. What updates each element by itself gives the very numbers that it gives for the whole.
 */
export function updateSlice(
  parameter: Parameter,
  gradient: NDArray,
  from: number,
  to: number,
  update: (part: Parameter, gradient: NDArray) => void,
): void {
  const copy = (x: NDArray): NDArray => fromHost(x.data.slice(from, to), [to - from]);
  const part = new Parameter(copy(parameter.value));
  update(part, copy(gradient));
  parameter.value.storage.write().set(part.value.data, from);
}
