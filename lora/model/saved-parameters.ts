/**
 * @file What an adapter trains besides its factors: copies of its own of some parameters of the base, biases or whole
 * modules. A copy stands in the original's place while its adapter acts, and the original comes back after.
 */

import type { Parameter } from "../../autograd/index.ts";
import { AdapterError } from "../../core/index.ts";
import { cloneParameter, type Module, type NamedModule, parametersIn } from "../../nn/index.ts";
import type { AdaptedLayer } from "./adapted-layer.ts";

/** A parameter of the base model by where it stands. */
export interface Place {
  /** Its name in the model, such as lm_head.weight. */
  readonly name: string;
  readonly holder: Module;
  readonly field: string;
  readonly original: Parameter;
}

/** A place and the parameter that an adapter puts there. */
export interface OwnParameter extends Place {
  readonly copy: Parameter;
}

/** The parameters that stand in `module` itself, not below it. */
export function* placesIn({ name, module }: Pick<NamedModule, "name" | "module">): Generator<Place> {
  const holder = module.wraps ?? module;
  for (const { name: field, value: original } of parametersIn(holder))
    yield { name: name ? `${name}.${field}` : field, holder, field, original };
}

/** Copies for `places`, of the originals or what `source` says, one for each: what is tied among them stays tied. */
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

/** Refuses two adapters that would put their copies in one place. */
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

/** Puts the copies of `acting` in their places, and the originals everywhere else. */
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
