/**
 * @file Regular expressions as Python's `re` reads them, for the expressions in adapters' files, in time that is bounded.
 *
 * A backtracking engine, JavaScript's and Python's alike, can take 2ⁿ steps for n characters, and a file from elsewhere
 * must not be able to stop a program. So an expression becomes an automaton (automaton.ts), which takes a number of steps
 * that is linear in the length of the text. Back references, which no automaton can follow, are refused.
 *
 * The whole text is matched, as by `re.fullmatch`.
 */

import { LowrankError } from "../../errors.ts";
import { Automaton } from "./automaton.ts";
import { parsePattern } from "./parser.ts";

const LONGEST = 4096;

/**
 * Compiles an expression.
 * @returns a function that says whether a text matches from end to end; it throws LowrankError on the text at which all
 *   steps so far become too many
 * @throws LowrankError on what is no expression in Python, on back references, and on one that is too long
 */
export function fullMatcher(source: string): (text: string) => boolean {
  if (source.length > LONGEST)
    throw new LowrankError(`an expression of at most ${LONGEST} characters, not ${source.length}`);
  const automaton = new Automaton(parsePattern(source));
  return (text) => automaton.matches(Array.from(text));
}
