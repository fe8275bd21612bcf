/** @file scope: runs a function and releases its temporaries, all at once; measureMemory: counts bytes meanwhile. */

import { callSynchronously } from "../arguments/synchronous.ts";
import { type MemoryReport, watch } from "../meter.ts";
import type { Storage } from "./storage.ts";

const scopes: Set<Storage>[] = [];

/** The temporaries of the innermost scope, or undefined outside of any. */
export const currentScope = (): Set<Storage> | undefined => scopes[scopes.length - 1];

/** Takes `storage` out of all scopes: it stays when they end. */
export function leaveScopes(storage: Storage): void {
  for (const scope of scopes) scope.delete(storage);
}

/** An object that holds storages, such as an array or a tensor. `scope` finds them in its result. */
export interface HasStorages {
  storages(): Iterable<Storage>;
}

/**
 * Runs `fn` and then releases every temporary made inside, on host and device, except those reachable from
 * its result (tensors, arrays, and plain objects, lists and maps of them). Parameters, gradients and
 * optimizer state are never temporaries. Scopes nest; put one around each training step:
 *
 *     for (const batch of batches) scope(() => { model.loss(batch).backward(); optimizer.step(); });
 *
 * @throws ArgumentError when `fn` is asynchronous
 */
export function scope<T>(fn: () => T): T {
  const own = new Set<Storage>();
  scopes.push(own);
  let result: T;
  try {
    result = callSynchronously("scope", fn);
    const outer = scopes[scopes.length - 2];
    for (const storage of storagesIn(result, new Set())) {
      if (!own.has(storage)) continue;
      if (outer) {
        own.delete(storage);
        outer.add(storage);
      } else storage.keep();
    }
  } finally {
    scopes.pop();
    for (const storage of own) storage.release();
  }
  return result;
}

let keeping = false;

/** True inside `keepingCopies`. */
export const keepsCopies = (): boolean => keeping;

/** Runs `fn`. Copies that it makes with `copy` and `clone()` belong to no scope, so that a callback can keep them. */
export function keepingCopies<T>(fn: () => T): T {
  const before = keeping;
  keeping = true;
  try {
    return callSynchronously("keepingCopies", fn);
  } finally {
    keeping = before;
  }
}

function* storagesIn(value: unknown, seen: Set<unknown>): Generator<Storage> {
  if (typeof value !== "object" || value === null || seen.has(value) || ArrayBuffer.isView(value)) return;
  seen.add(value);
  if (typeof (value as Partial<HasStorages>).storages === "function")
    yield* (value as HasStorages).storages();
  else if (value instanceof Map || value instanceof Set)
    for (const item of value) yield* storagesIn(item, seen);
  else for (const item of Object.values(value)) yield* storagesIn(item, seen);
}

/**
 * Runs `fn` inside a scope and reports bytes alive at its end and at their peak, by category. Of temporaries
 * (`workspace`, `saved`) only those made by `fn` count; of the rest, all that are alive.
 * @throws ArgumentError when `fn` is asynchronous
 */
export function measureMemory<T>(fn: () => T): MemoryReport & { readonly result: T } {
  const stop = watch();
  try {
    const result = scope(() => callSynchronously("measureMemory", fn));
    return { result, ...stop() };
  } finally {
    stop(); // also when fn throws; a second time it changes nothing
  }
}
