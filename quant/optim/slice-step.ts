/** @file `updateSlice`: the step of a part of a parameter, for optimizers that keep their state in parts. */

import { Parameter } from "../../autograd/index.ts";
import { fromHost, type NDArray } from "../../core/index.ts";

/**
 * Calls `update` with copies of elements from … to - 1 of a parameter and of its gradient, then writes the elements
 * back. An update that treats each element by itself gives the same numbers as for the whole parameter.
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
