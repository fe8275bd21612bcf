/**
 * @file The one WebAssembly memory that the kernels and all temporaries live in, and its allocator. Shared
 * between threads where the platform allows it. It does not grow: the system gives a page when it is first
 * written, and views of a memory that is not shared would not survive growth.
 */

import { DeviceError } from "../errors.ts";

const PAGE = 65536;
const MIB = 2 ** 20;

/** Sizes to try, largest first: not every system promises so much address space. */
const SHARED_MIB = [1536, 768, 256];
const SINGLE_MIB = [384, 128];

/** Below are the job board and the constants of the kernels. */
const FIRST_ADDRESS = PAGE;

/** Kernels may read a little past the end of an array. */
const END_GUARD = 256;

interface Block {
  readonly address: number;
  readonly capacity: number;
  /** The view handed out last; a training step asks for the same lengths again and again. */
  array: Float32Array;
}

export class Memory {
  readonly memory: WebAssembly.Memory;
  readonly isShared: boolean;
  readonly words: Uint32Array;
  readonly #free = new Map<number, Block[]>();
  readonly #taken = new Map<number, Block>();
  #next = FIRST_ADDRESS;

  constructor() {
    const { memory, isShared } = openMemory();
    this.memory = memory;
    this.isShared = isShared;
    this.words = new Uint32Array(memory.buffer);
  }

  /** For temporaries, which leave a quarter of the memory to the operands of single calls. */
  allocate(length: number): Block | null {
    return this.#take(length, this.words.byteLength * 0.75);
  }

  /** For the duration of one kernel call. @throws DeviceError when there is no room */
  take(length: number): Block {
    const block = this.#take(length, this.words.byteLength - END_GUARD);
    if (block) return block;
    throw new DeviceError(
      `cpu: no room for ${(length * 4) / MIB} MiB in WebAssembly memory of ${this.words.byteLength / MIB} MiB; ` +
        "use smaller batches, or the device reference",
    );
  }

  free(address: number): void {
    const block = this.#taken.get(address) as Block;
    this.#taken.delete(address);
    const list = this.#free.get(block.capacity);
    if (list) list.push(block);
    else this.#free.set(block.capacity, [block]);
  }

  #take(length: number, limit: number): Block | null {
    const capacity = capacityFor(length * 4);
    let block = this.#free.get(capacity)?.pop();
    if (!block) {
      const address = this.#next;
      if (address + capacity > limit) return null;
      this.#next += capacity;
      block = { address, capacity, array: new Float32Array(this.memory.buffer, address, length) };
    } else if (block.array.length !== length) {
      block.array = new Float32Array(this.memory.buffer, block.address, length);
    }
    this.#taken.set(block.address, block);
    return block;
  }
}

/** Sizes come in classes, four to each power of two and multiples of 64, so that freed blocks fit again. */
function capacityFor(bytes: number): number {
  const step = Math.max(64, 2 ** (29 - Math.clz32(bytes - 1)));
  return Math.ceil(bytes / step) * step;
}

function openMemory(): { memory: WebAssembly.Memory; isShared: boolean } {
  // Without cross-origin isolation a page has no SharedArrayBuffer.
  if (typeof SharedArrayBuffer !== "undefined") {
    const memory = largest(SHARED_MIB, true);
    if (memory) return { memory, isShared: true };
  }
  const memory = largest(SINGLE_MIB, false);
  if (memory) return { memory, isShared: false };
  throw new DeviceError(
    `cpu: no WebAssembly memory of ${SINGLE_MIB.at(-1)} MiB here; use the device reference`,
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
