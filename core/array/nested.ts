/** @file Nested lists of numbers, as deep as an array has axes: read with every element checked, and written. */

import { ArgumentError, ShapeError } from "../errors.ts";
import { type Shape, sizeOf } from "./shape.ts";

/** Nested lists of numbers, as deep as the array has axes. */
export type Nested = number | readonly Nested[];

/** The deepest nesting that is read. A list that contains itself is deeper. */
const deepest = 64;

/**
 * The numbers in a number, a list, a typed array, or lists of these, in order, and the shape that the nesting gives.
 * @throws ShapeError on ragged or too deep lists; ArgumentError on elements that are not numbers
 */
export function flatten(who: string, data: unknown): { flat: ArrayLike<number>; shape: number[] } {
  if (typeof data === "number") return { flat: [data], shape: [] };
  if (isNumbers(data)) return { flat: data, shape: [data.length] };
  if (!Array.isArray(data)) throw notNumber(who, data, []);
  const shape: number[] = [];
  for (let level: unknown = data; isList(level) && shape.length <= deepest; level = level[0])
    shape.push(level.length);
  if (shape.length > deepest) {
    throw new ShapeError(who, `lists nested at most ${deepest} deep, and none that holds itself`, {
      lists: "deeper ones",
    });
  }
  const flat: number[] = [];
  const path: number[] = [];
  const visit = (level: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (typeof level !== "number")
        throw isList(level) ? ragged(who, shape, path, level) : notNumber(who, level, path);
      flat.push(level);
      return;
    }
    if (!isList(level))
      throw typeof level === "number" ? ragged(who, shape, path, level) : notNumber(who, level, path);
    if (level.length !== shape[axis]) throw ragged(who, shape, path, level);
    for (let i = 0; i < level.length; i++) {
      path[axis] = i;
      path.length = axis + 1;
      visit(level[i], axis + 1);
    }
    path.length = axis;
  };
  visit(data, 0);
  return { flat, shape };
}

/** The values as nested lists. */
export function nest(values: ArrayLike<number>, shape: Shape): Nested {
  const level = (axis: number, start: number): Nested => {
    if (axis === shape.length) return values[start];
    const step = sizeOf(shape.slice(axis + 1));
    return Array.from({ length: shape[axis] }, (_, i) => level(axis + 1, start + i * step));
  };
  return level(0, 0);
}

/** @throws ArgumentError unless every element of a flat list is a number */
export function checkNumbers(who: string, values: unknown): asserts values is ArrayLike<number> {
  if (isNumbers(values)) return;
  if (!Array.isArray(values)) throw notNumber(who, values, []);
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] !== "number") throw notNumber(who, values[i], [i]);
  }
}

/** True for typed arrays of numbers: not for those of bigints, nor for a DataView. */
const isNumbers = (data: unknown): data is ArrayLike<number> =>
  ArrayBuffer.isView(data) &&
  "length" in data &&
  !(data instanceof BigInt64Array || data instanceof BigUint64Array);

const isList = (data: unknown): data is ArrayLike<unknown> => Array.isArray(data) || isNumbers(data);

const place = (path: readonly number[]): string =>
  path.length > 0 ? `element [${path.join("][")}]` : "data";

function notNumber(who: string, value: unknown, path: readonly number[]): ArgumentError {
  const advice = typeof value === "string" ? " (Number(text) reads one)" : "";
  const shown =
    typeof value === "string" || value === null || value === undefined || typeof value === "boolean"
      ? value
      : typeof value === "bigint"
        ? "a bigint"
        : ((value as object).constructor?.name ?? typeof value);
  return new ArgumentError(who, `numbers${advice}`, { [place(path)]: shown });
}

function ragged(who: string, shape: readonly number[], path: readonly number[], level: unknown): ShapeError {
  const first = shape[path.length];
  const row = path.length > 0 ? `[${path.join("][")}]` : "the list";
  const expected =
    first === undefined
      ? "numbers, as first in the list"
      : `lists of equal lengths, ${first} as first in the list`;
  return new ShapeError(
    who,
    expected,
    isList(level) ? { [`${row} has`]: level.length } : { [row]: "a number" },
  );
}
