/** @file What a person who runs notebooks did wrong, in one line: shown without a stack trace. */
import { editDistance, nearest } from "lowrank/core";

export class NotebookError extends Error {
  override readonly name = "NotebookError";
}

/** A user's mistake, or a device that cannot be had, in one line; all else with its stack into the notebook. */
export function report(error: unknown): string {
  const plain = error instanceof NotebookError || (error instanceof Error && error.name === "DeviceError");
  if (plain) return `error: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** "…; did you mean rank?" for a mistyped name, then all the names there are. */
export function unknownName(kind: string, given: string, names: readonly string[]): NotebookError {
  const near = similarNames(given, names);
  const hint = near.length > 0 ? `did you mean ${near.join(" or ")}? ` : "";
  return new NotebookError(`unknown ${kind} "${given}"; ${hint}available: ${names.join(", ") || "none"}`);
}

/** The names that `given` may have been meant to be: within a third of its length by edit distance, nearest first, at most three. */
export function similarNames(given: string, names: readonly string[]): string[] {
  const limit = Math.max(2, Math.floor(given.length / 3));
  return nearest(given, names)
    .filter((name) => editDistance(given.toLowerCase(), name.toLowerCase()) <= limit)
    .slice(0, 3);
}
