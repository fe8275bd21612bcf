/** @file The tensors of adapter_model.safetensors by PEFT's keys. */

import { CheckpointError, parseSafetensors, type SafeTensor } from "../../../core/index.ts";
import { withoutWrappers } from "../../../nn/index.ts";
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
    this.byKey = keyed(parseSafetensors(bytes, source).tensors, source);
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

/**
 * Tensors by PEFT's keys, without what wrappers of PyTorch left in them, and with the prefix that some programs leave out of
 * all.
 * @throws CheckpointError when two keys become the same
 */
export function keyed(tensors: ReadonlyMap<string, SafeTensor>, source: string): Map<string, SafeTensor> {
  const names = Array.from(tensors, ([key, tensor]) => [withoutWrappers(key), tensor] as const);
  const prefix = names.some(([key]) => key.startsWith(PREFIX)) ? "" : PREFIX;
  const byKey = new Map(names.map(([key, tensor]) => [prefix + key, tensor]));
  if (byKey.size === tensors.size) return byKey;
  const twice = names.find(([key], i) => names.findIndex(([other]) => other === key) !== i);
  throw new CheckpointError(`${source}: ${twice?.[0]} is there twice, once in a wrapper of PyTorch`);
}

/** Whether two lists of numbers are the same number by number: NaN is NaN, and 0 is not -0. */
export const sameValues = (a: Floats, b: Floats): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
