/**
 * @file The arrays of one kernel call. Temporaries live in the arena and have an address there. Others, such as
 * parameters and results outside any scope, live outside: they are brought into the window for the call, and what the
 * kernel writes there goes back after it. Whoever calls a kernel cuts the arrays into parts that fit (`footprint`).
 */

import { gatherStrided, NDArray, scatterStrided } from "../array/ndarray.ts";
import { stridesOf } from "../array/shape.ts";
import { DeviceError } from "../errors.ts";
import { GRAIN } from "./allocator.ts";
import type { Memory } from "./memory.ts";

/** Where the kernels find an array: its first element in bytes, and steps in elements. */
export interface Place {
  readonly address: number;
  readonly strides: readonly number[];
}

/** Indices [from, to) along `axis`. A view. */
export function part(x: NDArray, axis: number, from: number, to: number): NDArray {
  const shape = x.shape.slice();
  shape[axis] = to - from;
  return new NDArray(x.storage, shape, x.strides, x.offset + from * x.strides[axis]);
}

/** From the first element in memory to the last: where it begins, counted from the first in order, and its length. */
function spanOf({ shape, strides }: NDArray): { readonly first: number; readonly length: number } {
  let first = 0;
  let last = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const reach = (shape[axis] - 1) * strides[axis];
    if (reach > 0) last += reach;
    else first += reach;
  }
  return { first, length: last + 1 - first };
}

/** Whether a view is copied with all that lies between its elements, which is quick, or gathered element by element. */
const isDense = (x: NDArray, span: number): boolean => span <= 2 * x.size;

/** Fewer elements than this are copied faster by a loop than by `set`. */
const LONG = 32;

const padded = (bytes: number): number => Math.ceil(bytes / GRAIN) * GRAIN;

/** Bytes of the window that a view takes: none when it lies in the arena. */
export function footprint(x: NDArray): number {
  if (x.storage.address !== null) return 0;
  if (x.isContiguous) return padded(x.size * 4);
  const { length } = spanOf(x);
  return padded((isDense(x, length) ? length : x.size) * 4);
}

/** The strides that a view has once it is where kernels reach it. */
export function placedStrides(x: NDArray): readonly number[] {
  if (x.storage.address !== null || x.isContiguous) return x.strides;
  return isDense(x, spanOf(x).length) ? x.strides : stridesOf(x.shape);
}

export class Operands {
  readonly #memory: Memory;
  readonly #results: { readonly y: NDArray; readonly at: number }[] = [];
  #next: number;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#next = memory.window.address;
  }

  /** A view, where a kernel reads it. */
  input(x: NDArray): Place {
    const { address } = x.storage;
    if (address !== null) return { address: address + x.offset * 4, strides: x.strides };
    const { floats } = this.#memory;
    const span = x.isContiguous ? { first: 0, length: x.size } : spanOf(x);
    if (!isDense(x, span.length)) {
      const copy = this.workspace(x.size * 4);
      const target = floats.subarray(copy / 4, copy / 4 + x.size);
      gatherStrided(x.storage.data, x.offset, x.shape, x.strides, target);
      return { address: copy, strides: stridesOf(x.shape) };
    }
    const copy = this.workspace(span.length * 4);
    const from = x.offset + span.first;
    if (span.length > LONG) floats.set(x.storage.data.subarray(from, from + span.length), copy / 4);
    else for (let i = 0; i < span.length; i++) floats[copy / 4 + i] = x.storage.data[from + i];
    return { address: copy - span.first * 4, strides: x.strides };
  }

  /** A view that the kernel writes, every element; with `keeps` what it holds is there before. */
  output(y: NDArray, keeps = false): Place {
    const { address } = y.storage;
    if (address !== null) return { address: address + y.offset * 4, strides: y.strides };
    const copy = this.workspace(y.size * 4);
    if (keeps) {
      const target = this.#memory.floats.subarray(copy / 4, copy / 4 + y.size);
      gatherStrided(y.storage.data, y.offset, y.shape, y.strides, target);
    }
    this.#results.push({ y, at: copy / 4 });
    return { address: copy, strides: stridesOf(y.shape) };
  }

  /** Address of `bytes` of the window. */
  workspace(bytes: number): number {
    const address = this.#next;
    this.#next += padded(bytes);
    const { window } = this.#memory;
    if (this.#next <= window.address + window.bytes) return address;
    throw new DeviceError(
      `cpu: ${bytes} bytes do not fit into the window of ${window.bytes} bytes through which operands are brought in`,
    );
  }

  /** Copies what the kernel wrote in the window back into the arrays outside the arena. */
  writeBack(): void {
    for (const { y, at } of this.#results) {
      const source = this.#memory.floats.subarray(at, at + y.size);
      scatterStrided(source, y.storage.data, y.offset, y.shape, y.strides);
    }
  }
}
