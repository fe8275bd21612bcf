/** @file Errors of the file system: turned into CheckpointErrors, or into a value where they are expected. */

import { CheckpointError, LowrankError } from "../errors.ts";

/** Runs `action`. An error of the system becomes a CheckpointError that begins with `failure`, which names the path. */
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

/** The result of `action`, or `otherwise` when the system's error has one of the `codes`. */
export function unless<T>(codes: readonly string[], otherwise: T, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? "")) return otherwise;
    throw error;
  }
}
