/**
 * @file How far from the true numbers a computation in float32 may be, found out instead of guessed: it is run in
 * float64 with random errors in every kernel's operands and results, forward and backward, as if each had been rounded
 * (stochastic arithmetic: Vignes 1993). What the errors do to the results, scaled up, is the tolerance. So sums that
 * cancel get what they need, and nothing else gets more.
 */

import { array, type Kernels, NDArray, type Random, random, withPrecision } from "lowrank/core";
import * as assert from "uvu/assert";
import { reference } from "../../core/device/reference.ts";

/** u: rounding once to float32 has a relative error of at most this. */
export const UNIT = 2 ** -24;

/** Size of the random errors: small enough for their effect to be linear, far above float64's own. */
const NOISE = 2 ** -34;

/** What the cpu's functions may be off, a few u; long sums in float32; and that few trials are no bound. */
const SAFETY = 64;

const TRIALS = 3;

/** What is 0 in truth is at most this part of the largest number there is, by float64's rounding. */
const ZERO = 1e-12;

/** Runs `fn` in float64 on the reference kernels, with errors in all that goes in and comes out of them. */
function withNoise<T>(seed: number, fn: () => T): T {
  const rng = random(seed);
  const exact = { ...reference };
  const noisy = (value: unknown): unknown => {
    if (value instanceof NDArray) return disturbed(value, rng);
    if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, noisy(part)]));
  };
  for (const name of Object.keys(exact) as (keyof Kernels)[]) {
    if (name === "adam" || name === "dequantize" || name === "dequantizeMatmul") continue;
    const kernel = exact[name] as (...given: unknown[]) => unknown;
    Object.assign(reference, {
      [name]: (...given: unknown[]) =>
        noisy(kernel(...given.map((value) => (value instanceof NDArray ? noisy(value) : value)))),
    });
  }
  try {
    return withPrecision("float64", fn);
  } finally {
    Object.assign(reference, exact);
  }
}

/** Contiguous, each element off by at most NOISE of itself. */
function disturbed(x: NDArray, rng: Random): NDArray {
  const noise = rng.uniform(x.size, -NOISE, NOISE);
  return array(
    x.data.map((value, i) => value * (1 + noise[i])),
    x.shape,
  );
}

/** The numbers that a computation gives, in a fixed order; null where there is none. */
export type Results = readonly (ArrayLike<number> | null)[];

/** The true results, and how far from each a computation in float32 may be. */
export interface Expected {
  readonly exact: Results;
  readonly tolerances: readonly number[];
}

/**
 * What `compute(make())` must give on every device. It is run a few times in float64; `make` without errors, so that
 * what is drawn, rounded or coded there stays the same.
 * @returns null where it is so ill-conditioned that float32 tells little
 */
export function expected<T>(make: () => T, compute: (made: T) => Results): Expected | null {
  const fresh = (): T => withPrecision("float64", make);
  const exact = withPrecision("float64", () => compute(make()));
  const largest = exact.map((values) => maximum(values, (x) => Math.abs(x)));
  const overall = Math.max(0, ...largest);
  const moved = exact.map(() => 0);
  for (let trial = 0; trial < TRIALS; trial++) {
    const made = fresh();
    withNoise(trial, () => compute(made)).forEach((values, which) => {
      const difference = maximum(values, (x, i) => Math.abs(x - (exact[which] as ArrayLike<number>)[i]));
      moved[which] = Math.max(moved[which], difference);
    });
  }
  // Each result by its own size, but for those that are 0 in truth (the gradient of a key's bias): by that of the whole.
  const scales = largest.map((size) => (size <= ZERO * overall ? overall : size));
  const tolerances = moved.map((by, which) => SAFETY * UNIT * (by / NOISE + scales[which]) + 1e-30);
  const isTelling = tolerances.every((tolerance, which) => tolerance <= 0.01 * scales[which] + 1e-30);
  return isTelling && Number.isFinite(overall) ? { exact, tolerances } : null;
}

const maximum = (values: ArrayLike<number> | null, f: (x: number, i: number) => number): number => {
  let most = 0;
  for (let i = 0; i < (values?.length ?? 0); i++) {
    const size = f((values as ArrayLike<number>)[i], i);
    if (size > most || Number.isNaN(size)) most = size; // and NaN stays the most
  }
  return most;
};

/** Throws where results are further from the true ones than they may be, and tells the first number. */
export function assertNear(
  who: string,
  actual: Results,
  { exact, tolerances }: Expected,
  names: readonly string[],
): void {
  assert.is(actual.length, exact.length);
  exact.forEach((values, which) => {
    const got = actual[which];
    assert.is(got === null, values === null, `${who}: ${names[which]}: there, or null`);
    for (let i = 0; i < (values?.length ?? 0); i++) {
      const [a, e] = [(got as ArrayLike<number>)[i], (values as ArrayLike<number>)[i]];
      if (!(Math.abs(a - e) <= tolerances[which])) {
        assert.unreachable(
          `${who}: ${names[which]}[${i}] is ${a}, should be ${e} within ${tolerances[which]}`,
        );
      }
    }
  });
}
