/** @file The tensors of adapter_model.safetensors by PEFT's keys. */

import { parseSafetensors, type SafeTensor } from "../../../core/index.ts";
import { PREFIX } from "./keys.ts";

/** Floats of a tensor or a parameter. */
export type Floats = Float32Array | Float64Array;

/** The tensors of a file. Each is decoded once. */
export class FileTensors {
  /** The tensors by their keys, all of which begin with base_model.model., whether the file says so or not. */
  readonly byKey: ReadonlyMap<string, SafeTensor>;
  readonly #values = new Map<string, Floats>();

  /** @throws CheckpointError when the bytes are no safetensors file; `source` names it */
  constructor(bytes: Uint8Array, source: string) {
    const { tensors } = parseSafetensors(bytes, source);
    const hasPrefix = [...tensors.keys()].some((key) => key.startsWith(PREFIX)); // some programs leave it out of all
    this.byKey = hasPrefix
      ? tensors
      : new Map(Array.from(tensors, ([key, tensor]) => [PREFIX + key, tensor]));
  }

  has(key: string): boolean {
    return this.byKey.has(key);
  }

  /** The values of the tensor at `key`, which must be there. @throws CheckpointError when they are integers */
  values(key: string): Floats {
    const before = this.#values.get(key);
    if (before) return before;
    const values = (this.byKey.get(key) as SafeTensor).floats();
    this.#values.set(key, values);
    return values;
  }
}

/** Whether two lists of numbers are the same number by number: NaN is NaN, and 0 is not -0. */
export const sameValues = (a: Floats, b: Floats): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
