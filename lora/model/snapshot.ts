/** @file What a model was before it was adapted, so that a plain model made from it is that again. */

import type { Parameter } from "../../autograd/index.ts";
import { type Module, parametersIn } from "../../nn/index.ts";

export interface Before {
  /** Names of the parameters that trained, tied ones under each of their names. */
  readonly trained: ReadonlySet<string>;
  /** Groups of names of one and the same parameter. */
  readonly tied: readonly (readonly string[])[];
}

export function describeBefore(model: Module): Before {
  const names = new Map<Parameter, string[]>();
  for (const [name, parameter] of places(model))
    names.set(parameter, [...(names.get(parameter) ?? []), name]);
  const trained = [...names].filter(([{ requiresGrad }]) => requiresGrad).flatMap(([, all]) => all);
  return { trained: new Set(trained), tied: [...names.values()].filter((all) => all.length > 1) };
}

/** Makes the parameters of `plain` train that did before. Where merging has untied weights, its configuration says so. */
export function asBefore<M extends Module>(plain: M, { trained, tied }: Before): M {
  const parameters = new Map(places(plain));
  for (const [name, parameter] of parameters) parameter.requiresGrad = trained.has(name);
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
