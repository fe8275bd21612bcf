/** @file Mistakes of a person who runs notebooks: errors that are shown in one line, without a stack trace. */

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
