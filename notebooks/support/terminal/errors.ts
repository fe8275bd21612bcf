/** @file Mistakes of a person who runs notebooks: errors that are shown in one line, without a stack trace. */
import { editDistance, nearest } from "lowrank/core";

/** A mistake in a command, a setting or a notebook's form; its message is all that is shown. */
export class NotebookError extends Error {
  override readonly name = "NotebookError";
}

/** The text for an error: one line for a user's mistake or an unavailable device, otherwise the stack trace. */
export function report(error: unknown): string {
  const plain = error instanceof NotebookError || (error instanceof Error && error.name === "DeviceError");
  if (plain) return `error: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The error for a mistyped name: "…; did you mean rank?", followed by all available names. */
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
