/**
 * @file Module: a tree of named parameters.
 *
 * Parameters and modules are found in plain fields, and in lists, Maps and plain objects there, however nested. Their
 * names are PyTorch's: `fc.weight`; `h.0.attn` in a list; `layers.fc1` in a Map or an object.
 *
 * They cannot be found in private fields (`#weight`), closures, Sets and instances of classes that are no modules.
 * `parameters()` warns of the latter two, and `fit` of any parameter that the loss depends on but that does not train.
 */

import { Parameter, type Tensor } from "../../autograd/index.ts";
import {
  ArgumentError,
  CheckpointError,
  checkOptions,
  LowrankError,
  type NDArray,
  nearest,
  type Storage,
  sameShape,
  warn,
} from "../../core/index.ts";
import { hiddenIn, parametersIn, places } from "./fields.ts";
import { describeMismatch, findMismatch, type LoadReport } from "./mismatch.ts";
import { summary } from "./summary.ts";

/** Values by parameter name. */
export type StateDict = Map<string, NDArray>;

/** The options of `loadStateDict`. */
export interface LoadStateOptions {
  /** True: every name and shape must fit, or nothing is loaded. False: what fits is loaded. @default true */
  readonly strict?: boolean;
}

/** Copies a value as `cloneModule` copies a field. The same value always gives the same copy. */
export type Copier = <T>(value: T) => T;

/**
 * Base class of layers and models: a tree of named parameters. Parameters and modules are the values of plain fields.
 *
 * @example
 * class Classifier extends Module {
 *   hidden = new Linear(4, 16);
 *   head = new Linear(16, 3);
 *
 *   forward(x: Tensor): Tensor {
 *     return this.head.forward(this.hidden.forward(x).relu());
 *   }
 * }
 * new Classifier().parameters().length; // 4
 */
export abstract class Module {
  /** True during training; false during evaluation, when dropout does nothing. Set by `train()` and `eval()`. */
  training = true;

  /** The modules in this module's own fields, with their names: `["h.0", block]`. */
  *children(): Generator<[string, Module]> {
    for (const { name, value } of places(this)) if (value instanceof Module) yield [name, value];
  }

  /** This module, under the name "", and every module below it, parents first. A module in two places comes twice. */
  *namedModules(prefix = ""): Generator<[string, Module]> {
    yield* walk(this, prefix, []);
  }

  /**
   * Every parameter once, under its first name; tied parameters are one parameter.
   * @throws LowrankError when two parameters have the same name, which a key with a dot in it can cause
   */
  *namedParameters(): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    const names = new Set<string>();
    for (const [path, module] of this.namedModules()) {
      for (const { name: field, value } of parametersIn(module)) {
        if (seen.has(value)) continue;
        seen.add(value);
        const name = join(path, field);
        if (names.has(name)) throw new LowrankError(`namedParameters: two parameters have the name ${name}`);
        names.add(name);
        yield [name, value];
      }
    }
  }

  /** The parameters of `namedParameters`. Warns of parameters in places that are not searched. */
  parameters(): Parameter[] {
    const found = Array.from(this.namedParameters(), ([, parameter]) => parameter);
    const known = new Set<unknown>(found);
    const modules = [...this.namedModules()];
    for (const [, module] of modules) known.add(module);
    const isPart = (value: unknown): boolean =>
      (value instanceof Module || value instanceof Parameter) && !known.has(value);
    for (const [path, module] of modules) {
      for (const { name, why } of hiddenIn(module, isPart)) {
        warn(
          `${this.constructor.name}: ${join(path, name)} ${why}; parameters are found in fields, lists, Maps and ` +
            "plain objects only",
        );
      }
    }
    return found;
  }

  /** The module at a dotted path, such as "h.0.attn". @throws LowrankError when there is none, with the nearest paths */
  getModule(path: string): Module {
    for (const [name, module] of this.namedModules()) if (name === path) return module;
    throw noModule("getModule", this, path);
  }

  /** Replaces the module at `path` by `module`. @throws LowrankError when there is none at `path` */
  replaceModule(path: string, module: Module): void {
    if (!(module instanceof Module))
      throw new ArgumentError("replaceModule", "a path and a module", { module: typeof module });
    for (const [parentName, parent] of this.namedModules()) {
      const child = [...parent.children()].find(([name]) => join(parentName, name) === path);
      const place = child && [...places(parent)].find(({ name }) => name === child[0]);
      if (place) {
        place.put(module);
        return;
      }
    }
    throw noModule("replaceModule", this, path);
  }

  /** Sets the training mode (dropout is active) of this module and all below it. @param on false for evaluation */
  train(on = true): this {
    for (const [, module] of this.namedModules()) module.training = on;
    return this;
  }

  /** Sets the evaluation mode (dropout does nothing) of this module and all below it. */
  eval(): this {
    return this.train(false);
  }

  /** Makes every parameter trainable, or freezes them all. @param required false to freeze */
  requiresGrad_(required = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = required;
    return this;
  }

  /** Clears all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.zeroGrad();
  }

  /** The values of all parameters by name. They are not copied: later changes of the parameters show in them. */
  stateDict(): StateDict {
    return new Map(Array.from(this.namedParameters(), ([name, parameter]) => [name, parameter.value]));
  }

  /**
   * Overwrites the parameters with `values`.
   * @param values arrays by parameter name
   * @returns the names that did not fit; none when strict
   * @throws CheckpointError when strict, listing every missing, unexpected and misshapen entry; nothing is changed then
   */
  loadStateDict(values: StateDict, options: LoadStateOptions = {}): LoadReport {
    checkOptions("loadStateDict", options, ["strict"]);
    if (options.strict !== false) this.checkStateDict(values);
    const own = [...this.namedParameters()];
    const report = compare(new Map(own), values);
    const assigned = own.flatMap(([name, parameter]) => {
      const value = values.get(name);
      return value && sameShape(value.shape, parameter.shape) ? [{ parameter, value }] : [];
    });
    for (const { value } of assigned) void value.data; // throws if it was released, before anything is changed
    for (const { parameter, value } of assigned) parameter.assign(value);
    return report;
  }

  /** The check of a strict `loadStateDict`, without loading. @throws CheckpointError as `loadStateDict` */
  checkStateDict(values: StateDict): void {
    const problems = describeMismatch(compare(new Map(this.namedParameters()), values));
    if (problems.length > 0) throw new CheckpointError(`loadStateDict: ${problems.join("; ")}`);
  }

  /** The storages of all parameters. */
  *storages(): Generator<Storage> {
    for (const parameter of this.parameters()) yield* parameter.storages();
  }

  /**
   * Implemented by classes with private fields, for `cloneModule`: returns a new module like this one, made with
   * `copy(part)` of every part that is to be copied. Without it a copy has the public fields only.
   */
  cloneWith?(copy: Copier): Module;

  /**
   * For a layer that stands in the place of another and changes what that one computes, such as an adapted layer: the
   * other layer. Targets treat the wrapper as a layer of that kind, and do not see the modules inside it.
   */
  get wraps(): Module | null {
    return null;
  }

  /** Weights that the module holds packed, not as parameters. `countNumbers` counts the numbers that they stand for. */
  packedWeights?(): Iterable<{ readonly size: number }>;

  /** The sizes and settings of this module itself, which `toString` prints after the class name. */
  describe(): string {
    return "";
  }

  /** The tree of modules with their parameters and shapes, and the number of trainable parameters. */
  toString(): string {
    return summary(this);
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** A module that maps one tensor to one tensor. */
export interface Layer extends Module {
  forward(x: Tensor): Tensor;
}

const join = (prefix: string, name: string): string => (prefix ? `${prefix}.${name}` : name);

/** The error for a path at which there is no module. */
function noModule(who: string, module: Module, path: string): LowrankError {
  const names = Array.from(module.namedModules(), ([name]) => name).filter((name) => name !== "");
  const near = nearest(String(path), names).slice(0, 3);
  const hint = near.length > 0 ? `; the nearest are ${near.join(", ")}` : "";
  return new LowrankError(`${who}: expected the path of a module; got ${JSON.stringify(path)}${hint}`);
}

/** @throws ArgumentError when `values` is no Map */
function compare(own: ReadonlyMap<string, Parameter>, values: StateDict): LoadReport {
  if (!(values instanceof Map))
    throw new ArgumentError("loadStateDict", "a Map of arrays by parameter name", { values });
  return findMismatch(own, values);
}

/** `module` and the modules below it. A module inside itself is not visited again. */
function* walk(module: Module, path: string, outer: readonly Module[]): Generator<[string, Module]> {
  yield [path, module];
  const within = [...outer, module];
  for (const [name, child] of module.children())
    if (!within.includes(child)) yield* walk(child, join(path, name), within);
}
