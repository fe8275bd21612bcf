/**
 * @file Module: a tree of named parameters. Parameters and submodules are plain fields; a list of modules is
 * named by position (`h.0.attn`), as PyTorch's names are.
 */

import { Parameter, type Tensor } from "../autograd/index.ts";
import { CheckpointError, LowrankError, type NDArray, type Storage, sameShape } from "../core/index.ts";

/** Values by parameter name. */
export type StateDict = Map<string, NDArray>;

export abstract class Module {
  /** False during evaluation: dropout does nothing. Set it by `train()` and `eval()`. */
  training = true;

  /** The module's own fields that are modules, with their names: `["h.0", block]`. */
  *children(): Generator<[string, Module]> {
    for (const [name, field] of Object.entries(this)) {
      if (field instanceof Module) yield [name, field];
      else if (Array.isArray(field)) {
        for (const [i, item] of field.entries()) if (item instanceof Module) yield [`${name}.${i}`, item];
      }
    }
  }

  /** This module under the name "", and every module below it, parents first. */
  *namedModules(prefix = ""): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) yield* child.namedModules(join(prefix, name));
  }

  /** Every parameter once, under its first name; tied parameters have one name. */
  *namedParameters(): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, field] of Object.entries(module)) {
        if (!(field instanceof Parameter) || seen.has(field)) continue;
        seen.add(field);
        yield [join(path, name), field];
      }
    }
  }

  parameters(): Parameter[] {
    return Array.from(this.namedParameters(), ([, parameter]) => parameter);
  }

  /** The module at a dotted path. @throws LowrankError naming the part that is missing */
  getModule(path: string): Module {
    for (const [name, module] of this.namedModules()) if (name === path) return module;
    throw new LowrankError(`getModule: expected the path of a module; got ${JSON.stringify(path)}`);
  }

  /** Puts `module` in the place of the one at `path`. */
  replaceModule(path: string, module: Module): void {
    for (const [parentName, parent] of this.namedModules()) {
      for (const [name] of parent.children()) {
        if (join(parentName, name) !== path) continue;
        const [field, position] = name.split(".");
        const fields = parent as unknown as Record<string, Module | Module[]>;
        if (position === undefined) fields[field] = module;
        else (fields[field] as Module[])[Number(position)] = module;
        return;
      }
    }
    throw new LowrankError(`replaceModule: expected the path of a module; got ${JSON.stringify(path)}`);
  }

  /** Training behaviour (dropout active) for this module and those below. */
  train(on = true): this {
    for (const [, module] of this.namedModules()) module.training = on;
    return this;
  }

  /** Evaluation behaviour. */
  eval(): this {
    return this.train(false);
  }

  /** Makes every parameter trainable, or freezes it. */
  requiresGrad_(required = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = required;
    return this;
  }

  /** Forgets all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.zeroGrad();
  }

  /** The values of all parameters by name, not copied. */
  stateDict(): StateDict {
    return new Map(Array.from(this.namedParameters(), ([name, parameter]) => [name, parameter.value]));
  }

  /**
   * Overwrites the parameters with `values`.
   * @throws CheckpointError listing every missing, unexpected and misshapen entry; the module is then unchanged
   */
  loadStateDict(values: StateDict): void {
    const own = new Map(this.namedParameters());
    const problems = [
      ...list(
        "missing",
        [...own.keys()].filter((name) => !values.has(name)),
      ),
      ...list(
        "unexpected",
        [...values.keys()].filter((name) => !own.has(name)),
      ),
      ...list(
        "misshapen",
        [...own].flatMap(([name, { shape }]) => {
          const given = values.get(name);
          if (!given || sameShape(given.shape, shape)) return [];
          return [`${name} (expected [${shape.join(", ")}], got [${given.shape.join(", ")}])`];
        }),
      ),
    ];
    if (problems.length > 0) throw new CheckpointError(`loadStateDict: ${problems.join("; ")}`);
    for (const [name, parameter] of own) parameter.assign(values.get(name) as NDArray);
  }

  *storages(): Generator<Storage> {
    for (const parameter of this.parameters()) yield* parameter.storages();
  }

  /** What `toString` prints after the class name: sizes and settings of this module itself. */
  describe(): string {
    return "";
  }

  /** The tree of modules with shapes, parameters and what is trainable. */
  toString(): string {
    return [...treeLines(this, "", ""), summary(this)].join("\n");
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

const list = (what: string, names: readonly string[]): string[] =>
  names.length > 0 ? [`${what}: ${names.join(", ")}`] : [];

function* treeLines(module: Module, name: string, indent: string): Generator<string> {
  const own = Object.entries(module).filter(
    (entry): entry is [string, Parameter] => entry[1] instanceof Parameter,
  );
  const parameters = own.map(
    ([field, { shape, requiresGrad }]) => `${field} [${shape.join(", ")}]${requiresGrad ? "" : " frozen"}`,
  );
  const label = `${module.constructor.name}(${module.describe()})`;
  yield [`${indent}${name ? `${name}: ` : ""}${label}`, ...parameters].join("  ");
  for (const [child, next] of module.children()) yield* treeLines(next, child, `${indent}  `);
}

function summary(module: Module): string {
  const parameters = module.parameters();
  const total = parameters.reduce((sum, { size }) => sum + size, 0);
  const trainable = parameters.reduce((sum, { size, requiresGrad }) => sum + (requiresGrad ? size : 0), 0);
  const percent = total > 0 ? ((100 * trainable) / total).toFixed(2) : "0";
  return `${total.toLocaleString("en")} parameters, ${trainable.toLocaleString("en")} trainable (${percent} %)`;
}
