/** @file Functions that hold a mode while another runs hold it to the end of a call, not of a promise. */

import { ArgumentError } from "../errors.ts";

/**
 * Returns the result of a function that ran under a mode (no gradients, a device, a scope).
 * @throws ArgumentError when it is a promise or a generator: the mode would end at the first `await` or `yield`, and
 *   what follows would run without it, in silence
 */
export function synchronous<T>(who: string, result: T): T {
  const kind = deferred(result);
  if (kind === null) return result;
  if (kind === "a promise") {
    // What the promise comes to is of no interest any more, but a rejection must not end the process.
    (result as unknown as PromiseLike<unknown>).then(undefined, () => {});
  }
  const until = kind === "a promise" ? "await" : "yield";
  throw new ArgumentError(who, `a synchronous function, for what it sets ends at the first ${until}`, {
    result: kind,
  });
}

/** What kind of later work `result` stands for, if it does. */
function deferred(result: unknown): "a promise" | "a generator" | null {
  if (typeof result !== "object" || result === null) return null;
  if (typeof (result as { then?: unknown }).then === "function") return "a promise";
  return /Generator\]$/.test(Object.prototype.toString.call(result)) ? "a generator" : null;
}
