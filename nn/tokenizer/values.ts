/** @file Small checks of values in a tokenizer's files, and the words for what is wrong with them. */

import { CheckpointError } from "../../core/index.ts";

export const wrong = (path: string, problem: string): CheckpointError =>
  new CheckpointError(`${path}: ${problem}`);

/** A value as JSON, cut to a length that fits into a message. */
export const quote = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** The largest id that is believed; published vocabularies end below 2²⁰. */
const LARGEST = 2 ** 24;

export const isId = (id: unknown): id is number =>
  Number.isInteger(id) && (id as number) >= 0 && (id as number) < LARGEST;

/** A field that is true or false. @throws CheckpointError when it is something else */
export function flag(
  path: string,
  json: Readonly<Record<string, unknown>>,
  name: string,
  otherwise: boolean,
): boolean {
  const value = json[name] ?? otherwise;
  if (typeof value === "boolean") return value;
  const owner = json.type === undefined ? "" : ` of ${json.type}`;
  throw wrong(path, `expected ${name}${owner} to be true or false; got ${quote(value)}`);
}
