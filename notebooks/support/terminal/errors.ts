/** @file What a person who runs notebooks did wrong, in one line: shown without a stack trace. */

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
  const near = nearest(given, names);
  const hint = near.length > 0 ? `did you mean ${near.join(" or ")}? ` : "";
  return new NotebookError(`unknown ${kind} "${given}"; ${hint}available: ${names.join(", ") || "none"}`);
}

/** The names within a third of `given`'s length, by edit distance, nearest first; at most three. */
export function nearest(given: string, names: readonly string[]): string[] {
  const limit = Math.max(2, Math.floor(given.length / 3));
  return names
    .map((name) => ({ name, distance: editDistance(given.toLowerCase(), name.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Levenshtein's distance: insertions, deletions and substitutions that turn a into b. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
