/**
 * @file Operands: gives the arrays of one kernel call an address. Temporaries live in the arena and have one. Other
 * arrays, such as parameters and results outside any scope, are copied into the window for the call, and what the
 * kernel writes there is copied back after it. The caller cuts arrays that are too large for the window; `footprint`
 * tells how much of it an array needs.
 */

import { gatherStrided, NDArray, scatterStrided } from "../array/ndarray.ts";
import { stridesOf } from "../array/shape.ts";
import { DeviceError } from "../errors.ts";
import { GRAIN } from "./allocator.ts";
import type { Memory } from "./memory.ts";

/** Where a kernel finds an array: the address of its first element, and its strides in elements. */
export interface Place {
  readonly address: number;
  readonly strides: readonly number[];
}

/** The view of the indices [from, to) along `axis`. */
export function part(x: NDArray, axis: number, from: number, to: number): NDArray {
  const shape = x.shape.slice();
  shape[axis] = to - from;
  return new NDArray(x.storage, shape, x.strides, x.offset + from * x.strides[axis]);
}

/**
 * The stretch of memory that a view covers, in elements. `first` is where the stretch begins, counted from the
 * element of index 0: negative when a stride is.
 */
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

/**
 * True when a view is copied together with what lies between its elements, which is fast; else its elements are
 * gathered.
 */
const isDense = (x: NDArray, span: number): boolean => span <= 2 * x.size;

/** Up to so many elements, a loop copies faster than `set`. */
const LONG = 32;

const padded = (bytes: number): number => Math.ceil(bytes / GRAIN) * GRAIN;

/** Bytes of the window that a view needs: none when it lies in the arena. */
export function footprint(x: NDArray): number {
  if (x.storage.address !== null) return 0;
  if (x.isContiguous) return padded(x.size * 4);
  const { length } = spanOf(x);
  return padded((isDense(x, length) ? length : x.size) * 4);
}

/** The strides of the `Place` that `Operands.input` will give a view. */
export function placedStrides(x: NDArray): readonly number[] {
  if (x.storage.address !== null || x.isContiguous) return x.strides;
  return isDense(x, spanOf(x).length) ? x.strides : stridesOf(x.shape);
}

/** The addresses of one kernel call. Valid until the next call, which reuses the window. */
export class Operands {
  readonly #memory: Memory;
  /** Views outside the arena that the kernel writes, and the position of their copy in `memory.floats`. */
  readonly #results: { readonly y: NDArray; readonly at: number }[] = [];
  /** The first free address of the window. */
  #next: number;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#next = memory.window.address;
  }

  /** Where the kernel reads the view: in the arena, or a copy in the window. */
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

  /**
   * Where the kernel writes the view. It must write every element, unless `keeps`: then the copy in the window has the
   * values that the view has now.
   */
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

  /** Takes `bytes` of the window and returns their address. @throws DeviceError when the window is full */
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
