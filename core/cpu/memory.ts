/**
 * @file The one WebAssembly memory that the kernels see: the job board, a window for what a kernel call brings in, and
 * the arena of the temporaries. Shared between threads where the platform allows it.
 *
 * It does not grow: the views of a memory that is not shared would not survive that. It is as large from the start as
 * the system grants, up to the 4 GiB that 32-bit addresses reach; the system gives a page when it is first written.
 */

import { DeviceError } from "../errors.ts";
import { Allocator, GRAIN } from "./allocator.ts";

const PAGE = 65536;
const MIB = 2 ** 20;

/** Sizes to try, largest first: not every system promises so much address space. */
export const MOST_MIB = 4096;
const SIZES_MIB = [MOST_MIB, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 128];

/** Less leaves hardly anything beside the window. */
export const LEAST_MIB = 16;

/** Below are the job board and the constants of the kernels. */
const FIRST_ADDRESS = PAGE;

/** Kernels may read a little past the end of an array; so no address of an array's end is 2³² either. */
const END_GUARD = 256;

/** Arrays that are remembered, so as not to be made again. */
const MOST_VIEWS = 10_000;

/** The window's part of the memory, at least and at most. */
const WINDOW_SHARE = 1 / 4;
const LEAST_WINDOW = 8 * MIB;
const MOST_WINDOW = 64 * MIB;

export class Memory {
  readonly memory: WebAssembly.Memory;
  readonly isShared: boolean;
  /** All of it, as bytes, as words and as numbers. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  /** What operands outside the arena are brought into, piece by piece; free again after each call. */
  readonly window: { readonly address: number; readonly bytes: number };
  readonly arena: Allocator;
  /** The array handed out last, by address: a training step asks for the same ones again and again. */
  readonly #views = new Map<number, Float32Array>();

  /**
   * @param mebibytes its size; as much as the system grants when not given
   * @param window bytes of the window; a share of the memory when not given
   * @throws DeviceError when the system does not grant it
   */
  constructor(mebibytes?: number, window?: number) {
    const { memory, isShared } = openMemory(mebibytes);
    this.memory = memory;
    this.isShared = isShared;
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.floats = new Float32Array(memory.buffer);
    const { byteLength } = memory.buffer;
    const bytes = window ?? Math.min(MOST_WINDOW, Math.max(LEAST_WINDOW, byteLength * WINDOW_SHARE));
    this.window = { address: FIRST_ADDRESS, bytes };
    const start = FIRST_ADDRESS + bytes + GRAIN;
    this.arena = new Allocator(start, byteLength - END_GUARD - start);
  }

  /** Room for a temporary of `length` numbers, or null when the arena is full. */
  allocate(length: number): { readonly address: number; readonly array: Float32Array } | null {
    const address = this.arena.take(length * 4);
    if (address === null) return null;
    let array = this.#views.get(address);
    if (array?.length !== length) {
      array = new Float32Array(this.memory.buffer, address, length);
      if (this.#views.size >= MOST_VIEWS) this.#views.clear();
      this.#views.set(address, array);
    }
    return { address, array };
  }

  /** Takes back what `allocate` gave. @throws DeviceError when nothing is there */
  free(address: number): void {
    this.arena.give(address);
  }
}

function openMemory(mebibytes?: number): { memory: WebAssembly.Memory; isShared: boolean } {
  const sizes = mebibytes === undefined ? SIZES_MIB : [mebibytes];
  // Without cross-origin isolation a page has no SharedArrayBuffer.
  for (const isShared of typeof SharedArrayBuffer === "undefined" ? [false] : [true, false]) {
    const memory = largest(sizes, isShared);
    if (memory) return { memory, isShared };
  }
  throw new DeviceError(
    `cpu: no WebAssembly memory of ${sizes.at(-1)} MiB here; set LOWRANK_MEMORY_MIB to fewer, or use the device reference`,
  );
}

function largest(sizes: readonly number[], shared: boolean): WebAssembly.Memory | null {
  for (const size of sizes) {
    const pages = (size * MIB) / PAGE;
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    } catch {
      // The next is smaller.
    }
  }
  return null;
}
