/**
 * @file Which tensors of a checkpoint adapters change, and what each becomes. Parameters that share a tensor (a head tied to
 * its table) and that adapters change differently get tensors of their own.
 */

import { noGrad, Parameter } from "../../../autograd/index.ts";
import {
  CheckpointError,
  type Dtype,
  type SafeTensor,
  type SafetensorsContent,
  type Shape,
  sameShape,
} from "../../../core/index.ts";
import { listModules, type OpenModel } from "../../../nn/index.ts";
import type { AdaptedLayer } from "../../model/adapted-layer.ts";
import type { AdaptedModel } from "../../model/adapted-model.ts";
import { type Place, placesIn } from "../../model/saved-parameters.ts";
import type { AdapterWeights } from "./slices.ts";

/** What a parameter becomes: a layer's merged weight or bias, an adapter's own copy, or itself. */
export type Source = AdaptedLayer | MergedBias | Parameter;

/** b + Σ w Δb of a layer. */
export interface MergedBias {
  readonly biased: AdaptedLayer;
  /** An adapter's own copy of b, which stands in place of the base's. */
  readonly own: Parameter | null;
}

/** A parameter of the merged model, and the tensors that hold it. */
export interface Change {
  /** The parameter's name in the model; of tied ones the first. */
  readonly name: string;
  /** What it becomes. */
  readonly source: Source;
  /** The base's parameter. */
  readonly original: Parameter;
  /** The base's tensor; null for a parameter that the base does not have. */
  readonly tensor: SafeTensor | null;
  /** The tensors of the new checkpoint, by name; each belongs to the file that it is in, or the last. */
  readonly names: readonly string[];
}

/** What adapters change. */
export interface Changes {
  readonly changed: readonly Change[];
  /** True when parameters that were one are several now. */
  readonly isUntied: boolean;
}

/** @throws CheckpointError when the base lacks a parameter and no adapter brings it */
export function changesOf(opened: OpenModel, adapted: AdaptedModel, weights: AdapterWeights): Changes {
  const { names, files } = opened;
  const tensors = new Map([...files.values()].flatMap((content: SafetensorsContent) => [...content.tensors]));
  const inFiles = new Map<string, string[]>();
  for (const [theirs, ours] of names)
    if (ours !== null) inFiles.set(ours, [...(inFiles.get(ours) ?? []), theirs]);

  const groups = new Map<Parameter, Place[]>();
  for (const place of placesOf(adapted))
    groups.set(place.original, [...(groups.get(place.original) ?? []), place]);
  const changed: Change[] = [];
  const biases = new Map<AdaptedLayer, MergedBias>();
  let isUntied = false;
  for (const [original, places] of groups) {
    const found = places.flatMap(({ name }) => inFiles.get(name) ?? []);
    const tensor = found.length > 0 ? (tensors.get(found[0]) as SafeTensor) : null;
    const sources = new Map<Source, Place[]>();
    for (const place of places) {
      const source = sourceOf(place, adapted, weights, biases);
      sources.set(source, [...(sources.get(source) ?? []), place]);
    }
    if (sources.size > 1) isUntied = true;
    for (const [source, members] of sources) {
      const isSame = source === original && tensor !== null && sameShape(tensor.shape, original.shape);
      if (isSame && sources.size === 1) continue;
      if (source === original && tensor === null)
        throw new CheckpointError(
          `the base has no ${members[0].name}, and no adapter brings it; expected a base with it`,
        );
      const own = members.flatMap(({ name }) => inFiles.get(name) ?? []);
      const written = sources.size === 1 ? found : own;
      const theirs = written.length > 0 ? written : [nameInFiles(members[0].name, names)];
      changed.push({ name: members[0].name, source, original, tensor, names: theirs });
    }
  }
  return { changed, isUntied };
}

/** All parameters of the base and their places, without the adapters' copies in them. */
const placesOf = (adapted: AdaptedModel): Place[] =>
  adapted.disabled(() =>
    [{ name: "", module: adapted.model }, ...listModules(adapted.model)].flatMap((module) => [
      ...placesIn(module),
    ]),
  );

function sourceOf(
  place: Place,
  adapted: AdaptedModel,
  weights: AdapterWeights,
  biases: Map<AdaptedLayer, MergedBias>,
): Source {
  const names = [...weights.keys()];
  const [own = null] = names.flatMap(
    (adapter) => adapted.ownParameters(adapter).find(({ name }) => name === place.name)?.copy ?? [],
  );
  const biased = place.field === "bias" ? layerAt(place, adapted) : undefined;
  if (biased && noGrad(() => biased.deltaBias(names))) {
    const source = biases.get(biased) ?? { biased, own };
    biases.set(biased, source);
    return source;
  }
  if (own) return own;
  const layer = place.field === "weight" ? layerAt(place, adapted) : undefined;
  const isOn = layer && [...weights.keys()].some((name) => layer.adapters.has(name));
  return isOn ? layer : place.original;
}

const layerAt = ({ name, field }: Place, adapted: AdaptedModel): AdaptedLayer | undefined =>
  adapted.layers.get(name.slice(0, -field.length - 1));

/** The name that a new tensor gets: files may leave out a prefix that our names have, or put one before them. */
function nameInFiles(ours: string, names: OpenModel["names"]): string {
  for (const [theirs, other] of names) {
    if (other !== null && theirs.endsWith(`.${other}`)) return theirs.slice(0, -other.length) + ours;
    if (other === null || !other.endsWith(`.${theirs}`)) continue;
    const prefix = other.slice(0, -theirs.length);
    if (ours.startsWith(prefix)) return ours.slice(prefix.length);
  }
  return ours;
}

/** The format of a new tensor: the base's, or that of the base's first tensor of floats. */
export function formatOf({ tensor }: Change, { files }: Pick<OpenModel, "files">): Dtype {
  if (tensor) return tensor.dtype;
  const all = [...files.values()].flatMap(({ tensors }) => [...tensors.values()]);
  return all.find(({ dtype }) => /^B?F\d/.test(dtype))?.dtype ?? "F32";
}

/** The shape of a new tensor. */
export const shapeOf = ({ source, original }: Change): Shape =>
  source instanceof Parameter ? source.shape : original.shape;
