/**
 * @file Storage: one flat buffer with two homes, a copy on the host and a copy resident on a device. Each is made on
 * demand and kept until the other is written.
 */

import { LowrankError } from "../errors.ts";
import { type Category, count, countDevice, recount } from "../meter.ts";
import { allocateDoubles, allocateFloats } from "./allocate.ts";
import { currentScope, leaveScopes } from "./scope.ts";
import type { Shape } from "./shape.ts";

export type FloatArray = Float32Array | Float64Array;

/** A copy that lives on a device. `owner` tells devices apart; `read` brings the values to the host. */
export interface Resident {
  readonly owner: object;
  /** True for values that are read anew whenever they are asked for, such as those of a file: the host keeps no copy. */
  readonly isReadAnew?: boolean;
  read(): FloatArray;
  free(): void;
}

/** Memory that kernels can reach without copying (the WebAssembly memory of the cpu device). */
export interface Arena {
  /** `length` float32s and their address, or null when the arena is full. Contents are arbitrary. */
  allocate(length: number): { readonly array: Float32Array; readonly address: number } | null;
  free(address: number): void;
  /** Copies the elements of a strided view at `from` to `to`, in row-major order; false where loops do that better. */
  gather(from: number, shape: Shape, strides: readonly number[], to: number): boolean;
}

/** What the meter and the garbage collector know of a storage. It does not keep the storage alive. */
interface Account {
  readonly bytes: number;
  /** The category the bytes stand under now. */
  counted: Category;
  resident: Resident | null;
}

let made = 0;

/** How many storages have been made so far: the `serial` of the newest. */
export const storagesMade = (): number => made;

/** The memory behind arrays: shared by views, counted by the meter, released by scopes. */
export class Storage {
  readonly serial = ++made;
  readonly length: number;
  readonly bytes: number;
  #category: Category;
  #host: FloatArray | null;
  #address: number | null;
  #saves = 0;
  #version = 0;
  #released = false;
  readonly #account: Account;

  /** Use `hostStorage`, `newStorage` or `residentStorage`. */
  constructor(
    length: number,
    itemBytes: number,
    category: Category,
    host: FloatArray | null,
    address: number | null = null,
  ) {
    this.length = length;
    this.bytes = length * itemBytes;
    this.#category = category;
    this.#host = host;
    this.#address = address;
    this.#account = { bytes: this.bytes, counted: category, resident: null };
    count(category, this.bytes);
    const scope = currentScope();
    if (category === "workspace" && scope) scope.add(this);
    else collection?.register(this, this.#account, this);
  }

  /** What the bytes are for. Temporaries that a graph keeps for backward are `saved`. */
  get category(): Category {
    return this.#account.counted;
  }

  /** Raised by every in-place change, so that a stale value saved for backward is noticed. */
  get version(): number {
    return this.#version;
  }

  /** Address of the host copy in the arena; null when it lives elsewhere. */
  get address(): number | null {
    return this.#address;
  }

  /** The host copy, for reading. Brought from the device when only the device has it. */
  get data(): FloatArray {
    if (this.#host) return this.#host;
    const { resident } = this.#account;
    if (!resident) throw this.#released ? released() : deferred();
    const values = resident.read();
    if (!resident.isReadAnew) this.#host = values;
    return values;
  }

  /** The host copy, for writing in place: a device copy becomes stale and is dropped, the version rises. */
  write(): FloatArray {
    const data = (this.#host = this.data);
    dropResident(this.#account);
    this.#version++;
    return data;
  }

  /** The copy resident on `owner`'s device, made by `upload` when there is none. */
  on(owner: object, upload: (data: FloatArray) => Resident): Resident {
    const { resident } = this.#account;
    if (resident?.owner === owner) return resident;
    const uploaded = upload(this.data);
    dropResident(this.#account);
    this.settle(uploaded);
    return uploaded;
  }

  /** Takes over a device copy whose values equal this storage's, or are its only values. */
  settle(resident: Resident): void {
    this.#account.resident = resident;
    countDevice(this.bytes);
  }

  /** True while no memory of the host or a device holds the values; see `deferredStorage`. */
  get isDeferred(): boolean {
    const { resident } = this.#account;
    return !this.#released && this.#host === null && (resident === null || resident.isReadAnew === true);
  }

  /** True when the values are on `owner`'s device already. */
  isOn(owner: object): boolean {
    return this.#account.resident?.owner === owner;
  }

  /** Brings the values home and frees the device copy; a no-op without one. */
  evict(): void {
    if (!this.#account.resident) return;
    void this.data;
    dropResident(this.#account);
  }

  /** A graph keeps this storage: while at least one does, a temporary counts as `saved`. */
  retain(): void {
    this.#saves++;
    this.#recount();
  }

  /** Undoes one `retain`. */
  unretain(): void {
    this.#saves--;
    this.#recount();
  }

  /** Leaves its scope: the values stay until collected, and count under `category` from now on. */
  keep(category: Category = this.#category): this {
    if (this.#released) throw released();
    if (this.#address !== null) {
      const copy = allocateFloats(this.length);
      copy.set(this.#host as Float32Array); // several times as fast as the constructor, on shared memory
      arena?.free(this.#address);
      this.#host = copy;
      this.#address = null;
    }
    leaveScopes(this);
    this.#category = category;
    this.#recount();
    collection?.unregister(this);
    collection?.register(this, this.#account, this);
    return this;
  }

  /** Gives the memory back now. Using the storage afterwards is an error. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    collection?.unregister(this);
    takeOff(this.#account);
    if (this.#address !== null) arena?.free(this.#address);
    this.#host = null;
    this.#address = null;
  }

  #recount(): void {
    if (this.#released) return;
    const next = this.#category === "workspace" && this.#saves > 0 ? "saved" : this.#category;
    if (next === this.#account.counted) return;
    recount(this.#account.counted, next, this.bytes);
    this.#account.counted = next;
  }
}

function dropResident(account: Account): void {
  if (!account.resident) return;
  account.resident.free();
  account.resident = null;
  countDevice(-account.bytes);
}

/** Off the meter: the storage is gone, released or collected. */
function takeOff(account: Account): void {
  count(account.counted, -account.bytes);
  dropResident(account);
}

const released = () =>
  new LowrankError(
    "tensor: its values were released when the scope() it was made in ended; return it from the scope to keep it",
  );

const deferred = () =>
  new LowrankError("tensor: its values are to come from a file, which has not been named yet");

/** Storages outside any scope are taken off the meter when the collector frees them. */
const collection =
  typeof FinalizationRegistry === "undefined" ? null : new FinalizationRegistry<Account>(takeOff);

let arena: Arena | null = null;

/** Takes temporaries inside a scope from the arena `next` from now on, and returns the arena before it. */
export function setArena(next: Arena | null): Arena | null {
  const before = arena;
  arena = next;
  return before;
}

/** Copies a strided view of `source` to the front of `target`, if both are in the arena and it can. */
export function gatherInArena(
  source: Storage,
  offset: number,
  shape: Shape,
  strides: readonly number[],
  target: Storage,
): boolean {
  if (!arena || source.address === null || target.address === null) return false;
  return arena.gather(source.address + offset * 4, shape, strides, target.address);
}

let itemBytes: 4 | 8 = 4;

/** Runs `fn` with new arrays in this precision. float64 is for checks: use it through `withPrecision`. */
export function withItemBytes<T>(bytes: 4 | 8, fn: () => T): T {
  const before = itemBytes;
  itemBytes = bytes;
  try {
    return fn();
  } finally {
    itemBytes = before;
  }
}

/** "float64" inside `withPrecision("float64", …)`, else "float32". */
export function currentPrecision(): "float32" | "float64" {
  return itemBytes === 8 ? "float64" : "float32";
}

/**
 * New storage with arbitrary contents: the caller writes every element.
 * @throws DeviceError when neither the arena nor the system has room for it
 */
export function newStorage(length: number, category: Category = "workspace"): Storage {
  if (itemBytes === 8) return new Storage(length, 8, category, allocateDoubles(length));
  if (category === "workspace" && currentScope() && length > 0) {
    const taken = arena?.allocate(length);
    if (taken) return new Storage(length, 4, category, taken.array, taken.address);
  }
  return new Storage(length, 4, category, allocateFloats(length));
}

/** Storage around an array that the caller does not use any more. */
export function hostStorage(data: FloatArray, category: Category = "workspace"): Storage {
  return new Storage(data.length, data.BYTES_PER_ELEMENT, category, data);
}

/**
 * Storage without memory, whose values something else holds: whoever makes it says which by `settle`, as `openPretrained`
 * does for the weights in a file.
 */
export const deferredStorage = (length: number): Storage => new Storage(length, 0, "weights", null);

/** Storage whose values are on a device only. */
export function residentStorage(length: number, resident: Resident): Storage {
  const storage = new Storage(length, 4, "workspace", null);
  storage.settle(resident);
  return storage;
}
