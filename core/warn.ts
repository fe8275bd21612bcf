/** @file Warnings about what is allowed but probably a mistake. Each is given once, on the console or to a handler. */

import { ArgumentError } from "./errors.ts";

/** Receives each warning once. */
export type WarningHandler = (message: string) => void;

const onConsole: WarningHandler = (message) => console.warn(`lowrank: ${message}`);

const said = new Set<string>();
let say: boolean | WarningHandler = true;

/**
 * Sets where warnings go: to the console (true, as at first), nowhere (false), or to a function.
 *
 *     const before = setWarnings(false);
 *     …
 *     setWarnings(before);
 *
 * @returns the setting before
 * @throws ArgumentError when it is none of these
 */
export function setWarnings(to: boolean | WarningHandler): boolean | WarningHandler {
  if (typeof to !== "boolean" && typeof to !== "function")
    throw new ArgumentError("setWarnings", "true, false or a function", { to });
  const before = say;
  say = to;
  if (typeof to === "function") said.clear();
  return before;
}

/** Gives the warning `message`, unless it was given before. */
export function warn(message: string): void {
  if (say === false || said.has(message)) return;
  said.add(message);
  (say === true ? onConsole : say)(message);
}
