/** @file What a method is, and the helpers that all of them use to turn a case's tensors into the library's. */

import { type Parameter, parameter, type Tensor, tensor } from "lowrank/autograd";
import { array, type Indices, indices, type NDArray } from "lowrank/core";
import type { Module } from "lowrank/nn";
import { CaseError, type LoadedCase } from "../cases.ts";
import type { Numbers } from "../check.ts";

/** A result of any kind; a gradient may be missing (null), which no stored output equals. */
export type Output = Tensor | Numbers | number | null;
export type Outputs = Readonly<Record<string, Output>>;

/** Computes the outputs of a case from its params and inputs, through the library's public functions. */
export type Method = (c: LoadedCase) => Outputs;
export type Methods = Readonly<Record<string, Method>>;

/** Thrown by a method for a case whose form the library does not have yet; the case is skipped. */
export class NotBuilt extends Error {
  override readonly name = "NotBuilt";
}

function input(c: LoadedCase, name: string) {
  const stored = c.inputs.get(name);
  if (!stored) throw new CaseError(`${c.method} needs the input ${name}; the case has none`);
  return stored;
}

/** The input of that name as an array. */
export function arrayOf(c: LoadedCase, name: string): NDArray {
  const stored = input(c, name);
  return array(stored.floats(), stored.shape);
}

/** The input of that name, which needs no gradient. */
export const constant = (c: LoadedCase, name: string): Tensor => tensor(arrayOf(c, name));

/** The input of that name, whose gradient is wanted. */
export const variable = (c: LoadedCase, name: string): Tensor =>
  tensor(arrayOf(c, name), { requiresGrad: true });

/** The input of that name as something an optimizer trains. */
export const trainable = (c: LoadedCase, name: string): Parameter => parameter(arrayOf(c, name));

/** The input of that name as ids, labels or positions. */
export function indicesOf(c: LoadedCase, name: string): Indices {
  const stored = input(c, name);
  return indices(stored.integers(), stored.shape);
}

/** The shape of the input of that name. */
export const shapeOf = (c: LoadedCase, name: string): readonly number[] => input(c, name).shape;

/** Gives `module` the values of inputs, named by parameter; inputs that the case lacks are left out. */
export function fill<M extends Module>(
  c: LoadedCase,
  module: M,
  inputs: Readonly<Record<string, string>>,
): M {
  const given = Object.entries(inputs).filter(([, name]) => c.inputs.has(name));
  module.loadStateDict(new Map(given.map(([parameter, name]) => [parameter, arrayOf(c, name)])));
  return module;
}

/** y, and as grad_NAME the gradient of Σ y ∘ g in each of `leaves`, g being the case's input. */
export function differentiate(
  c: LoadedCase,
  y: Tensor,
  leaves: Readonly<Record<string, Tensor | null | undefined>>,
): Outputs {
  y.backward(constant(c, "g"));
  const gradients = Object.entries(leaves).map(([name, leaf]) => [`grad_${name}`, leaf?.grad ?? null]);
  return { y, ...Object.fromEntries(gradients) };
}
