/** @file JSON from outside: parsed as if its author were hostile, and checks of the values in it. */

import { CheckpointError } from "../errors.ts";
import { otherKind } from "./other-kinds.ts";

/** An object of a JSON text: values by the names of their fields. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The deepest nesting that is accepted. Files of models nest less, and functions that walk through a value may
 * recurse.
 */
const DEEPEST = 32;

/**
 * Parses a JSON text.
 * @param source names the file in messages
 * @param text the text, or its bytes in UTF-8
 * @throws CheckpointError when it is not UTF-8 or not JSON, nests more than 32 deep, names a field twice, or names one
 *   `__proto__`
 */
export function parseJson(source: string, text: string | Uint8Array): unknown {
  const decoded = typeof text === "string" ? text : decodeUtf8(source, text);
  let value: unknown;
  try {
    value = JSON.parse(decoded);
  } catch (cause) {
    const problem = (cause as Error).message.replace(/\s+/g, " "); // the message quotes the text, with its line ends
    const kind = otherKind(new TextEncoder().encode(decoded.slice(0, 200)));
    const hint = /looks like|empty/.test(kind) && !kind.includes("JSON") ? kind : "";
    throw new CheckpointError(`${source}: not JSON: ${problem}${hint}`, { cause });
  }
  checkFields(source, decoded);
  return value;
}

/**
 * Parses a JSON text that must be an object.
 * @throws CheckpointError as `parseJson`, and for a list, a text, a number, true, false or null
 */
export function parseJsonObject(source: string, text: string | Uint8Array): JsonObject {
  const value = parseJson(source, text);
  if (isJsonObject(value)) return value;
  throw new CheckpointError(`${source}: expected an object of fields; got ${shorten(JSON.stringify(value))}`);
}

/** Whether a JSON value is an object of fields, and not a list or null. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a JSON value is a list of texts. */
export const isStringList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

/** Whether two JSON values are the same, whatever the order of their fields. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => equalJson(item, b[i]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equalJson(a[name], b[name]))
  );
}

/** The text that bytes hold in UTF-8. @throws CheckpointError naming `source` when they are not UTF-8 */
export function decodeUtf8(source: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${source}: not UTF-8${otherKind(bytes)}`, { cause });
  }
}

/** Refuses what JSON.parse accepts silently: deep nesting, two fields of one name, and `__proto__`. */
function checkFields(source: string, json: string): void {
  const open: (Set<string> | null)[] = []; // the names so far of each open object; null for an open list
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : null);
      if (open.length > DEEPEST) throw new CheckpointError(`${source}: nested more than ${DEEPEST} deep`);
    } else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const from = at;
      at = endOfString(json, at);
      const names = open.at(-1);
      if (names && isName(json, at + 1)) addName(source, names, JSON.parse(json.slice(from, at + 1)));
    }
  }
}

/** The position of the quote that closes the string whose opening quote is at `at`. */
function endOfString(json: string, at: number): number {
  let end = json.indexOf('"', at + 1);
  for (; ; end = json.indexOf('"', end + 1)) {
    let escapes = 0;
    while (json[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end;
  }
}

/** True when a colon follows `at`: the string before it was a field's name. */
function isName(json: string, at: number): boolean {
  let next = at;
  while (" \n\r\t".includes(json[next])) next++;
  return json[next] === ":";
}

/** Adds a field's name to the names of its object, or refuses it. */
function addName(source: string, names: Set<string>, name: string): void {
  if (name === "__proto__")
    throw new CheckpointError(`${source}: __proto__ is not allowed as the name of a field`);
  if (names.has(name))
    throw new CheckpointError(`${source}: the field ${shorten(JSON.stringify(name))} is there twice`);
  names.add(name);
}

const shorten = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}…` : text);
