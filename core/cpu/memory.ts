/**
 * @file The one WebAssembly memory that the kernels see. Threads share it where the platform allows that.
 *
 *     0           64 KiB                                                                      end − 256
 *     job board,  window: operands of the current      arena: temporaries of scopes, from     guard
 *     constants   call that lie outside the arena      their creation to their release
 *
 * The memory never grows, because growing would detach the views of a memory that is not shared. From the start it is
 * as large as the system grants, up to the 4 GiB that 32-bit addresses reach; the system provides a page when it is
 * first written.
 */

import { DeviceError } from "../errors.ts";
import { Allocator, GRAIN } from "./allocator.ts";

const PAGE = 65536;
const MIB = 2 ** 20;

/** Sizes to try, largest first, since not every system grants so much address space. */
export const MOST_MIB = 4096;
const SIZES_MIB = [MOST_MIB, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 128];

/** With less memory than this hardly anything would be left beside the window. */
export const LEAST_MIB = 16;

/** The job board and the constants of the kernels are below this address. */
const FIRST_ADDRESS = PAGE;

/** Bytes at the end that no array has: kernels may read a little past an array, and no end of one may be at 2³². */
const END_GUARD = 256;

/** Most typed arrays that are cached; making one takes longer than a small kernel. */
const MOST_VIEWS = 10_000;

/** The window's share of the memory, and its limits in bytes. */
const WINDOW_SHARE = 1 / 4;
const LEAST_WINDOW = 8 * MIB;
const MOST_WINDOW = 64 * MIB;

/** The memory, its views, its window and its arena. It lasts as long as its WasmRuntime. */
export class Memory {
  readonly memory: WebAssembly.Memory;
  readonly isShared: boolean;
  /** The whole memory as bytes, as 32-bit words and as numbers. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  /** Where operands outside the arena are copied for a kernel call. It is free again after each call. */
  readonly window: { readonly address: number; readonly bytes: number };
  /** Hands out the memory after the window. */
  readonly arena: Allocator;
  /** The array last made at each address: training steps allocate the same ones again and again. */
  readonly #views = new Map<number, Float32Array>();

  /**
   * @param mebibytes the size of the memory. Defaults to as much as the system grants.
   * @param window bytes of the window. Defaults to a quarter of the memory, at least 8 and at most 64 MiB.
   * @throws DeviceError when the system does not grant the memory
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

  /** Allocates a temporary of `length` numbers in the arena; null when the arena is full. */
  allocate(length: number): { readonly address: number; readonly array: Float32Array } | null {
    const address = this.arena.allocate(length * 4);
    if (address === null) return null;
    let array = this.#views.get(address);
    if (array?.length !== length) {
      array = new Float32Array(this.memory.buffer, address, length);
      if (this.#views.size >= MOST_VIEWS) this.#views.clear();
      this.#views.set(address, array);
    }
    return { address, array };
  }

  /** Frees what `allocate` returned. @throws DeviceError when nothing is allocated at this address */
  free(address: number): void {
    this.arena.free(address);
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
      // Not granted: try the next size, which is smaller.
    }
  }
  return null;
}
