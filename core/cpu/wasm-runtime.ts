/**
 * @file WasmRuntime: the compiled kernels with their memory and threads. It runs a kernel, decides into how many
 * chunks a job is cut, and cuts arrays that do not fit into the window into pieces.
 */

import { contiguous, type NDArray } from "../array/ndarray.ts";
import { DeviceError } from "../errors.ts";
import { shared, single } from "./generated/built-by-npm-run-build-wasm.ts";
import { Memory } from "./memory.ts";
import { footprint, Operands, part } from "./operands.ts";
import { defaultThreads, maySleep, startWorker, wishedMemory } from "./platform.ts";

/** The numbers of the kernels in assembly/index.ts. */
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

/** Addresses of the job board in assembly/board.ts, as indices of 4-byte words. */
const THREADS = 1344 / 4;
const MAY_SLEEP = 1348 / 4;
const STARTED = 1408 / 4;
const ARGUMENTS = 1536 / 4;

/** Chunks are small, so that at the end of a job no thread waits long for the last one. */
const CHUNKS_PER_THREAD = 16;

/** Below the kernels' constants there is space for the tiles of so many threads (assembly/matmul.ts, build.js). */
const MOST_THREADS = 240;

/** Bytes of the window that are not planned with: the length of each operand is rounded up to whole cache lines. */
const SLACK = 4096;

/** A piece of so many bytes stays in the second-level cache. */
const PIECE = 2 ** 20;

/** The function of assembly/index.ts that runs a job. */
type Run = (kernel: number, chunks: number) => void;

/** The shortest module, which holds nothing. */
const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** WebAssembly, or its SIMD, is absent here or forbidden, as a page's Content-Security-Policy may. */
export class NoWebAssembly extends DeviceError {
  override readonly name = "DeviceError";
}

/** Compiles a module. @throws NoWebAssembly when that does not work here */
function compile(bytes: Uint8Array<ArrayBuffer>, what: string): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    throw new NoWebAssembly(`cpu: ${what} does not work here (${(error as Error).message})`);
  }
}

/** The bits of a float32, with which it is passed among a kernel's integer arguments. */
export function floatBits(x: number): number {
  return new Uint32Array(Float32Array.of(x).buffer)[0];
}

/**
 * The kernels, and what they need to run. The cpu device has one, from its opening to the end of the program.
 *
 *     runtime.call((operands) => {
 *       const addresses = [operands.input(x).address, operands.output(y).address];
 *       runtime.run(kernels.unary, runtime.chunks(groups, nanoseconds), [...addresses, x.size, f]);
 *     });
 */
export class WasmRuntime {
  readonly memory: Memory;
  readonly #module: WebAssembly.Module;
  readonly #run: Run;
  #threads = 0;
  #started = 1;

  /**
   * @param mebibytes the size of the memory. Defaults to LOWRANK_MEMORY_MIB, or as much as the system grants.
   * @param window bytes of it through which operands are copied in and out. Defaults to a share of it, see `Memory`.
   * @throws NoWebAssembly where WebAssembly with SIMD does not work; DeviceError when the memory is not granted
   */
  constructor(mebibytes = wishedMemory(), window?: number) {
    compile(EMPTY, "WebAssembly");
    this.memory = new Memory(mebibytes, window);
    const bytes = Uint8Array.from(atob(this.memory.isShared ? shared : single), (c) => c.charCodeAt(0));
    this.#module = compile(bytes, "WebAssembly with SIMD");
    const { memory } = this.memory;
    this.#run = new WebAssembly.Instance(this.#module, { env: { memory } }).exports.run as Run;
    this.setThreads(defaultThreads());
    if (this.memory.isShared && maySleep()) this.memory.words[MAY_SLEEP] = 1;
  }

  /** Threads that take part in a job, this one included. */
  get threads(): number {
    return this.#threads;
  }

  /** Workers that have come up. */
  get startedWorkers(): number {
    return this.memory.words[STARTED];
  }

  /** Bytes of the window that the operands of one call may take, minus a little for rounding up. */
  get windowCapacity(): number {
    return this.memory.window.bytes - SLACK;
  }

  /** Bytes that `pieces` copies into the window at a time. */
  get piece(): number {
    return Math.min(PIECE, this.windowCapacity / 2);
  }

  /** Sets how many threads take part in a job, this one included. Without shared memory it stays 1. */
  setThreads(count: number): void {
    if (!Number.isInteger(count) || count < 1 || count > MOST_THREADS) {
      throw new DeviceError(`cpu: expected 1 to ${MOST_THREADS} threads; got ${count}`);
    }
    this.#threads = this.memory.isShared ? count : 1;
    this.memory.words[THREADS] = this.#threads;
  }

  /**
   * Chooses the number of chunks for a job of `items` that takes about `nanoseconds` on one thread. Starts the
   * workers.
   */
  chunks(items: number, nanoseconds: number): number {
    if (this.#threads === 1 || nanoseconds < 20_000) return 1;
    this.#startWorkers();
    return Math.max(1, Math.min(items, this.#threads * CHUNKS_PER_THREAD, Math.floor(nanoseconds / 10_000)));
  }

  /** Runs a kernel. The function of that name in assembly/ documents its arguments, and what a chunk of it is. */
  run(kernel: number, chunks: number, args: readonly number[]): void {
    const { words } = this.memory;
    for (let i = 0; i < args.length; i++) words[ARGUMENTS + i] = args[i];
    this.#run(kernel, chunks);
  }

  /** Starts the workers that are not started yet. Until one comes up, the others do its work. */
  #startWorkers(): void {
    for (; this.#started < this.#threads; this.#started++) {
      startWorker({ module: this.#module, memory: this.memory.memory, thread: this.#started });
    }
  }

  /** Calls `fn` with the operands of one kernel call, and copies its results out of the window when `fn` returns. */
  call(fn: (operands: Operands) => void): void {
    const operands = new Operands(this.memory);
    fn(operands);
    operands.writeBack();
  }

  /**
   * Calls `run` for arrays of the same length along axis 0, which it makes contiguous: once with all of them, or,
   * when those outside the arena have more than `limit` bytes, once for each piece of them along axis 0. `from` is
   * the index at which a piece begins.
   * @param step the length of each piece but the last is a multiple of this
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
