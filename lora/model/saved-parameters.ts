/**
 * @file Saved parameters (PEFT's modules_to_save and bias): an adapter's own trainable copies of parameters of the base,
 * biases or whole modules. A copy replaces the original in its module while the adapter is in use; then the original is
 * restored.
 *
 * The parameter is replaced, and not its module by a wrapper, because models read each other's fields (a tied head reads
 * `wte.weight`): a wrapper would have to answer for every field of every class. What is tied stays tied.
 */

import type { Parameter } from "../../autograd/index.ts";
import { AdapterError } from "../../core/index.ts";
import { cloneParameter, type Module, type NamedModule, parametersIn } from "../../nn/index.ts";
import type { AdaptedLayer } from "./adapted-layer.ts";

/** A parameter of the base model and its place: the module that holds it, and the field. */
export interface Place {
  /** The parameter's name in the model, such as lm_head.weight. */
  readonly name: string;
  readonly holder: Module;
  readonly field: string;
  readonly original: Parameter;
}

/** A place and the copy that an adapter puts there. */
export interface OwnParameter extends Place {
  readonly copy: Parameter;
}

/** The parameters of `module` itself, without those of its children. */
export function* placesIn({ name, module }: Pick<NamedModule, "name" | "module">): Generator<Place> {
  const holder = module.wraps ?? module;
  for (const { name: field, value: original } of parametersIn(holder))
    yield { name: name ? `${name}.${field}` : field, holder, field, original };
}

/** Makes a trainable copy for each place, of the original or of `source(place)`; what is tied stays tied. */
export function ownCopies<P extends Place>(
  places: readonly P[],
  source: (place: P) => Parameter = ({ original }) => original,
): OwnParameter[] {
  const copies = new Map<Parameter, Parameter>();
  for (const place of places) {
    const parameter = source(place);
    if (copies.has(parameter)) continue;
    const copy = cloneParameter(parameter, "adapters");
    copy.requiresGrad = true;
    copies.set(parameter, copy);
  }
  return places.map((place) => ({ ...place, copy: copies.get(source(place)) as Parameter }));
}

/** @throws AdapterError when two adapters would put their copies in one place */
export function checkTogether(
  own: ReadonlyMap<string, readonly OwnParameter[]>,
  names: readonly string[],
): void {
  const first = new Map<string, string>();
  for (const adapter of names) {
    for (const { name } of own.get(adapter) ?? []) {
      const other = first.get(name);
      if (other !== undefined && other !== adapter) {
        throw new AdapterError(
          `activate: ${other} and ${adapter} both bring their own ${name}; expected one of them; activate either`,
        );
      }
      first.set(name, adapter);
    }
  }
}

/** Swaps in the copies of the adapters in `acting`, and restores the originals everywhere else. */
export function settle(
  own: ReadonlyMap<string, readonly OwnParameter[]>,
  acting: readonly string[],
  layers: Iterable<AdaptedLayer>,
): void {
  const layerOf = new Map(Array.from(layers, (layer) => [layer.original, layer]));
  const put = ({ holder, field }: Place, parameter: Parameter): void => {
    setField(holder, field, parameter);
    const merged = layerOf.get(holder)?.base;
    if (merged) setField(merged, field, parameter);
  };
  for (const places of own.values()) for (const place of places) put(place, place.original);
  for (const name of acting) for (const place of own.get(name) ?? []) put(place, place.copy);
}

function setField(holder: Module, field: string, parameter: Parameter): void {
  for (const place of [...parametersIn(holder)]) if (place.name === field) place.put(parameter);
}
