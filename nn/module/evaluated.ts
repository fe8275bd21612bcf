/** @file Runs a function with a model in evaluation mode. */

import { noGrad } from "../../autograd/index.ts";
import { scope } from "../../core/index.ts";
import type { Module } from "./module.ts";
import { checkModule } from "./options.ts";

/**
 * Calls `run` with `model` in evaluation mode, without recording a graph, and releases its temporaries. Each module's
 * mode is restored afterwards, even if `run` throws.
 *
 * @example
 * const loss = evaluated(model, () => crossEntropy(model.forward(x), y).item());
 * @throws ArgumentError when `model` is no module
 */
export function evaluated<T>(model: Module, run: () => T): T {
  return evaluator(model)(run);
}

/** `evaluated` for many calls: the modules are looked up once, and a model that is in evaluation mode is left alone. */
export function evaluator(model: Module): <T>(run: () => T) => T {
  checkModule("evaluated", model);
  const modules = Array.from(model.namedModules(), ([, module]) => module);
  return (run) => {
    const before = modules.map(({ training }) => training);
    const isTraining = before.includes(true);
    if (isTraining) model.eval();
    try {
      return scope(() => noGrad(run));
    } finally {
      if (isTraining) for (const [i, module] of modules.entries()) module.training = before[i];
    }
  };
}

/** Every module below `model`, itself included, with its mode: `training` or not. */
export const modesOf = (model: Module): (readonly [Module, boolean])[] =>
  Array.from(model.namedModules(), ([, module]) => [module, module.training] as const);
