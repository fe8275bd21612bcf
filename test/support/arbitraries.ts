/** @file What the properties draw from: shapes with all their corners, arrays with values in a given range. */

import * as fc from "fast-check";
import { type Tensor, tensor } from "lowrank/autograd";
import { random, type Shape, sizeOf } from "lowrank/core";

/** Lengths from 0; 0 and 1 come often. */
export const length: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1, 2),
  fc.integer({ min: 1, max: 5 }),
);

/** Shapes of rank 0 to `maxRank`, zero-size ones included. */
export const shape = (maxRank = 3): fc.Arbitrary<number[]> => fc.array(length, { maxLength: maxRank });

/** Shapes without an axis of length 0. */
export const filled = (maxRank = 3, minRank = 0): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 4 }), { minLength: minRank, maxLength: maxRank });

export const seed: fc.Arbitrary<number> = fc.nat(1_000_000);

/** Two or more shapes that broadcast to one: some axes of each made 1, some leading axes left out. */
export const broadcastable = (count: number, maxRank = 3): fc.Arbitrary<{ whole: Shape; parts: Shape[] }> =>
  shape(maxRank).chain((whole) =>
    fc
      .array(
        fc.record({
          ones: fc.array(fc.boolean(), { minLength: whole.length, maxLength: whole.length }),
          drop: fc.nat(whole.length),
        }),
        { minLength: count, maxLength: count },
      )
      .map((cuts) => {
        const parts = cuts.map(({ ones, drop }) => whole.map((n, axis) => (ones[axis] ? 1 : n)).slice(drop));
        return { whole: broadcastOf(parts), parts };
      }),
  );

function broadcastOf(parts: readonly Shape[]): Shape {
  const rank = Math.max(0, ...parts.map((part) => part.length));
  return Array.from({ length: rank }, (_, i) => {
    const lengths = parts.map((part) => part[i - (rank - part.length)] ?? 1);
    return lengths.find((n) => n !== 1) ?? 1;
  });
}

/** A tensor of uniform values with low ≤ |x| < high, of both signs when `signed`. */
export function values(shape: Shape, from: number, low: number, high: number, signed = true): Tensor {
  const rng = random(from);
  const size = sizeOf(shape);
  const data = rng.uniform(size, low, high);
  if (signed) for (let i = 0; i < size; i++) if (rng.bits() % 2 === 1) data[i] = -data[i];
  return tensor(data, shape);
}
