/**
 * @file Which parts of a range of addresses are taken. The design is TLSF, "two-level segregated fit" (M. Masmano,
 * I. Ripoll, A. Crespo, J. Real: TLSF: A New Dynamic Memory Allocator for Real-Time Systems, ECRTS 2004), with its
 * bookkeeping outside the memory it hands out.
 *
 * Free blocks are listed by size: a first level of powers of two, each cut into 16 classes by a second level, and a
 * bit for every list that is not empty, so that the next larger block is found by two searches for a bit. The rest of
 * a block that is too large is split off; a block that is freed merges with its free neighbours (boundary tags, Knuth,
 * The Art of Computer Programming, §2.5), so there are never two free blocks side by side.
 */

import { DeviceError } from "../errors.ts";

/** Addresses and lengths are multiples of this many bytes. */
export const GRAIN = 64;

/** log₂ of the classes in a power of two. */
const LOG_CLASSES = 4;
const CLASSES = 1 << LOG_CLASSES;

/** A part of the range, in grains from its start, and its neighbours. */
interface Block {
  start: number;
  size: number;
  before: Block | null;
  after: Block | null;
  /** Place in the list of its class; −1 when taken. */
  slot: number;
}

export class Allocator {
  readonly #base: number;
  /** Of the range, in grains. */
  readonly #size: number;
  readonly #lists: Block[][] = [];
  /** Bit f: some list of the first level's row f is not empty. */
  #rows = 0;
  /** Bit s of entry f: list s of row f is not empty. */
  readonly #columns: number[] = [];
  readonly #taken = new Map<number, Block>();
  #takenGrains = 0;
  #peakGrains = 0;

  /** Hands out addresses from `start` on, of `bytes` bytes; both are multiples of `GRAIN`. At most 4 GiB. */
  constructor(start: number, bytes: number) {
    this.#base = start;
    const size = Math.floor(bytes / GRAIN);
    this.#size = size;
    if (size > 0) this.#list({ start: 0, size, before: null, after: null, slot: -1 });
  }

  /** Bytes taken now, those that round a length up to whole grains included. */
  get taken(): number {
    return this.#takenGrains * GRAIN;
  }

  /** The most bytes that were ever taken at once. */
  get peak(): number {
    return this.#peakGrains * GRAIN;
  }

  /** Free blocks and their lengths in bytes, in no order. */
  get free(): readonly number[] {
    return this.#lists.flatMap((list) => list.map(({ size }) => size * GRAIN));
  }

  /** The address of `bytes` bytes, or null when no free block is so long. */
  take(bytes: number): number | null {
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

  /** Takes back what `take` gave. @throws DeviceError when the address is not taken */
  give(address: number): void {
    const block = this.#taken.get(address);
    if (!block) throw new DeviceError(`cpu: address ${address} was given back, but is not taken`);
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

  /** A free block of at least `size` grains. */
  #find(size: number): Block | null {
    // Every block in the lists from here on is long enough.
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

  /** Near the end of the memory: one of the same class may do, though not all of it are long enough. */
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

/** `block` grows by the one behind it. */
function join(block: Block, after: Block): void {
  block.size += after.size;
  block.after = after.after;
  if (after.after) after.after.before = block;
}

const log2 = (n: number): number => 31 - Math.clz32(n);
const lowestBit = (bits: number): number => log2(bits & -bits);

/** Row (a power of two) and column (a sixteenth of it) of the list for blocks of `size` grains; row 0 holds the smallest. */
function classOf(size: number): readonly [number, number] {
  if (size < CLASSES) return [0, size];
  const log = log2(size);
  return [log - LOG_CLASSES + 1, (size >> (log - LOG_CLASSES)) - CLASSES];
}
