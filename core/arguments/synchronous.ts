/** @file Checks for functions that run another under a mode: it must be a function, and done when it returns. */

import { ArgumentError } from "../errors.ts";

/**
 * Calls `fn`, which runs under a mode (no gradients, a device, a scope).
 * @param who the function that was called, for the message
 * @throws ArgumentError when `fn` is not a function, or is asynchronous
 */
export function callSynchronously<T>(who: string, fn: () => T): T {
  if (typeof fn !== "function") throw new ArgumentError(who, "a function", { fn });
  return synchronous(who, fn());
}

/**
 * Returns `result`, which a function that ran under a mode has returned.
 * @throws ArgumentError when it is a promise or a generator: the mode would end at the first `await` or `yield`, and
 *   what follows would run without it, in silence
 */
export function synchronous<T>(who: string, result: T): T {
  const kind = deferred(result);
  if (kind === null) return result;
  if (kind === "a promise") {
    // The promise is not waited for; if it is rejected later, that must not end the process.
    Promise.resolve(result).catch(() => {});
  }
  const until = kind === "a promise" ? "await" : "yield";
  throw new ArgumentError(who, `a synchronous function, for what it sets ends at the first ${until}`, {
    result: kind,
  });
}

/** The kind of work still to be done that `result` stands for, or null. */
function deferred(result: unknown): "a promise" | "a generator" | null {
  if (typeof result !== "object" || result === null) return null;
  if (typeof (result as { then?: unknown }).then === "function") return "a promise";
  return /Generator\]$/.test(Object.prototype.toString.call(result)) ? "a generator" : null;
}
