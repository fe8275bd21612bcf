/**
 * @file Finds the parameters and modules in a module's fields, also those in lists, Maps and plain objects (as in
 * PyTorch's ParameterList and ModuleDict); and finds trainable tensors in places that are not searched, for warnings.
 */

import { Parameter, Tensor } from "../../autograd/index.ts";
import { LowrankError } from "../../core/index.ts";

/** A value in a field of a module, with its name below the module, such as `layers.0.fc1`. */
export class Place<T = unknown> {
  readonly name: string;
  readonly value: T;
  readonly #holder: object;
  readonly #key: unknown;
  /** The place of the holder, when that is a list, a Map or an object in a field. */
  readonly #outer: Place | null;

  constructor(name: string, value: T, holder: object, key: unknown, outer: Place | null) {
    this.name = name;
    this.value = value;
    this.#holder = holder;
    this.#key = key;
    this.#outer = outer;
  }

  /** Replaces the value. A frozen list or object is replaced by a frozen copy that holds the new value. */
  put(value: unknown): void {
    const [holder, key] = [this.#holder, this.#key];
    if (holder instanceof Map) holder.set(key, value);
    else if (this.#outer && Object.isFrozen(holder)) {
      const copy = Array.isArray(holder) ? [...holder] : { ...holder };
      write(copy, key as string, this.name, value);
      this.#outer.put(Object.freeze(copy));
    } else write(holder, key as string, this.name, value);
  }
}

type Container = readonly unknown[] | ReadonlyMap<unknown, unknown> | Readonly<Record<string, unknown>>;

/** True for lists, Maps and plain objects, whose contents are searched. */
export function isContainer(value: unknown): value is Container {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value) || value instanceof Map) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** All values in the fields of `module`, in order; of lists, Maps and plain objects, their contents. */
export function* places(module: object): Generator<Place> {
  for (const [name, value] of Object.entries(module)) {
    const place = new Place(name, value, module, name, null);
    if (isContainer(value)) yield* apart(place, []);
    else yield place;
  }
}

/** The parameters in the fields of `module` itself, not of the modules in it. A parameter in two places comes twice. */
export function* parametersIn(module: object): Generator<Place<Parameter>> {
  for (const place of places(module)) if (place.value instanceof Parameter) yield place as Place<Parameter>;
}

function* apart(place: Place, outer: readonly unknown[]): Generator<Place> {
  const { name, value } = place;
  if (!isContainer(value)) yield place;
  else if (!outer.includes(value)) {
    for (const [i, [key, item]] of entriesOf(value).entries()) {
      const path = `${name}.${typeof key === "object" || typeof key === "symbol" ? i : key}`;
      yield* apart(new Place(path, item, value, key, place), [...outer, value]);
    }
  }
}

const entriesOf = (value: Container): (readonly [unknown, unknown])[] =>
  value instanceof Map ? [...value] : Array.isArray(value) ? [...value.entries()] : Object.entries(value);

function write(holder: object, key: string, name: string, value: unknown): void {
  if (!Reflect.set(holder, key, value))
    throw new LowrankError(`${name}: cannot be replaced, it is read-only`);
}

/**
 * Values that seem meant to train but are not found as parameters: parameters and modules in Sets and in instances of
 * classes that are no modules, and tensors that require a gradient without being parameters.
 * @param isPart returns true for a parameter or module that should have been found
 */
export function* hiddenIn(
  module: object,
  isPart: (value: unknown) => boolean,
): Generator<{ readonly name: string; readonly why: string }> {
  for (const { name, value } of places(module)) {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) continue;
    if ("namedModules" in value) continue; // a module that the holder's children() omits on purpose
    if (value instanceof Tensor) {
      if (value.requiresGrad && value.isLeaf && !(value instanceof Parameter))
        yield { name, why: "is a tensor that requires a gradient: make it with parameter()" };
      continue;
    }
    const items = value instanceof Set ? [...value] : Object.values(value);
    const inside = items.flatMap((item) => [...apart(new Place(name, item, value, name, null), [])]);
    if (inside.some((place) => isPart(place.value)))
      yield { name, why: `holds them in a ${value.constructor?.name ?? "class of its own"}` };
  }
}
