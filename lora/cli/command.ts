/**
 * @file What a command of `npx lowrank` is made of. A command is one file that exports `command`, made by `defineCommand`;
 * program.ts lists all of them.
 */

import type { Flags, Values } from "./flags.ts";
import type { Terminal } from "./terminal/terminal.ts";

/** A command, as its file defines it. */
export interface Command<F extends Flags = Flags> {
  /**
   * Positional arguments, such as "<folder>", "[file]" or "<adapters...>".
   * @default none
   */
  readonly arguments?: readonly { readonly name: string; readonly summary: string }[];
  readonly options: F;
  /** Headings of the help, and the options under them. @default all options under one heading */
  readonly headings?: Readonly<Record<string, readonly (keyof F)[]>>;
  /** Lines that a reader can copy, without "lowrank" in front: `train --base models/gpt2 --text notes.txt --out notes`. */
  readonly examples: readonly string[];
  /** What the help says after the options: what is written, fields of the JSON, exit codes. @default nothing */
  readonly notes?: string;
  /**
   * Does the work. An error that it throws on purpose (a `LowrankError`) becomes one line and exit code 1.
   * @param given the positional arguments and the values of the options
   * @returns the exit code, if it is a number; else, or when a promise of it is something else, 0
   */
  run(given: Given<F>, terminal: Terminal): unknown;
}

/** What was typed. */
export interface Given<F extends Flags> {
  /** Positional arguments, in order. */
  readonly args: readonly string[];
  readonly options: Values<F>;
  /** True when the option was typed, in place of being at its default. */
  isGiven(name: keyof F): boolean;
}

/** Types a command: the values that `run` gets follow from `options`. */
export function defineCommand<const F extends Flags>(command: Command<F>): Command {
  return command as unknown as Command;
}
