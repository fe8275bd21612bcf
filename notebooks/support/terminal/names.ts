/** @file Mistyped names: the error that says which name was probably meant. */
import { editDistance, nearest } from "lowrank/core";
import { NotebookError } from "./errors.ts";

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
