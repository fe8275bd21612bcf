/** @file The key/value cache: what attention layers computed for earlier positions, kept for the next ones. */

import { isRecording, Tensor } from "../../autograd/index.ts";
import {
  AutogradError,
  empty,
  type NDArray,
  ShapeError,
  type Storage,
  sameShape,
  sizeOf,
  slice,
} from "../../core/index.ts";
import type { Module } from "../module/module.ts";

/** Keys and values of one layer: the first `length` of [batch, heads, capacity, d]. */
interface Entry {
  keys: NDArray;
  values: NDArray;
  length: number;
}

/** Keys and values by attention layer. For inference: nothing is differentiated through it. */
export class KeyValueCache {
  readonly #entries = new Map<Module, Entry>();
  /** Whether some position was padding: then every later call needs the mask that hides it. */
  hasPadding = false;

  /** Number of positions that the cache holds. Between calls of a model it is the same for all layers. */
  get length(): number {
    for (const { length } of this.#entries.values()) return length;
    return 0;
  }

  /** Number of positions that the cache holds for `layer`. */
  lengthOf(layer: Module): number {
    return this.#entries.get(layer)?.length ?? 0;
  }

  /**
   * Appends `layer`'s keys and values of the newest positions, and returns those of all positions.
   * @param k [batch, heads, time, d]
   * @param v [batch, heads, time, d]
   * @returns [batch, heads, length, d] each, views of the cache
   * @throws AutogradError outside `noGrad` when k or v need a gradient; ShapeError when batch or heads change
   */
  extend(layer: Module, k: Tensor, v: Tensor): [Tensor, Tensor] {
    if (isRecording() && (k.requiresGrad || v.requiresGrad)) {
      throw new AutogradError(
        "KeyValueCache: no gradient goes through a cache; call the model inside noGrad()",
      );
    }
    const before = this.#entries.get(layer);
    const start = before?.length ?? 0;
    const length = start + k.shape[2];
    const entry = {
      keys: append(before?.keys, k.value, start),
      values: append(before?.values, v.value, start),
      length,
    };
    this.#entries.set(layer, entry);
    return [new Tensor(slice(entry.keys, 2, 0, length)), new Tensor(slice(entry.values, 2, 0, length))];
  }

  *storages(): Generator<Storage> {
    for (const { keys, values } of this.#entries.values()) yield* [keys.storage, values.storage];
  }
}

/** Writes `x` at position `start` of `buffer`; when it does not fit, of a copy with twice the capacity. */
function append(buffer: NDArray | undefined, x: NDArray, start: number): NDArray {
  const [batch, heads, time, d] = x.shape;
  if (buffer && !sameShape([batch, heads, d], [buffer.shape[0], buffer.shape[1], buffer.shape[3]])) {
    throw new ShapeError("KeyValueCache", "the batch and heads of earlier calls", {
      before: buffer.shape,
      now: x.shape,
    });
  }
  let target = buffer;
  if (!target || target.shape[2] < start + time) {
    target = empty([batch, heads, Math.max(2 * (buffer?.shape[2] ?? 0), start + time), d]);
    target.storage.keep(); // outlives the scope of this call
    if (buffer) write(target, slice(buffer, 2, 0, start), 0);
    buffer?.storage.release();
  }
  write(target, x, start);
  return target;
}

/** Writes x [batch, heads, time, d] at position `start` of target [batch, heads, capacity, d]. */
function write(target: NDArray, x: NDArray, start: number): void {
  const [batch, heads, capacity, d] = target.shape;
  const block = sizeOf(x.shape.slice(2));
  const T = target.storage.write();
  const { data } = x;
  for (let p = 0; p < batch * heads; p++) {
    T.set(data.subarray(p * block, (p + 1) * block), (p * capacity + start) * d);
  }
}
