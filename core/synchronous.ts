/** @file Functions that hold a mode while another runs hold it to the end of a call, not of a promise. */

import { ArgumentError } from "./errors.ts";

/**
 * Returns the result of a function that ran under a mode (no gradients, a device, a scope).
 * @throws ArgumentError when it is a promise: the mode would end at the first `await`, and what follows would
 *   run without it, in silence
 */
export function synchronous<T>(who: string, result: T): T {
  if (typeof (result as { then?: unknown } | null | undefined)?.then !== "function") return result;
  // What the promise comes to is of no interest any more, but a rejection must not end the process.
  (result as unknown as Promise<unknown>).then(undefined, () => {});
  throw new ArgumentError(who, "a synchronous function, for what it sets ends at the first await", {
    result: "a promise",
  });
}
