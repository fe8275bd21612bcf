/** @file Puts the name of a layer or a file into the message of an error. */

/** A class of errors, such as CheckpointError. */
type ErrorClass = new (message: string, options?: { readonly cause?: unknown }) => Error;

/**
 * Runs `run`. An error of class `Kind` that it throws is thrown again with `what` before its message.
 *
 *     naming("h.0.attn", AdapterError, () => new LoRA(view, options));     // h.0.attn: rank: expected …
 *
 * @param caught errors of this wider class become errors of class `Kind` too; by default only those of class `Kind`
 */
export function naming<T>(what: string, Kind: ErrorClass, run: () => T, caught: ErrorClass = Kind): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof caught)) throw error;
    throw new Kind(`${what}: ${error.message}`, { cause: error });
  }
}
