/**
 * @file Arrays on a gpu device, as the host sees them: `ResidentArray` is one array there, a Storage or a
 * `ConstantCopy` owns it, and `ResidentList` lists those of a device.
 */

import { type Resident, Storage } from "../array/storage.ts";
import { countDevice } from "../meter.ts";

/** The memory in which a resident array lies. Storages compare `owner`s to tell devices apart. */
interface Home {
  read(array: ResidentArray): Float32Array;
  free(array: ResidentArray): void;
}

/** One array on the device. It exists from its upload, or the product that made it, until `free`. */
export class ResidentArray implements Resident {
  readonly owner: Home;
  /** The session's number of the array. */
  readonly number: number;
  readonly length: number;

  constructor(owner: Home, number: number, length: number) {
    this.owner = owner;
    this.number = number;
    this.length = length;
  }

  /** Downloads the values. */
  read(): Float32Array {
    return this.owner.read(this);
  }

  /** Gives the device's memory back. Freeing twice is a no-op. */
  free(): void {
    this.owner.free(this);
  }
}

/** An operand that never changes and that the host holds in another form: a matrix in 4-bit codes. */
export interface Constant {
  /** The host's form. The device's copy is freed when this object is collected, if it was not evicted before. */
  readonly of: object;
  /** Makes the device's form. Called again after an eviction. */
  make(): Float32Array;
}

/** The device's copy of a Constant. Evicting it drops it, since it can be made again. */
export class ConstantCopy {
  readonly array: ResidentArray;
  #isThere = true;

  constructor(of: object, array: ResidentArray) {
    this.array = array;
    countDevice(4 * array.length);
    collectedConstants?.register(of, this, this);
  }

  /** False once the copy was evicted. */
  get isThere(): boolean {
    return this.#isThere;
  }

  evict(): void {
    if (!this.#isThere) return;
    this.#isThere = false;
    collectedConstants?.unregister(this);
    this.array.free();
    countDevice(-4 * this.array.length);
  }
}

const collectedConstants =
  typeof FinalizationRegistry === "undefined"
    ? null
    : new FinalizationRegistry<ConstantCopy>((copy) => copy.evict());

/** Owns a resident array and can be told to give it up, without losing a value. */
export type Evictable = Storage | ConstantCopy;

/** The arrays on a device, least recently used first, each with its owner. */
export class ResidentList {
  /**
   * The order is that of the map's keys. Storages are held weakly, so that the collector frees those that nothing else
   * uses. But a WeakRef keeps its target alive until the running job ends, even after an eviction; so a storage is held
   * strongly when it is used, and weakly from the end of that job on.
   */
  readonly #owners = new Map<ResidentArray, Evictable | WeakRef<Storage>>();
  #willWeaken = false;

  /** Makes `array` the most recently used one, and lists it if it is new. */
  touch(array: ResidentArray, owner: Evictable): void {
    this.#owners.delete(array);
    this.#owners.set(array, owner);
    if (this.#willWeaken) return;
    this.#willWeaken = true;
    queueMicrotask(() => this.#weaken());
  }

  /** Takes `array` off the list. False when it was not on it. */
  delete(array: ResidentArray): boolean {
    return this.#owners.delete(array);
  }

  /** The arrays with their owners; null where the owner has been collected. Arrays may be deleted on the way. */
  *[Symbol.iterator](): Generator<readonly [ResidentArray, Evictable | null]> {
    for (const [array, owner] of this.#owners) {
      yield [array, owner instanceof WeakRef ? (owner.deref() ?? null) : owner];
    }
  }

  #weaken(): void {
    this.#willWeaken = false;
    for (const [array, owner] of this.#owners) {
      if (owner instanceof Storage) this.#owners.set(array, new WeakRef(owner));
    }
  }
}
