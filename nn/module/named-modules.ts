/** @file The modules of a model with their dotted names and kinds: what targets select from. */

import { kindOf, type ModuleKind } from "./kinds.ts";
import type { Module } from "./module.ts";

/** A module of a model. */
export interface NamedModule {
  /** Its dotted path in the model, such as `transformer.h.0.attn.c_attn`. */
  readonly name: string;
  readonly kind: ModuleKind;
  /** The module itself; where a layer is adapted, the adapted layer. */
  readonly module: Module;
}

/**
 * Every module below `model`, parents first. A module in several places comes once, under its first name. A wrapper
 * (`Module.wraps`), such as an adapted layer, counts as the layer that it wraps, and what is inside it is not listed.
 *
 *     for (const { name, kind } of listModules(gpt2)) console.log(name, kind);   // transformer other, …
 *
 * @param prefix what the names begin with
 * @param seen modules to pass over
 */
export function* listModules(
  model: Module,
  prefix = "",
  seen: Set<Module> = new Set([model]),
): Generator<NamedModule> {
  for (const [child, module] of model.children()) {
    if (seen.has(module)) continue;
    seen.add(module);
    const name = prefix ? `${prefix}.${child}` : child;
    yield { name, kind: kindOf(name, module), module };
    if (!module.wraps) yield* listModules(module, name, seen);
  }
}
