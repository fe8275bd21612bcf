/**
 * @file The kinds of options that commands have: each parses the text that follows `--name`, and gives its value a type.
 *
 *     options: { base: text("folder", "the base model", { required: true }), rank: integer("r", "rank", { min: 1, default: 8 }) }
 *
 * are `--base <folder>` and `--rank <r>`; the command's `run` gets `{ base: string, rank: number }`. A name in camelCase is
 * an option in kebab-case.
 */

import { LowrankError, nearest } from "../../core/index.ts";

/** One option of a command. */
export interface Flag<T = unknown> {
  /** Name of the value in the help; none for a switch. */
  readonly placeholder: string | null;
  readonly summary: string;
  /** Value when the option is not given. */
  readonly default?: T;
  readonly required: boolean;
  /** True: the option may be given several times; the value is a list. */
  readonly repeated: boolean;
  /** True: the text may be empty, as in --prompt "". @default false */
  readonly mayBeEmpty?: boolean;
  /** The names that are allowed, for the help. */
  readonly choices?: readonly string[];
  /** @throws LowrankError when the text is no such value */
  parse(text: string, name: string): unknown;
}

/** The options of a command, by name. */
export type Flags = Readonly<Record<string, Flag>>;

/** The values that `run` gets. */
export type Values<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface Always<T> {
  readonly required?: true;
  readonly default?: T;
}

/** A value that is there in any case: the option is required, or has a default. */
type Given<T> = { readonly required: true } | { readonly default: T };

function flag<T>(
  placeholder: string | null,
  summary: string,
  { required, default: value }: Always<T>,
  parse: (text: string, name: string) => T,
): Flag<T> {
  return { placeholder, summary, default: value, required: required ?? false, repeated: false, parse };
}

/** Any text that is not empty. */
export function text(placeholder: string, summary: string, settings: Given<string>): Flag<string>;
export function text(placeholder: string, summary: string): Flag<string | undefined>;
export function text(
  placeholder: string,
  summary: string,
  settings: Always<string> = {},
): Flag<string | undefined> {
  return flag<string | undefined>(placeholder, summary, settings, (given) => given);
}

/** A text that may be empty. */
export function anyText(placeholder: string, summary: string): Flag<string | undefined> {
  return { ...text(placeholder, summary), mayBeEmpty: true };
}

/** The bounds of a number, both allowed. */
interface Range {
  readonly min?: number;
  readonly max?: number;
  /** True: `min` itself is not allowed. */
  readonly above?: boolean;
}

/** A whole number. */
export function integer(placeholder: string, summary: string, settings: Range & Given<number>): Flag<number>;
export function integer(placeholder: string, summary: string, settings?: Range): Flag<number | undefined>;
export function integer(
  placeholder: string,
  summary: string,
  settings: Range & Always<number> = {},
): Flag<number | undefined> {
  return flag<number | undefined>(placeholder, summary, settings, (given, name) =>
    numberIn(given, name, settings, "a whole number", Number.isSafeInteger),
  );
}

/** A finite number. */
export function number(placeholder: string, summary: string, settings: Range & Given<number>): Flag<number>;
export function number(placeholder: string, summary: string, settings?: Range): Flag<number | undefined>;
export function number(
  placeholder: string,
  summary: string,
  settings: Range & Always<number> = {},
): Flag<number | undefined> {
  return flag<number | undefined>(placeholder, summary, settings, (given, name) =>
    numberIn(given, name, settings, "a number", Number.isFinite),
  );
}

function numberIn(
  given: string,
  name: string,
  { min = -Infinity, max = Infinity, above = false }: Range,
  kind: string,
  isKind: (value: number) => boolean,
): number {
  const value = given.trim() === "" ? Number.NaN : Number(given);
  if (isKind(value) && value <= max && (above ? value > min : value >= min)) return value;
  const from = min === -Infinity ? "" : above ? ` above ${min}` : ` from ${min}`;
  const to = max === Infinity ? "" : ` up to ${max}`;
  throw new LowrankError(`${name}: expected ${kind}${from}${to}; got ${JSON.stringify(given)}`);
}

/** One of several names. */
export function choice<const T extends string>(
  summary: string,
  choices: readonly T[],
  settings: Given<T>,
): Flag<T>;
export function choice<const T extends string>(
  summary: string,
  choices: readonly T[],
  settings?: { readonly required?: true },
): Flag<T | undefined>;
export function choice<const T extends string>(
  summary: string,
  choices: readonly T[],
  settings: Always<T> = {},
): Flag<T | undefined> {
  const parse = (given: string, name: string): T => {
    if (choices.includes(given as T)) return given as T;
    const [near] = nearest(given, choices);
    const hint = near === undefined ? "" : ` (nearest: ${near})`;
    throw new LowrankError(
      `${name}: expected one of ${choices.join(", ")}; got ${JSON.stringify(given)}${hint}`,
    );
  };
  return { ...flag<T | undefined>("name", summary, settings, parse), choices };
}

/** A switch: on when it is given. */
export function toggle(summary: string): Flag<boolean> {
  return { placeholder: null, summary, default: false, required: false, repeated: false, parse: () => true };
}

/** An option that may be given several times. Its value is the list, empty when it is not given. */
export function repeated<T>(one: Flag<T>): Flag<readonly NonNullable<T>[]> {
  const { default: _, ...rest } = one;
  return { ...rest, repeated: true, default: [] };
}
