/**
 * @file The allocator of the arena: keeps track of which parts of a range of addresses are taken. The design is TLSF,
 * "two-level segregated fit" (M. Masmano, I. Ripoll, A. Crespo, J. Real: TLSF: A New Dynamic Memory Allocator for
 * Real-Time Systems, ECRTS 2004), with its bookkeeping outside the memory that it hands out.
 *
 * Free blocks are listed by size: a first level of powers of two, each cut into 16 classes by a second level, and a
 * bit for every list that is not empty, so that the next larger block is found by two searches for a bit. When a
 * block is larger than needed, the rest is split off and stays free. A block that is freed merges with its free
 * neighbours (boundary tags, Knuth, The Art of Computer Programming, §2.5), so two free blocks are never side by
 * side.
 */

import { DeviceError } from "../errors.ts";

/** Addresses and lengths are multiples of this many bytes. */
export const GRAIN = 64;

/** log₂ of the classes in a power of two. */
const LOG_CLASSES = 4;
const CLASSES = 1 << LOG_CLASSES;

/** A part of the range, free or taken: its place in grains from the start of the range, and its neighbours. */
interface Block {
  start: number;
  size: number;
  before: Block | null;
  after: Block | null;
  /** Index in the list of its class; −1 when the block is taken. */
  slot: number;
}

export class Allocator {
  readonly #base: number;
  /** Length of the range in grains. */
  readonly #size: number;
  /** Free blocks: the list of row f and column s is entry f · CLASSES + s. */
  readonly #lists: Block[][] = [];
  /** Bit f is set when some list of row f is not empty. */
  #rows = 0;
  /** Bit s of entry f is set when the list of row f and column s is not empty. */
  readonly #columns: number[] = [];
  /** Taken blocks by address. */
  readonly #taken = new Map<number, Block>();
  #takenGrains = 0;
  #peakGrains = 0;

  /** Hands out addresses in the `bytes` bytes from `start` on. Both are multiples of `GRAIN`; at most 4 GiB. */
  constructor(start: number, bytes: number) {
    this.#base = start;
    const size = Math.floor(bytes / GRAIN);
    this.#size = size;
    if (size > 0) this.#list({ start: 0, size, before: null, after: null, slot: -1 });
  }

  /** Bytes taken now, with lengths rounded up to whole grains. */
  get taken(): number {
    return this.#takenGrains * GRAIN;
  }

  /** The largest value that `taken` has had. */
  get peak(): number {
    return this.#peakGrains * GRAIN;
  }

  /** Lengths of the free blocks in bytes, in no order. */
  get freeBlocks(): readonly number[] {
    return this.#lists.flatMap((list) => list.map(({ size }) => size * GRAIN));
  }

  /** Allocates `bytes` bytes and returns their address; null when no free block is long enough. */
  allocate(bytes: number): number | null {
    const size = Math.max(1, Math.ceil(bytes / GRAIN));
    // The bit arithmetic of the search is for 32 bits: it never sees a size beyond the range.
    const block = size <= this.#size ? this.#find(size) : null;
    if (!block) return null;
    this.#unlist(block);
    if (block.size > size) {
      const { start, after } = block;
      const rest: Block = { start: start + size, size: block.size - size, before: block, after, slot: -1 };
      if (after) after.before = rest;
      block.after = rest;
      block.size = size;
      this.#list(rest);
    }
    const address = this.#base + block.start * GRAIN;
    this.#taken.set(address, block);
    this.#takenGrains += size;
    this.#peakGrains = Math.max(this.#peakGrains, this.#takenGrains);
    return address;
  }

  /** Frees the block that `allocate` returned. @throws DeviceError when the address is not taken */
  free(address: number): void {
    const block = this.#taken.get(address);
    if (!block) throw new DeviceError(`cpu: address ${address} was freed, but is not taken`);
    this.#taken.delete(address);
    this.#takenGrains -= block.size;
    const { before, after } = block;
    let free = block;
    if (after && after.slot >= 0) {
      this.#unlist(after);
      join(free, after);
    }
    if (before && before.slot >= 0) {
      this.#unlist(before);
      join(before, free);
      free = before;
    }
    this.#list(free);
  }

  /** Finds a free block of at least `size` grains; null when there is none. */
  #find(size: number): Block | null {
    // Rounded up to the next class, so that every block of the lists found below is long enough.
    const rounded = size < CLASSES ? size : size + (1 << (log2(size) - LOG_CLASSES)) - 1;
    const [row, column] = classOf(rounded);
    let found = row;
    let columns = (this.#columns[row] ?? 0) & (-1 << column);
    if (columns === 0) {
      const rows = this.#rows & (-1 << (row + 1)); // 4 GiB are 2²⁶ grains: rows are at most 23
      if (rows === 0) return this.#search(size);
      found = lowestBit(rows);
      columns = this.#columns[found];
    }
    return this.#lists[found * CLASSES + lowestBit(columns)].at(-1) as Block;
  }

  /**
   * For when no larger class has a block: searches the class of `size` itself, not all of whose blocks are long
   * enough.
   */
  #search(size: number): Block | null {
    const [row, column] = classOf(size);
    return this.#lists[row * CLASSES + column]?.find((block) => block.size >= size) ?? null;
  }

  #list(block: Block): void {
    const [row, column] = classOf(block.size);
    const list = (this.#lists[row * CLASSES + column] ??= []);
    block.slot = list.push(block) - 1;
    this.#columns[row] = (this.#columns[row] ?? 0) | (1 << column);
    this.#rows |= 1 << row;
  }

  #unlist(block: Block): void {
    const [row, column] = classOf(block.size);
    const list = this.#lists[row * CLASSES + column];
    const last = list.pop() as Block;
    if (last !== block) {
      list[block.slot] = last;
      last.slot = block.slot;
    }
    block.slot = -1;
    if (list.length > 0) return;
    this.#columns[row] &= ~(1 << column);
    if (this.#columns[row] === 0) this.#rows &= ~(1 << row);
  }
}

/** Merges `block` with the block `after` it. */
function join(block: Block, after: Block): void {
  block.size += after.size;
  block.after = after.after;
  if (after.after) after.after.before = block;
}

const log2 = (n: number): number => 31 - Math.clz32(n);
const lowestBit = (bits: number): number => log2(bits & -bits);

/**
 * Row (a power of two) and column (a sixteenth of it) of the list for blocks of `size` grains; row 0 holds the
 * smallest.
 */
function classOf(size: number): readonly [number, number] {
  if (size < CLASSES) return [0, size];
  const log = log2(size);
  return [log - LOG_CLASSES + 1, (size >> (log - LOG_CLASSES)) - CLASSES];
}
