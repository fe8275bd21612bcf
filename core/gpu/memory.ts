/**
 * @file The memory of one gpu session: brings operands to the device, keeps what is there, and evicts when it is full.
 *
 *     Storage    an operand, uploaded by its first product, or a product, whose values are on the device only
 *     Constant   an operand that never changes (a packed matrix): packed and uploaded by its first product
 *
 * An array stays on the device after the product that needed it, so that a frozen weight is uploaded once. It leaves
 *
 *   - when the device is over its budget and it is the least recently used: a storage's values are downloaded first, a
 *     constant's are made again when they are needed. That is slower, but loses nothing;
 *   - when its storage is written on the host, released, or collected, or its constant is collected;
 *   - when the device is lost, and with it the values that were nowhere else.
 */

import { type FloatArray, residentStorage, Storage } from "../array/storage.ts";
import { DeviceError } from "../errors.ts";
import type { Plan } from "./plan.ts";
import { type Constant, ConstantCopy, type Evictable, ResidentArray, ResidentList } from "./resident.ts";
import { SessionError, type SyncSession } from "./sync-session.ts";

const GiB = 2 ** 30;

/**
 * Bytes kept on a device at most. An adapter does not tell how much memory it has: this is a guess, and `#attempt`
 * lowers it when the device runs out of memory before.
 */
export const defaultBudget = (software: boolean): number => (software ? 1 : 4) * GiB;

export class DeviceMemory {
  readonly #name: string;
  readonly #session: SyncSession;
  #budget: number;
  /** All arrays on the device. Each is listed right after it is made, and taken off when it is freed. */
  readonly #residents = new ResidentList();
  /** Bytes of the arrays on the device. */
  #bytes = 0;
  /** The copies of constants, by the constants' `of`. One that was evicted stays here until it is made again. */
  readonly #constants = new WeakMap<object, ConstantCopy>();
  #alive = true;

  constructor(name: string, session: SyncSession, budget: number) {
    this.#name = name;
    this.#session = session;
    this.#budget = budget;
  }

  /** False once the device is lost. The next session needs a memory of its own. */
  get alive(): boolean {
    return this.#alive;
  }

  /**
   * Runs the product `plan` of `a` and `b`. The values of the storage that it returns are on the device only.
   * @throws DeviceError when the device fails
   */
  multiply(plan: Plan, a: Storage, b: Storage | Constant): Storage {
    const keep: Evictable[] = b instanceof Storage ? [a, b] : [a];
    const A = this.#bring(a, keep);
    let B: ResidentArray;
    if (b instanceof Storage) B = this.#bring(b, keep);
    else {
      const copy = this.#bringConstant(b, keep);
      keep.push(copy);
      B = copy.array;
    }
    const [x, y, z] = plan.output;
    const result = this.#make("matmul", x * y * z, keep, () =>
      this.#session.matmul(plan, A.number, B.number),
    );
    const storage = residentStorage(result.length, result);
    this.#residents.touch(result, storage);
    return storage;
  }

  /** Downloads an array. `ResidentArray.read` calls it. */
  read(array: ResidentArray): Float32Array {
    return this.#attempt("reading", [], () => this.#session.download(array.number, array.length));
  }

  /** Frees an array. `ResidentArray.free` calls it. */
  free(array: ResidentArray): void {
    if (!this.#residents.delete(array)) return;
    this.#bytes -= 4 * array.length;
    if (this.#alive) this.#session.free(array.number);
  }

  /** The storage's array on the device, uploaded if it is not there. */
  #bring(storage: Storage, keep: readonly Evictable[]): ResidentArray {
    const array = storage.on(this, (data: FloatArray) =>
      this.#make("upload", data.length, keep, () =>
        this.#session.upload(data instanceof Float32Array ? data : Float32Array.from(data)),
      ),
    ) as ResidentArray;
    this.#residents.touch(array, storage);
    return array;
  }

  /** The constant's copy on the device, made and uploaded if it is not there. */
  #bringConstant({ of, make }: Constant, keep: readonly Evictable[]): ConstantCopy {
    let copy = this.#constants.get(of);
    if (!copy?.isThere) {
      const data = make();
      const array = this.#make("upload", data.length, keep, () => this.#session.upload(data));
      copy = new ConstantCopy(of, array);
      this.#constants.set(of, copy);
    }
    this.#residents.touch(copy.array, copy);
    return copy;
  }

  /** Makes room for `length` numbers, and then the array that `create` makes of them. The caller lists it. */
  #make(what: string, length: number, keep: readonly Evictable[], create: () => number): ResidentArray {
    this.#evict(this.#budget - 4 * length, keep);
    const array = new ResidentArray(this, this.#attempt(what, keep, create), length);
    this.#bytes += 4 * length;
    return array;
  }

  /** Evicts, least recently used first, until at most `bytes` are on the device or only `keep` is left there. */
  #evict(bytes: number, keep: readonly Evictable[]): void {
    for (const [array, owner] of this.#residents) {
      if (this.#bytes <= bytes) return;
      if (!owner) array.free();
      else if (!keep.includes(owner)) owner.evict();
    }
  }

  /**
   * Runs `work`. When the device is out of memory, everything but `keep` is evicted and `work` runs once more; from
   * then on the budget is what was on the device at that moment.
   */
  #attempt<T>(what: string, keep: readonly Evictable[], work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SessionError && error.fault === "memory")) throw this.#failure(what, error);
    }
    this.#budget = Math.min(this.#budget, this.#bytes);
    this.#evict(0, keep);
    try {
      return work();
    } catch (error) {
      throw this.#failure(what, error);
    }
  }

  /** `error` as a DeviceError of the call `what`. If it says that the device is lost, the memory ends here. */
  #failure(what: string, error: unknown): Error {
    if (error instanceof DeviceError) return error;
    const isLost = error instanceof SessionError && error.fault === "lost";
    if (isLost && this.#alive) this.#end();
    const advice = isLost
      ? "; values that were only there are gone, the next product opens the device anew"
      : "";
    const { message } = error as Error;
    return new DeviceError(`${this.#name}: ${what}: ${message}${advice}`, { cause: error });
  }

  /** Closes the session of a lost device. Storages keep their arrays, so that reading one fails with the reason. */
  #end(): void {
    this.#alive = false;
    this.#session.close();
    for (const [, owner] of this.#residents) if (owner instanceof ConstantCopy) owner.evict();
  }
}
