/** @file A deep copy of a module: parameters that were one stay one, everything else is its own. */

import { Parameter } from "../autograd/index.ts";
import { copy, Random, randomFromState } from "../core/index.ts";
import { Module } from "./module.ts";

/**
 * A copy of `module` with modules, parameters and generators of its own. What is shared inside (tied weights, a module
 * in two places) is shared inside the copy. Other fields (sizes, configurations) are the same objects.
 * @param instead what to copy in the place of a module that is reached
 */
export function cloneModule<M extends Module>(
  module: M,
  instead: (module: Module) => Module = (same) => same,
): M {
  const copies = new Map<object, unknown>();

  const once = <T extends object>(source: T, make: () => T): T => {
    const before = copies.get(source);
    if (before) return before as T;
    const made = make();
    copies.set(source, made);
    return made;
  };

  const cloneValue = (value: unknown): unknown => {
    if (value instanceof Module) return cloneOne(value);
    if (value instanceof Parameter) return once(value, () => cloneParameter(value));
    if (value instanceof Random) return once(value, () => randomFromState(value.state()));
    if (Array.isArray(value)) return value.map(cloneValue);
    return value;
  };

  const cloneOne = (reached: Module): Module => {
    const source = instead(reached);
    return once(source, () => {
      const made = Object.create(Object.getPrototypeOf(source)) as Module;
      const fields = Object.entries(source).map(([name, value]) => [name, cloneValue(value)]);
      return Object.assign(made, Object.fromEntries(fields));
    });
  };

  return cloneOne(module) as M;
}

/** The same values in memory of their own, trainable if the source is. */
export function cloneParameter(source: Parameter, category = source.value.storage.category): Parameter {
  const made = new Parameter(copy(source.value, category));
  made.requiresGrad = source.requiresGrad;
  return made;
}
