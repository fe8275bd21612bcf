/**
 * @file The compiled kernels with their memory and threads: `run` a kernel, and bring its operands where it can
 * reach them.
 */

import { contiguous, type NDArray } from "../array/ndarray.ts";
import { DeviceError } from "../errors.ts";
import { shared, single } from "./generated/built-by-npm-run-build-wasm.ts";
import { Memory } from "./memory.ts";
import { footprint, Operands, part } from "./operands.ts";
import { defaultThreads, maySleep, startWorker, wishedMemory } from "./platform.ts";

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
  dequantize: 12,
} as const;

/** Positions on the job board in 4-byte words, as in assembly/board.ts. */
const THREADS = 1344 / 4;
const MAY_SLEEP = 1348 / 4;
const STARTED = 1408 / 4;
const ARGUMENTS = 1536 / 4;

/** Many small chunks: near the end of a job a thread waits for at most one of them. */
const CHUNKS_PER_THREAD = 16;

/** So many have room for their tiles, below the kernels' constants (assembly/matmul.ts, build.js). */
const MOST_THREADS = 240;

/** Bytes of the window by which a call may exceed what was planned: lengths are rounded up to whole cache lines. */
const SLACK = 4096;

/** Pieces of so many bytes stay in the second-level cache. */
const PIECE = 2 ** 20;

interface Exports {
  run(kernel: number, chunks: number): void;
}

/** The bits of a float32, to pass it among integers. */
export function floatBits(x: number): number {
  return new Uint32Array(Float32Array.of(x).buffer)[0];
}

export class WasmRuntime {
  readonly memory: Memory;
  readonly #module: WebAssembly.Module;
  readonly #exports: Exports;
  #threads = 0;
  #started = 1;

  /**
   * @param mebibytes of memory; LOWRANK_MEMORY_MIB or as much as the system grants when not given
   * @param window bytes of it through which operands are brought in; a share of it when not given
   */
  constructor(mebibytes = wishedMemory(), window?: number) {
    this.memory = new Memory(mebibytes, window);
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

  /** Bytes that the operands of one call may take in the window; a little is left for rounding up. */
  get windowCapacity(): number {
    return this.memory.window.bytes - SLACK;
  }

  /** Bytes brought in at a time where the order allows pieces. */
  get piece(): number {
    return Math.min(PIECE, this.windowCapacity / 2);
  }

  /** Threads that take part from now on, this one included; always 1 without shared memory. */
  setThreads(count: number): void {
    if (!Number.isInteger(count) || count < 1 || count > MOST_THREADS) {
      throw new DeviceError(`cpu: expected 1 to ${MOST_THREADS} threads; got ${count}`);
    }
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

  /** Calls `fn` with the means to get addresses; the window holds what it brings in, until it returns. */
  call(fn: (operands: Operands) => void): void {
    const operands = new Operands(this.memory);
    fn(operands);
    operands.writeBack();
  }

  /**
   * Calls `run` on arrays of the same length along axis 0, made contiguous; or, where those outside the arena are more than
   * `limit` bytes, on one piece of all of them after the other.
   * @param step the pieces' lengths are multiples of this
   */
  pieces(
    given: readonly NDArray[],
    run: (operands: Operands, pieces: readonly NDArray[], from: number) => void,
    { step = 1, limit = this.piece }: { readonly step?: number; readonly limit?: number } = {},
  ): void {
    const arrays = given.map(contiguous);
    const length = arrays[0].shape[0];
    let bytes = 0;
    for (const x of arrays) bytes += footprint(x);
    if (bytes <= limit) {
      this.call((operands) => run(operands, arrays, 0));
      return;
    }
    const most = Math.max(step, Math.floor((length * limit) / bytes / step) * step);
    for (let from = 0; from < length; from += most) {
      const to = Math.min(length, from + most);
      this.call((operands) =>
        run(
          operands,
          arrays.map((x) => part(x, 0, from, to)),
          from,
        ),
      );
    }
  }
}
