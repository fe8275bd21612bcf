/** @file convert: an adapter of any method as a LoRA adapter with the same ΔW. */

import type { AdaptedModel } from "../model/adapted-model.ts";
import { checkName } from "../model/checks.ts";
import { ownCopies } from "../model/saved-parameters.ts";
import { addNewAdapter, type ComposedLayer, truncate } from "./new-adapter.ts";
import { checkTruncation, spectrumAt, type Truncation } from "./spectrum.ts";

/**
 * Adds a LoRA adapter with the ΔW of another adapter, whatever the method of that one is: a DoRA adapter becomes one that
 * any program can read. The new adapter has scaling 1 and copies of the other's copies of base parameters.
 *
 * @param source the name of the adapter to convert, which stays as it is
 * @param name the name of the new adapter
 * @param truncation bounds the rank or the error. Without it ΔW is the same but for rounding
 * @returns for each layer its rank, and the part of ΔW that was lost
 * @throws AdapterError on an unknown name, a name that is taken, and a rank or energy out of range
 * @example
 * convert(model, "dora", "plain", { energy: 0.99 });
 */
export function convert(
  model: AdaptedModel,
  source: string,
  name: string,
  truncation: Truncation = {},
): ComposedLayer[] {
  checkName(name, model.names);
  checkTruncation("convert", truncation);
  const paths = model.adapter(source);
  return addNewAdapter(
    model,
    name,
    [...model.layers].filter(([path]) => paths.has(path)),
    (_, layer) => truncate(spectrumAt(layer, source), truncation),
    ownCopies(model.ownParameters(source), ({ copy }) => copy),
  );
}
