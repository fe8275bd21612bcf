/** @file Warnings: what can be done but is hardly meant. Each is said once, on the console or where `setWarnings` says. */

import { ArgumentError } from "./errors.ts";

/** What is done with a warning. */
export type WarningHandler = (message: string) => void;

const onConsole: WarningHandler = (message) => console.warn(`lowrank: ${message}`);

const said = new Set<string>();
let say: boolean | WarningHandler = true;

/**
 * Says where warnings go: to the console (true, the default), nowhere (false), or to a function, which hears each once.
 *
 *     const before = setWarnings(false);
 *     …
 *     setWarnings(before);
 *
 * @returns what was set before
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

/** Says `message`, unless it has been said before. */
export function warn(message: string): void {
  if (say === false || said.has(message)) return;
  said.add(message);
  (say === true ? onConsole : say)(message);
}
