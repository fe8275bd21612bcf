/** @file Snapshot: which parameters of a model were trainable and tied before `inject`, so that `toPlain` restores it. */

import type { Parameter } from "../../autograd/index.ts";
import { type Module, parametersIn } from "../../nn/index.ts";

/** What `toPlain` restores. */
export interface Snapshot {
  /** Names of the trainable parameters, tied ones under each of their names. */
  readonly trainable: ReadonlySet<string>;
  /** Groups of names that name the same parameter. */
  readonly tied: readonly (readonly string[])[];
}

/** The snapshot of a model. */
export function takeSnapshot(model: Module): Snapshot {
  const names = new Map<Parameter, string[]>();
  for (const [name, parameter] of places(model))
    names.set(parameter, [...(names.get(parameter) ?? []), name]);
  const trainable = [...names].filter(([{ requiresGrad }]) => requiresGrad).flatMap(([, all]) => all);
  return { trainable: new Set(trainable), tied: [...names.values()].filter((all) => all.length > 1) };
}

/** Restores `requiresGrad` on every parameter of `plain`. If merging has untied weights, its configuration says so. */
export function restore<M extends Module>(plain: M, { trainable, tied }: Snapshot): M {
  const parameters = new Map(places(plain));
  for (const [name, parameter] of parameters) parameter.requiresGrad = trainable.has(name);
  const untied = tied.some((names) => new Set(names.map((name) => parameters.get(name))).size > 1);
  if (untied) for (const [, module] of plain.namedModules()) untie(module);
  return plain;
}

function untie(module: Module & { config?: object }): void {
  if (module.config && "tie_word_embeddings" in module.config)
    module.config = { ...module.config, tie_word_embeddings: false };
}

function* places(model: Module): Generator<[string, Parameter]> {
  for (const [path, module] of model.namedModules()) {
    for (const { name, value } of parametersIn(module)) yield [path ? `${path}.${name}` : name, value];
  }
}
