/** @file Deep copies of modules: sharing inside the module is kept, and nothing is shared with the original. */

import { Parameter, Tensor } from "../../autograd/index.ts";
import { copy, NDArray, Random, randomFromState } from "../../core/index.ts";
import { isContainer } from "./fields.ts";
import { type Copier, Module } from "./module.ts";
import { checkModule } from "./options.ts";

/**
 * A deep copy of `module`: modules, parameters, arrays and generators are copied, also in lists, Maps, Sets and plain
 * objects. What is shared inside (tied weights, a module in two places) is shared inside the copy. Instances of other
 * classes (tokenizers, packed weights), functions and tensors with a history are not copied; the copy refers to them.
 *
 * Private fields (`#name`) cannot be copied from outside: a class that has some implements `cloneWith`.
 *
 * @example
 * const before = cloneModule(model);
 * fit(model, options);
 * @param instead returns for each module that is reached the module to copy in its place
 * @throws ArgumentError when `module` is no module
 */
export function cloneModule<M extends Module>(
  module: M,
  instead: (module: Module) => Module = (same) => same,
): M {
  checkModule("cloneModule", module);
  const copies = new Map<unknown, unknown>();

  /** The one copy of `source`. It is registered before `fill` runs, since the source may contain itself. */
  const once = <T>(source: unknown, make: () => T, fill: (made: T) => void = () => {}): T => {
    if (!copies.has(source)) {
      const made = make();
      copies.set(source, made);
      fill(made);
    }
    return copies.get(source) as T;
  };

  const cloneField = (value: unknown): unknown => {
    if (value instanceof Module) return cloneOne(value);
    if (value instanceof Parameter) return once(value, () => cloneParameter(value));
    if (value instanceof Tensor) return value.isLeaf ? once(value, () => cloneLeaf(value)) : value;
    if (value instanceof NDArray) return once(value, () => copy(value, value.storage.category));
    if (value instanceof Random) return once(value, () => randomFromState(value.state()));
    if (value instanceof Set) {
      const fill = (made: Set<unknown>): void => {
        for (const item of value) made.add(cloneField(item));
      };
      return once(value, () => new Set<unknown>(), fill);
    }
    if (value instanceof Map) {
      const fill = (made: Map<unknown, unknown>): void => {
        for (const [key, item] of value) made.set(cloneField(key), cloneField(item));
      };
      return once(value, () => new Map<unknown, unknown>(), fill);
    }
    return isContainer(value) ? once(value, () => emptyLike(value), fillFrom(value)) : value;
  };

  /** Copies the fields of `source` into `made`, and then freezes it if `source` is frozen. */
  const fillFrom = (source: object) => (made: object) => {
    for (const [name, value] of Object.entries(source)) Object.assign(made, { [name]: cloneField(value) });
    if (Object.isFrozen(source)) Object.freeze(made);
  };

  const cloneOne = (reached: Module): Module => {
    if (copies.has(reached)) return copies.get(reached) as Module;
    const source = instead(reached);
    if (source.cloneWith) return once(reached, () => source.cloneWith?.(cloneField as Copier) as Module);
    const bare = (): Module => Object.create(Object.getPrototypeOf(source));
    return once(reached, bare, fillFrom(source));
  };

  return cloneOne(module) as M;
}

const emptyLike = (container: object): object =>
  Array.isArray(container) ? [] : Object.create(Object.getPrototypeOf(container));

/** A copy with memory of its own, trainable if and only if the source is. */
export function cloneParameter(source: Parameter, category = source.value.storage.category): Parameter {
  const made = new Parameter(copy(source.value, category));
  made.requiresGrad = source.requiresGrad;
  return made;
}

function cloneLeaf(source: Tensor): Tensor {
  const made = new Tensor(copy(source.value, source.value.storage.category));
  made.requiresGrad = source.requiresGrad;
  return made;
}
