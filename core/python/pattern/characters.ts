/** @file Single characters in an expression: escapes such as \n, \x41 and \101, classes such as \d, and sets such as [a-z]. */

import type { Cursor } from "./cursor.ts";
import type { Flags, Test } from "./node.ts";

/** The characters of \d, \w, \s and their opposites \D, \W, \S; null for other letters. */
export function classTest(letter: string, flags: Flags): Test | null {
  const unicode = { d: /^\p{Nd}$/u, w: /^[\p{L}\p{N}_]$/u, s: /^\s$/u };
  const ascii = { d: /^[0-9]$/, w: /^[A-Za-z0-9_]$/, s: /^[ \t\n\r\f\v]$/ };
  const lower = letter.toLowerCase();
  if (lower !== "d" && lower !== "w" && lower !== "s") return null;
  const expression = (flags.a ? ascii : unicode)[lower];
  return letter === lower ? (c) => expression.test(c) : (c) => !expression.test(c);
}

/** A test that holds for both cases of a character when case is ignored. */
export const folded = (test: Test, { i }: Flags): Test =>
  i ? (c) => test(c) || test(c.toLowerCase()) || test(c.toUpperCase()) : test;

const controls: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  f: "\f",
  v: "\v",
  a: "\x07",
};

/** The character after a backslash that stands for itself, for a control character, or by its number: \x41, \0. */
export function escapedCharacter(cursor: Cursor): string {
  const c = cursor.source[cursor.at++];
  if (Object.hasOwn(controls, c)) return controls[c];
  const digits = { x: 2, u: 4, U: 8 }[c];
  if (digits !== undefined) {
    const hex = cursor.while(/[0-9a-fA-F]/, digits);
    if (hex.length !== digits || Number.parseInt(hex, 16) > 0x10ffff)
      cursor.fail(`${digits} hexadecimal digits`);
    return String.fromCodePoint(Number.parseInt(hex, 16));
  }
  if (c === "0") return octalCharacter(cursor, `0${cursor.while(/[0-7]/, 2)}`);
  if (/[A-Za-z0-9]/.test(c)) cursor.fail(`an escape that Python knows, not \\${c}`);
  return c;
}

/** The character of an octal number. */
export function octalCharacter(cursor: Cursor, octal: string): string {
  const code = Number.parseInt(octal, 8);
  if (code > 0o377) cursor.fail(`an octal number up to 377, not \\${octal}`);
  return String.fromCodePoint(code);
}

/** A set of characters, after its opening bracket. */
export function set(cursor: Cursor, flags: Flags): Test {
  const negative = cursor.take("^");
  const tests: Test[] = [];
  for (let first = true; first || !cursor.peek("]"); first = false) {
    if (cursor.isAtEnd) cursor.fail("a closing ]");
    const low = member(cursor, flags);
    const isRange =
      cursor.peek("-") && cursor.source[cursor.at + 1] !== "]" && cursor.at + 1 < cursor.source.length;
    if (!isRange) {
      tests.push(typeof low === "string" ? (c) => c === low : low);
      continue;
    }
    cursor.at++;
    const high = member(cursor, flags);
    if (typeof low !== "string" || typeof high !== "string" || codeOf(low) > codeOf(high))
      return cursor.fail("a range from one character up to another");
    tests.push((c) => codeOf(low) <= codeOf(c) && codeOf(c) <= codeOf(high));
  }
  cursor.at++;
  const test = folded((c) => tests.some((one) => one(c)), flags);
  return negative ? (c) => !test(c) : test;
}

/** One character or one class of a set. */
function member(cursor: Cursor, flags: Flags): string | Test {
  if (!cursor.take("\\")) return cursor.source[cursor.at++];
  const c = cursor.next;
  if (c === undefined) cursor.fail("a character after \\");
  const test = classTest(c, flags);
  if (test) {
    cursor.at++;
    return test;
  }
  if (cursor.take("b")) return "\b";
  const octal = cursor.while(/[0-7]/, 3); // in a set a number is never a back reference
  return octal ? octalCharacter(cursor, octal) : escapedCharacter(cursor);
}

const codeOf = (c: string): number => c.codePointAt(0) as number;
