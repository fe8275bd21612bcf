/** @file Modules on a device: their output and all gradients are what they are in float64 on `reference`. */

import * as fc from "fast-check";
import { mean, mul, square, sum, type Tensor, tanh } from "lowrank/autograd";
import { type DeviceName, scope, withDevice } from "lowrank/core";
import type { Module } from "lowrank/nn";
import { numbers } from "./numbers.ts";
import { assertNear, expected, type Results } from "./rounding.ts";

/** A computation and the leaves whose gradients it is asked for; made anew for each run, in the precision in use. */
export interface Made {
  readonly leaves: readonly (readonly [name: string, leaf: Tensor])[];
  readonly forward: () => Tensor;
}

/** From an output to a scalar: among them those whose gradient is one number for all elements, or for rows of them. */
const endings: Readonly<Record<string, (y: Tensor) => Tensor>> = {
  sum: (y) => sum(y),
  mean: (y) => mean(y),
  "mean of squares": (y) => mean(square(y)),
  "squares of the sum over the first axis": (y) => (y.shape.length > 0 ? sum(square(sum(y, 0))) : y),
  "tanh of the mean over the first axis": (y) => (y.shape.length > 0 ? sum(tanh(mean(y, 0))) : y),
  "sum of products with the last element": (y) => sum(mul(y, y.reshape(-1).slice(0, y.size - 1))),
};
export const ending = fc.constantFrom(...Object.keys(endings));

const valuesOf = (x: Tensor): ArrayLike<number> => x.value.data.slice();

function compute({ leaves, forward }: Made, end: string): Results {
  return scope(() => {
    const y = forward();
    const scalar = endings[end](y);
    scalar.backward();
    return [valuesOf(y), valuesOf(scalar), ...leaves.map(([, { grad }]) => grad && valuesOf(grad))];
  });
}

/** Throws where the device's output or a gradient is further from the true one than rounding can bring it. */
export function agrees(device: DeviceName, make: () => Made, end: string): void {
  const bounds = expected(make, (made) => compute(made, end));
  fc.pre(bounds !== null);
  const made = make();
  const names = ["the output", "the scalar", ...made.leaves.map(([name]) => `the gradient of ${name}`)];
  assertNear(
    device,
    withDevice(device, () => compute(made, end)),
    bounds as NonNullable<typeof bounds>,
    names,
  );
}

/**
 * Gives every parameter its own values, the same in every precision: in ±½, and around 1 for what scales (weights of
 * norms, DoRA's magnitudes).
 */
export function fill(module: Pick<Module, "namedParameters">, seed: number, only = /./): void {
  let at = seed;
  for (const [name, parameter] of module.namedParameters()) {
    at += 1;
    if (!only.test(name)) continue;
    const scales = /(^|\.)m$/.test(name) || (parameter.shape.length === 1 && /weight$/.test(name));
    parameter.assign(numbers(at, parameter.size).map((x) => (scales ? 1 + x / 4 : x / 2)));
  }
}

/** Those that train, with their names. */
export const trained = (module: Pick<Module, "namedParameters">): (readonly [string, Tensor])[] =>
  [...module.namedParameters()].filter(([, parameter]) => parameter.requiresGrad);
