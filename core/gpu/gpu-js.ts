/**
 * @file gpu.js as it is used here: the types of its interface, and helpers for its answers, which may be promises or
 * nested.
 */

/** The library: its class, and its wrapper of flat arrays. */
export interface GpuJs {
  readonly GPU: new (settings: { mode: string }) => GpuInstance;
  readonly input: (value: Float32Array, size: number[]) => HostArray;
}
/** An instance of the library in one mode. */
export interface GpuInstance {
  readonly Kernel: new (...parameters: never[]) => unknown;
  createKernel(source: string, settings: object): Kernel;
}
/** A compiled kernel: a call computes an output of the size that was set. */
export interface Kernel {
  (...values: unknown[]): MaybePromise<KernelResult>;
  setOutput(output: number[]): void;
  destroy(): void;
  readonly kernel: object;
  readonly context: unknown;
}
/** A flat array on the host, wrapped as an argument. */
export interface HostArray {
  readonly value: Float32Array;
}
/** A texture or buffer on the device, a kernel's result or argument. */
export interface DeviceArray {
  toArray(): MaybePromise<Nested>;
  delete(): void;
}
/** The values of an array with one, two or three axes, as gpu.js returns them. */
export type Nested = Float32Array | readonly Nested[];
export type KernelResult = DeviceArray | Nested;

/** gpu.js answers with a value in all modes but WebGPU, where it answers with a promise. */
export type MaybePromise<T> = T | Promise<T>;

/** Calls `next` with the value: now, or when the promise is fulfilled. */
export function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** The values of nested rows in one flat array. */
export function flatten(nested: Nested): Float32Array {
  if (nested instanceof Float32Array) return nested;
  const rows: Float32Array[] = [];
  const visit = (level: Nested): void => {
    if (level instanceof Float32Array) rows.push(level);
    else for (const item of level) visit(item);
  };
  visit(nested);
  const flat = new Float32Array(rows.length === 0 ? 0 : rows.length * rows[0].length);
  rows.forEach((row, index) => {
    flat.set(row, index * row.length);
  });
  return flat;
}
