/** @file The modules of a model as the language of targets sees them: dotted names and kinds. */

import {
  Conv1D,
  Conv1d,
  Conv2d,
  Embedding,
  isLinearLike,
  LayerNorm,
  type Module,
  type ModuleKind,
  RMSNorm,
} from "../../nn/index.ts";
import { AdaptedLayer } from "./adapted-layer.ts";

export interface Candidate {
  readonly name: string;
  readonly kind: ModuleKind;
  /** The module itself: the adapted layer where there is one. */
  readonly module: Module;
}

/**
 * Every module below `model`, one that stands in several places under its first name. An adapted layer counts as the
 * layer it adapts; what is inside it is not listed.
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
    const adapted = module instanceof AdaptedLayer;
    yield { name, kind: kindOf(name, adapted ? module.original : module), module };
    if (!adapted) yield* candidates(module, name, seen);
  }
}

/** Parts of names by which Hugging Face's models call what gives their output. */
const heads: ReadonlySet<string> = new Set(["lm_head", "classifier", "score", "head"]);

function kindOf(name: string, module: Module): ModuleKind {
  if (module instanceof Conv1D) return "conv1d";
  if (isLinearLike(module)) return name.split(".").some((part) => heads.has(part)) ? "head" : "linear";
  if (module instanceof Embedding) return "embedding";
  if (module instanceof Conv1d || module instanceof Conv2d) return "convolution";
  if (module instanceof LayerNorm || module instanceof RMSNorm) return "norm";
  return "other";
}
