/** @file Compares named values with those expected: missing names, unexpected names, other shapes. */

import { type Shape, sameShape } from "../../core/index.ts";

/** Names that did not fit when a state was loaded. */
export interface LoadReport {
  /** Parameters that got no value. */
  readonly missing: readonly string[];
  /** Values for which there is no parameter. */
  readonly unexpected: readonly string[];
  /** Parameters whose value has another shape, with both shapes. */
  readonly misshapen: readonly string[];
}

/** Anything that has a shape, by name: parameters, arrays, the tensors of a file. */
export type Shapes = ReadonlyMap<string, { readonly shape: Shape }>;

/** Compares names and shapes. All three lists are empty when `given` is as expected. */
export function findMismatch(expected: Shapes, given: Shapes): LoadReport {
  return {
    missing: [...expected.keys()].filter((name) => !given.has(name)),
    unexpected: [...given.keys()].filter((name) => !expected.has(name)),
    misshapen: [...expected].flatMap(([name, { shape }]) => {
      const got = given.get(name)?.shape;
      if (!got || sameShape(got, shape)) return [];
      return [`${name} (expected [${shape.join(", ")}], got [${got.join(", ")}])`];
    }),
  };
}

/**
 * A report in words, one string for each list that is not empty: `missing: a, b and 3 more`.
 * @param most most names to spell out in each list; by default all
 */
export function describeMismatch(report: LoadReport, most = Infinity): string[] {
  const { missing, unexpected, misshapen } = report;
  return Object.entries({ missing, unexpected, misshapen }).flatMap(([what, names]) => {
    if (names.length === 0) return [];
    const more = names.length > most ? ` and ${names.length - most} more` : "";
    return [`${what}: ${names.slice(0, most).join(", ")}${more}`];
  });
}
