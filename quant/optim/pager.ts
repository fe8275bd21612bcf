/**
 * @file Pager: arrays in pages, of which at most `budget` bytes are in memory. The least recently used pages are evicted to
 * a file and read back when they are used. This is what CUDA's unified memory does for QLoRA's paged optimizers (section
 * 3), one level down: there from GPU to CPU memory, here from memory to disk.
 */

import { openPageFile, type PageFile } from "#pages";
import { ArgumentError, fromHost, LowrankError, type NDArray } from "../../core/index.ts";

/** A page could not be written or read. Pages in memory are unchanged. */
export class PagingError extends LowrankError {
  override readonly name = "PagingError";
}

/** The options of a Pager. */
export interface PagerOptions {
  /** The most bytes of pages in memory at any time. */
  readonly budget: number;
  /**
   * The most bytes of a page.
   * @default 262144, which is 256 KiB
   */
  readonly pageBytes?: number;
  /**
   * The folder of the page file.
   * @default the system's temporary folder
   */
  readonly folder?: string;
  /**
   * Opens the page file, or another store in its place.
   * @default a file in `folder`; in a browser there is no default
   */
  readonly openFile?: (folder?: string) => PageFile;
}

/** One row of the page table. */
export interface PageEntry {
  readonly page: number;
  readonly bytes: number;
  readonly resident: boolean;
  /** True if the copy in memory differs from the one in the file, or the file has none. */
  readonly dirty: boolean;
  /** The number of uses of all pages when this one was last used; 0 if it never was. */
  readonly lastUsed: number;
}

/** Counts of a pager. */
export interface PagerCounts {
  /** Evicted pages that were read back. */
  readonly faults: number;
  /** Pages removed from memory. */
  readonly evictions: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Bytes of pages in memory now. */
  readonly residentBytes: number;
  /** The most bytes of pages in memory so far. */
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
  /** Null while the page is evicted, or if it was never used. */
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

/**
 * Arrays in pages under a byte budget.
 *
 *     const pager = new Pager({ budget: 2 ** 20 });
 *     const page = pager.add([1000, 1000]);          // two arrays of zeros
 *     const [m, v] = pager.use(page, true);          // in memory until another page is used
 */
export class Pager {
  /** The most bytes of pages in memory. */
  readonly budget: number;
  /** The most bytes of a page. */
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

  /** @throws ArgumentError if the budget is smaller than a page; PagingError if the file cannot be made */
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

  /** The counts so far. */
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

  /** The path of the page file. */
  get path(): string {
    return this.#file.path;
  }

  /**
   * Adds a page of arrays of zeros, which takes no memory before its first use.
   * @param lengths the number of elements of each array
   */
  add(lengths: readonly number[]): Page {
    const page = new PageState(lengths, this.#end);
    if (page.bytes > this.pageBytes)
      throw new ArgumentError("Pager", `at most ${this.pageBytes} bytes a page`, { bytes: page.bytes });
    this.#pages.add(page);
    this.#end += page.bytes;
    return page;
  }

  /**
   * Brings a page into memory and returns its arrays, which stay there until another page is used.
   * @param change whether they will be written to
   * @throws PagingError if a page cannot be evicted to make room, or this one cannot be read; no page is lost
   */
  use(page: Page, change: boolean): readonly NDArray[] {
    if (this.#closed) throw new PagingError("Pager: it is closed; make a new one");
    const state = page as PageState;
    if (!state.arrays) this.#bring(state);
    this.#resident.delete(state);
    this.#resident.add(state);
    state.lastUsed = ++this.#uses;
    state.dirty ||= change;
    return state.arrays as NDArray[];
  }

  /** Removes a page for good. */
  remove(page: Page): void {
    const state = page as PageState;
    if (state.arrays) this.#drop(state);
    this.#pages.delete(state);
  }

  /** Releases the memory and removes the file. Pages cannot be used afterwards. */
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

  /** Writes the page if the file does not have it yet, then drops it: a failure leaves the page in memory. */
  #evict(page: PageState): void {
    if (page.dirty) {
      let { offset } = page;
      for (const { data } of page.arrays as NDArray[]) {
        const from = offset;
        attempt("cannot write a page (is the disk full?); nothing is lost, make room and try again", () =>
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

/** Closes the files of pagers that were garbage-collected without being closed. */
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
