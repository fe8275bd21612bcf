/** @file What the system refuses, as errors of ours. */

import { CheckpointError, LowrankError } from "../errors.ts";

/** Runs `action`; what the system throws becomes a CheckpointError that begins with `failure`, which names the path. */
export function attempt<T>(failure: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof LowrankError) throw error;
    throw new CheckpointError(`${failure}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** The result of `action`, or `otherwise` when the system answers with one of the `codes`. */
export function unless<T>(codes: readonly string[], otherwise: T, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? "")) return otherwise;
    throw error;
  }
}
