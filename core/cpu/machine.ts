/**
 * @file The compiled kernels with their memory and threads: `run` a kernel, and bring its operands where it can
 * reach them.
 */

import { DeviceError } from "../errors.ts";
import type { NDArray } from "../ndarray.ts";
import { shared, single } from "./generated/built-by-npm-run-build-wasm.ts";
import { Memory } from "./memory.ts";
import { defaultThreads, maySleep, startWorker } from "./platform.ts";

/** Numbers as in assembly/index.ts. */
export const kernels = {
  packOperands: 0,
  multiplyTiles: 1,
  multiplyBatch: 2,
  unary: 3,
  binary: 4,
  reduceRows: 5,
  reduceColumns: 6,
  softmax: 7,
  softmaxGrad: 8,
  normalize: 9,
  normalizeGrad: 10,
  adam: 11,
  decode: 12,
} as const;

/** Positions on the job board in 4-byte words, as in assembly/board.ts. */
const THREADS = 1344 / 4;
const MAY_SLEEP = 1348 / 4;
const STARTED = 1408 / 4;
const ARGUMENTS = 1536 / 4;

/** Many small chunks: near the end of a job a thread waits for at most one of them. */
const CHUNKS_PER_THREAD = 16;

interface Exports {
  run(kernel: number, chunks: number): void;
}

/** The bits of a float32, to pass it among integers. */
export function floatBits(x: number): number {
  return new Uint32Array(Float32Array.of(x).buffer)[0];
}

export class Machine {
  readonly memory = new Memory();
  readonly #module: WebAssembly.Module;
  readonly #exports: Exports;
  #threads = 0;
  #started = 1;

  constructor() {
    const bytes = Uint8Array.from(atob(this.memory.isShared ? shared : single), (c) => c.charCodeAt(0));
    try {
      this.#module = new WebAssembly.Module(bytes);
      const { memory } = this.memory;
      this.#exports = new WebAssembly.Instance(this.#module, { env: { memory } })
        .exports as unknown as Exports;
    } catch (error) {
      throw new DeviceError(`cpu: WebAssembly with SIMD does not work here (${(error as Error).message})`);
    }
    this.setThreads(defaultThreads());
    if (this.memory.isShared && maySleep()) this.memory.words[MAY_SLEEP] = 1;
  }

  get threads(): number {
    return this.#threads;
  }

  get startedWorkers(): number {
    return this.memory.words[STARTED];
  }

  /** Threads that take part from now on, this one included; always 1 without shared memory. */
  setThreads(count: number): void {
    this.#threads = this.memory.isShared ? count : 1;
    this.memory.words[THREADS] = this.#threads;
  }

  /** A good number of chunks for a job of `items` that takes about `nanoseconds` on one thread. */
  chunks(items: number, nanoseconds: number): number {
    if (this.#threads === 1 || nanoseconds < 20_000) return 1;
    this.#startWorkers();
    return Math.max(1, Math.min(items, this.#threads * CHUNKS_PER_THREAD, Math.floor(nanoseconds / 10_000)));
  }

  /** Runs a kernel with these arguments; `chunks` as the kernel in assembly/ says. */
  run(kernel: number, chunks: number, args: readonly number[]): void {
    const { words } = this.memory;
    for (let i = 0; i < args.length; i++) words[ARGUMENTS + i] = args[i];
    this.#exports.run(kernel, chunks);
  }

  /** Workers start with the first job that is worth them. Until they are up, this thread does all the work. */
  #startWorkers(): void {
    for (; this.#started < this.#threads; this.#started++) {
      startWorker({ module: this.#module, memory: this.memory.memory, thread: this.#started });
    }
  }

  /** Calls `fn` with the means to get addresses; what was brought into the memory for the call leaves it after. */
  call(fn: (operands: Operands) => void): void {
    const operands = new Operands(this.memory);
    try {
      fn(operands);
      operands.deliver();
    } finally {
      operands.free();
    }
  }
}

/**
 * Addresses of the arrays of one kernel call. Temporaries live in the memory and have one. Others, such as parameters,
 * are copied in for the call, and a result outside any scope is copied out at the end.
 */
export class Operands {
  readonly #memory: Memory;
  readonly #taken: number[] = [];
  readonly #results: { readonly host: Float32Array; readonly copy: Float32Array }[] = [];

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Address of the elements in row-major order. */
  input(x: NDArray): number {
    const { address } = x.storage;
    if (address && x.isContiguous) return address + x.offset * 4;
    const { data } = x;
    const copy = this.room(data.length);
    copy.array.set(data);
    return copy.address;
  }

  /** Address of the first element of any view; the elements keep their distances. */
  strided(x: NDArray): number {
    const { address } = x.storage;
    if (address) return address + x.offset * 4;
    let first = x.offset;
    let last = x.offset;
    for (let axis = 0; axis < x.rank; axis++) {
      const reach = (x.shape[axis] - 1) * x.strides[axis];
      if (reach > 0) last += reach;
      else first += reach;
    }
    const copy = this.room(last + 1 - first);
    copy.array.set(x.storage.data.subarray(first, last + 1));
    return copy.address + (x.offset - first) * 4;
  }

  /** Address of a fresh array that the kernel writes. */
  output(x: NDArray): number {
    const { address, data } = x.storage;
    if (address) return address;
    const copy = this.room(data.length);
    this.#results.push({ host: data as Float32Array, copy: copy.array });
    return copy.address;
  }

  /** Address of `bytes` of memory for the duration of the call. */
  workspace(bytes: number): number {
    return this.room(Math.ceil(bytes / 4)).address;
  }

  /** Room for `length` numbers for the duration of the call. */
  room(length: number): { readonly array: Float32Array; readonly address: number } {
    const block = this.#memory.take(length);
    this.#taken.push(block.address);
    return block;
  }

  deliver(): void {
    for (const { host, copy } of this.#results) host.set(copy);
  }

  free(): void {
    for (const address of this.#taken) this.#memory.free(address);
  }
}
