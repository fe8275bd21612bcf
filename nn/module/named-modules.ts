/** @file The modules of a model as the language of targets sees them: dotted names and kinds. */

import { kindOf, type ModuleKind } from "./kinds.ts";
import type { Module } from "./module.ts";

export interface Candidate {
  readonly name: string;
  readonly kind: ModuleKind;
  /** The module itself: the adapted layer where there is one. */
  readonly module: Module;
}

/**
 * Every module below `model`, one that stands in several places under its first name. A wrapper, such as an adapted
 * layer, counts as the layer that it wraps; what is inside it is not listed.
 */
export function* candidates(
  model: Module,
  prefix = "",
  seen: Set<Module> = new Set([model]),
): Generator<Candidate> {
  for (const [child, module] of model.children()) {
    if (seen.has(module)) continue;
    seen.add(module);
    const name = prefix ? `${prefix}.${child}` : child;
    yield { name, kind: kindOf(name, module), module };
    if (!module.wraps) yield* candidates(module, name, seen);
  }
}
