/**
 * @file A device's memory: which storages live in a session. Operands are uploaded when they are not there and
 * stay; products stay. Over the budget, the least recently used come home: slower, but nothing is lost. What is made
 * of something constant (a packed matrix) stays as well, and is made again rather than brought home.
 */

import { type FloatArray, type Resident, residentStorage, Storage } from "../array/storage.ts";
import { DeviceError } from "../errors.ts";
import { countDevice } from "../meter.ts";
import type { Plan } from "./plan.ts";
import { SessionError, type SyncSession } from "./session.ts";

const GiB = 2 ** 30;

/** Bytes kept on a device. An adapter does not tell how much memory it has; too much shows as an error, see `#attempt`. */
export const defaultBudget = (software: boolean): number => (software ? 1 : 4) * GiB;

class ResidentArray implements Resident {
  readonly owner: DeviceMemory;
  readonly number: number;
  readonly length: number;

  constructor(owner: DeviceMemory, number: number, length: number) {
    this.owner = owner;
    this.number = number;
    this.length = length;
  }

  read(): Float32Array {
    return this.owner.read(this);
  }

  free(): void {
    this.owner.forget(this);
  }
}

/** An operand that the host holds in another form, for good: the device's form of it, made when it is not there. */
export interface Constant {
  /** Whose form it is. The device's copy stays until this is collected, at most. */
  readonly of: object;
  make(): Float32Array;
}

/** The device's copy of a Constant. */
class ConstantCopy {
  readonly resident: ResidentArray;
  #isThere = true;

  constructor(resident: ResidentArray) {
    this.resident = resident;
    countDevice(4 * resident.length);
  }

  get isThere(): boolean {
    return this.#isThere;
  }

  evict(): void {
    if (!this.#isThere) return;
    this.#isThere = false;
    collectedConstants?.unregister(this);
    this.resident.free();
    countDevice(-4 * this.resident.length);
  }
}

/** What is asked to leave the device. */
type Holder = Storage | ConstantCopy;

const collectedConstants =
  typeof FinalizationRegistry === "undefined"
    ? null
    : new FinalizationRegistry<ConstantCopy>((copy) => copy.evict());

export class DeviceMemory {
  readonly #name: string;
  readonly #session: SyncSession;
  #budget: number;
  #bytes = 0;
  #alive = true;
  /**
   * Least recently used first. Held weakly, so that the collector frees what nobody uses; but not before the
   * running job has ended, because a WeakRef made earlier would keep its target until then even once evicted.
   */
  readonly #residents = new Map<ResidentArray, Holder | WeakRef<Storage>>();
  readonly #constants = new WeakMap<object, ConstantCopy>();
  #loosening = false;

  constructor(name: string, session: SyncSession, budget: number) {
    this.#name = name;
    this.#session = session;
    this.#budget = budget;
  }

  /** False once the device is lost. */
  get alive(): boolean {
    return this.#alive;
  }

  /** The storage of Y, planned for the arrays in `a` and `b`. */
  multiply(plan: Plan, a: Storage, b: Storage | Constant): Storage {
    const operands: Holder[] = b instanceof Storage ? [a, b] : [a];
    const A = this.#bring(a, operands);
    const B = b instanceof Storage ? this.#bring(b, operands) : this.#bringConstant(b, operands);
    const [x, y, z] = plan.output;
    const result = this.#make("matmul", x * y * z, operands, () =>
      this.#session.matmul(plan, A.number, B.number),
    );
    const storage = residentStorage(result.length, result);
    this.#touch(result, storage);
    return storage;
  }

  /** For a resident array's `read`. */
  read(resident: ResidentArray): Float32Array {
    return this.#attempt("reading", [], () => this.#session.download(resident.number, resident.length));
  }

  /** For a resident array's `free`. */
  forget(resident: ResidentArray): void {
    if (!this.#owned.delete(resident)) return;
    this.#residents.delete(resident);
    this.#bytes -= 4 * resident.length;
    if (this.#alive) this.#session.free(resident.number);
  }
  readonly #owned = new Set<ResidentArray>();

  #bring(storage: Storage, keep: readonly Holder[]): ResidentArray {
    const resident = storage.on(this, (data: FloatArray) =>
      this.#make("upload", data.length, keep, () =>
        this.#session.upload(data instanceof Float32Array ? data : Float32Array.from(data)),
      ),
    ) as ResidentArray;
    this.#touch(resident, storage);
    return resident;
  }

  /** Its copy joins those to keep. */
  #bringConstant({ of, make }: Constant, keep: Holder[]): ResidentArray {
    let copy = this.#constants.get(of);
    if (!copy?.isThere) {
      const data = make();
      copy = new ConstantCopy(this.#make("upload", data.length, keep, () => this.#session.upload(data)));
      this.#constants.set(of, copy);
      collectedConstants?.register(of, copy, copy);
    }
    keep.push(copy);
    this.#touch(copy.resident, copy);
    return copy.resident;
  }

  #make(what: string, length: number, keep: readonly Holder[], create: () => number): ResidentArray {
    this.#evict(this.#budget - 4 * length, keep);
    const resident = new ResidentArray(this, this.#attempt(what, keep, create), length);
    this.#owned.add(resident);
    this.#bytes += 4 * length;
    return resident;
  }

  #touch(resident: ResidentArray, holder: Holder): void {
    this.#residents.delete(resident);
    this.#residents.set(resident, holder);
    if (this.#loosening) return;
    this.#loosening = true;
    queueMicrotask(() => {
      this.#loosening = false;
      for (const [key, held] of this.#residents) {
        if (held instanceof Storage) this.#residents.set(key, new WeakRef(held));
      }
    });
  }

  /** Asks holders to leave, least recently used first, until at most `bytes` are on the device or only `keep` is left. */
  #evict(bytes: number, keep: readonly Holder[]): void {
    for (const [resident, held] of this.#residents) {
      if (this.#bytes <= bytes) return;
      const holder = held instanceof WeakRef ? held.deref() : held;
      if (!holder) resident.free();
      else if (!keep.includes(holder)) holder.evict();
    }
  }

  /** Out of memory once: makes room and tries again, and from then on keeps no more than fitted. */
  #attempt<T>(what: string, keep: readonly Holder[], work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SessionError && error.fault === "memory")) throw this.#told(what, error);
    }
    this.#budget = Math.min(this.#budget, this.#bytes);
    this.#evict(0, keep);
    try {
      return work();
    } catch (error) {
      throw this.#told(what, error);
    }
  }

  #told(what: string, error: unknown): Error {
    if (error instanceof DeviceError) return error;
    const { message } = error as Error;
    const lost = error instanceof SessionError && error.fault === "lost";
    if (lost && this.#alive) {
      this.#alive = false;
      this.#session.close();
      for (const held of this.#residents.values()) if (held instanceof ConstantCopy) held.evict();
    }
    const advice = lost
      ? "; values that were only there are gone, the next product opens the device anew"
      : "";
    return new DeviceError(`${this.#name}: ${what}: ${message}${advice}`, { cause: error });
  }
}
