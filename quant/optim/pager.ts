/**
 * @file Pager: arrays in pages, of which only so many bytes are in memory; the least recently used move to a file and
 * come back when they are asked for. What CUDA's unified memory does for QLoRA's paged optimizers (section 3), one
 * level down: there from GPU to CPU memory, here from memory to disk.
 */

import { openPageFile, type PageFile } from "#pages";
import { ArgumentError, fromHost, LowrankError, type NDArray } from "../../core/index.ts";

/** A page that could not be written or read. Pages in memory are as they were. */
export class PagingError extends LowrankError {}

export interface PagerOptions {
  /** Most bytes of pages in memory at any time. */
  readonly budget: number;
  /** Bytes of a page, at most; 256 KiB unless given. */
  readonly pageBytes?: number;
  /** Where the page file goes; the system's temporary folder unless given. */
  readonly folder?: string;
  /** What opens the page file: another place than a file. */
  readonly openFile?: (folder?: string) => PageFile;
}

/** One row of the page table. */
export interface PageEntry {
  readonly page: number;
  readonly bytes: number;
  readonly resident: boolean;
  /** True when the copy in memory differs from the one in the file, or there is none in the file. */
  readonly dirty: boolean;
  /** Uses of any page so far when this one was used last; 0 for never. */
  readonly lastUsed: number;
}

export interface PagerCounts {
  /** Pages read back because they were used. */
  readonly faults: number;
  /** Pages put out of memory. */
  readonly evictions: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Bytes of pages in memory, now and at most. */
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

/** Arrays that live and move together. Made by `Pager.add`. */
export interface Page {
  readonly lengths: readonly number[];
  readonly bytes: number;
}

class PageState implements Page {
  readonly lengths: readonly number[];
  readonly bytes: number;
  readonly offset: number;
  /** Null while the page is in the file only, or was never used. */
  arrays: NDArray[] | null = null;
  written = false;
  dirty = false;
  lastUsed = 0;

  constructor(lengths: readonly number[], offset: number) {
    this.lengths = lengths;
    this.bytes = 4 * lengths.reduce((sum, length) => sum + length, 0);
    this.offset = offset;
  }
}

const DEFAULT_PAGE = 256 * 1024;

export class Pager {
  readonly budget: number;
  readonly pageBytes: number;
  readonly #file: PageFile;
  readonly #pages = new Set<PageState>();
  /** Pages in memory, least recently used first. */
  readonly #resident = new Set<PageState>();
  #end = 0;
  #uses = 0;
  #counts = {
    faults: 0,
    evictions: 0,
    bytesRead: 0,
    bytesWritten: 0,
    residentBytes: 0,
    peakResidentBytes: 0,
  };
  #closed = false;

  /** @throws ArgumentError when the budget is smaller than a page; PagingError when the file cannot be made */
  constructor({ budget, pageBytes = DEFAULT_PAGE, folder, openFile = openPageFile }: PagerOptions) {
    if (!Number.isSafeInteger(pageBytes) || pageBytes < 4 || pageBytes % 4 !== 0)
      throw new ArgumentError("Pager", "pageBytes a positive multiple of 4", { pageBytes });
    if (!(budget >= pageBytes))
      throw new ArgumentError("Pager", `a budget of at least one page, ${pageBytes} bytes`, { budget });
    this.budget = budget;
    this.pageBytes = pageBytes;
    this.#file = attempt("cannot make a page file", () => openFile(folder));
    abandoned?.register(this, this.#file, this);
  }

  get counts(): PagerCounts {
    return { ...this.#counts };
  }

  /** The page table. */
  get table(): PageEntry[] {
    return Array.from(this.#pages, ({ bytes, arrays, dirty, lastUsed }, page) => ({
      page,
      bytes,
      resident: arrays !== null,
      dirty,
      lastUsed,
    }));
  }

  /** Where pages are written to. */
  get path(): string {
    return this.#file.path;
  }

  /** A page of arrays of zeros; it takes no memory before its first use. */
  add(lengths: readonly number[]): Page {
    const page = new PageState(lengths, this.#end);
    if (page.bytes > this.pageBytes)
      throw new ArgumentError("Pager", `at most ${this.pageBytes} bytes a page`, { bytes: page.bytes });
    this.#pages.add(page);
    this.#end += page.bytes;
    return page;
  }

  /**
   * The arrays of a page, in memory until another page is used.
   * @param change true when they will be written to
   * @throws PagingError when a page cannot be written to make room, or this one not read; no page is lost
   */
  use(page: Page, change: boolean): readonly NDArray[] {
    if (this.#closed) throw new PagingError("Pager: it is closed");
    const state = page as PageState;
    if (!state.arrays) this.#bring(state);
    this.#resident.delete(state);
    this.#resident.add(state);
    state.lastUsed = ++this.#uses;
    state.dirty ||= change;
    return state.arrays as NDArray[];
  }

  /** Takes a page out for good. */
  remove(page: Page): void {
    const state = page as PageState;
    if (state.arrays) this.#drop(state);
    this.#pages.delete(state);
  }

  /** Gives memory and file back. Pages cannot be used afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    abandoned?.unregister(this);
    for (const page of this.#resident) this.#drop(page);
    this.#file.close();
  }

  #bring(page: PageState): void {
    for (const oldest of this.#resident) {
      if (this.#counts.residentBytes + page.bytes <= this.budget) break;
      this.#evict(oldest);
    }
    const arrays = page.lengths.map((length) => new Float32Array(length));
    if (page.written) {
      let { offset } = page;
      for (const array of arrays) {
        const from = offset;
        attempt("cannot read a page", () => this.#file.read(bytesOf(array), from));
        offset += array.byteLength;
      }
      this.#counts.faults++;
      this.#counts.bytesRead += page.bytes;
    }
    page.arrays = arrays.map((array) => fromHost(array, [array.length], "optimizer"));
    this.#resident.add(page);
    const counts = this.#counts;
    counts.residentBytes += page.bytes;
    counts.peakResidentBytes = Math.max(counts.peakResidentBytes, counts.residentBytes);
  }

  /** Writes what the file does not have yet, then lets go: a failure leaves the page where it is. */
  #evict(page: PageState): void {
    if (page.dirty) {
      let { offset } = page;
      for (const { data } of page.arrays as NDArray[]) {
        const from = offset;
        attempt("cannot write a page (is the disk full?); nothing is lost, make room and go on", () =>
          this.#file.write(bytesOf(data), from),
        );
        offset += data.byteLength;
      }
      page.dirty = false;
      page.written = true;
      this.#counts.bytesWritten += page.bytes;
    }
    this.#counts.evictions++;
    this.#drop(page);
  }

  #drop(page: PageState): void {
    for (const { storage } of page.arrays as NDArray[]) storage.release();
    page.arrays = null;
    this.#resident.delete(page);
    this.#counts.residentBytes -= page.bytes;
  }
}

/** Files of pagers that nobody closed. */
const abandoned =
  typeof FinalizationRegistry === "undefined"
    ? null
    : new FinalizationRegistry<PageFile>((file) => file.close());

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function attempt<T>(failure: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof LowrankError) throw error;
    throw new PagingError(`Pager: ${failure}: ${(error as Error).message}`, { cause: error });
  }
}
