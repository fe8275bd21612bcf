/** @file The part of gpu.js's interface that is used here, and the values of the nested rows in which it answers. */

/** What of gpu.js is used. */
export interface GpuJs {
  readonly GPU: new (settings: { mode: string }) => GpuInstance;
  readonly input: (value: Float32Array, size: number[]) => HostArray;
}
export interface GpuInstance {
  readonly Kernel: new (...parameters: never[]) => unknown;
  createKernel(source: string, settings: object): Kernel;
}
export interface Kernel {
  (...values: unknown[]): MaybePromise<KernelResult>;
  setOutput(output: number[]): void;
  destroy(): void;
  readonly kernel: object;
  readonly context: unknown;
}
/** gpu.js's wrapper of a flat array. */
export interface HostArray {
  readonly value: Float32Array;
}
/** A texture or buffer on the device. */
export interface DeviceArray {
  toArray(): MaybePromise<Nested>;
  delete(): void;
}
export type Nested = Float32Array | readonly Nested[];
export type KernelResult = DeviceArray | Nested;

export type MaybePromise<T> = T | Promise<T>;

/** `next(value)`, at once or when the value is there. */
export function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** The values of nested rows, side by side. */
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
