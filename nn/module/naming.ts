/** @file Errors that name what they are about: the layer of a model, the file. */

/** A class of errors, such as CheckpointError. */
type ErrorClass = new (message: string, options?: { readonly cause?: unknown }) => Error;

/**
 * Runs `run`. An error of class `Kind` that it throws is thrown again with `what` before its message.
 *
 *     naming("h.0.attn", AdapterError, () => new LoRA(view, options));     // h.0.attn: rank: expected …
 *
 * @param caught throw errors of this wider class as errors of class `Kind`, too
 * @default caught: Kind
 */
export function naming<T>(what: string, Kind: ErrorClass, run: () => T, caught: ErrorClass = Kind): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof caught)) throw error;
    throw new Kind(`${what}: ${error.message}`, { cause: error });
  }
}
