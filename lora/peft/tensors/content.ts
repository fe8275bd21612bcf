/** @file Which tensors the file of an adapter holds for a model, as its configuration says. */

import { Parameter } from "../../../autograd/index.ts";
import { CheckpointError } from "../../../core/index.ts";
import {
  endsInName,
  isAdaptable,
  listModules,
  type Module,
  type NamedModule,
  nearestNames,
} from "../../../nn/index.ts";
import { type Place, placesIn } from "../../model/saved-parameters.ts";
import { viewWeight } from "../../model/weight-view.ts";
import {
  type ModuleFields,
  moduleOf,
  patternValues,
  savedModules,
  targetedModules,
} from "../config/modules.ts";
import type { PeftConfig } from "../config/parse.ts";
import { formOf, type PeftMethod } from "../methods.ts";
import { savedEmbeddings } from "./embeddings.ts";
import { type FileTensors, sameValues } from "./file.ts";
import { baseKey, layerOfKey, ownKey, PREFIX, type Slot, slotsOf } from "./keys.ts";
import { tokenRows } from "./tokens.ts";

/** An adapter's copy of a parameter of the base. */
export interface Own {
  readonly place: Place;
  readonly key: string;
  /** Where the file has these rows of the parameter only. */
  readonly rows?: readonly number[];
}

/** What a file of a configuration holds for a model. */
export interface Content {
  /** The method: the configuration's, or lora-grouped where LoRA is on convolutions with groups. */
  readonly method: PeftMethod;
  /** Names of the layers that have an adapter. */
  readonly layers: readonly string[];
  /** The tensors of the adapters, by layer and by the name of the adapter's parameter. */
  readonly slots: ReadonlyMap<string, Readonly<Record<string, Slot>>>;
  /** Names of the modules that modules_to_save means. */
  readonly saved: readonly string[];
  /** The adapter's own copies of parameters of the base, and their keys. */
  readonly own: readonly Own[];
  /** Parameters of the base that the file repeats, and that must be the same in this base. */
  readonly repeated: readonly { readonly key: string; readonly parameter: Parameter }[];
  /** Names of modules whose weights are in the file although modules_to_save does not name them; they are among `own`. */
  readonly embeddings: readonly string[];
  readonly echoes: readonly Echo[];
}

/**
 * A tensor that is there again under another key. When biases are trained and modules saved, PEFT writes the biases of a
 * saved module three times: the copy that acts, the same below `modules_to_save`, and the base's, which never acts, below
 * `original_module`.
 */
export interface Echo {
  readonly key: string;
  readonly place: Place;
  /** The key of the copy, which has the same values; null for the base's bias. */
  readonly of: string | null;
}

/** @throws CheckpointError when no layer of the model is meant, or masks are not those of the layers */
export function expectedContent(
  model: Module,
  config: PeftConfig,
  file: FileTensors,
  source: string,
): Content {
  const modules = [...listModules(model)];
  const layers = adaptedLayers(model, modules, config, file, source);
  checkMasks(config, layers, source);
  const isAdapted = (name: string): boolean => byName.has(name);
  const byName = new Map(
    modules.filter(({ name }) => layers.includes(name)).map(({ name, module }) => [name, bareLayer(module)]),
  );
  const hasGroups = [...byName].some(
    ([name, layer]) => (viewWeight(layer, name).convolution?.groups ?? 1) > 1,
  );
  const method = config.method === "lora" && hasGroups ? "lora-grouped" : config.method;
  const ranks = patternValues("rank_pattern", config.rankPattern, config.rank);
  const slots = Array.from(byName, ([name, layer]) => {
    const kept = config.masks?.get(name)?.filter(Boolean).length;
    return [name, slotsOf({ method, form: formOf(method) }, name, layer, kept ?? ranks(name))] as const;
  });
  const saved = savedModules(modules, config.modules.save);
  const own = ownPlaces({ model, modules, saved, bias: config.bias, isAdapted }).map((place) => ({
    place,
    key: ownKey(place.name, isAdapted),
  }));
  const ownKeys = new Set(own.map(({ key }) => key));
  const others = modules.filter(({ name }) => !isAdapted(name));
  const embeddings = savedEmbeddings(others, file).filter(({ key }) => !ownKeys.has(key));
  const isBase = new Map(
    embeddings.map(({ place: { name, original }, key }) => [
      name,
      sameValues(file.values(key), original.value.data),
    ]),
  );
  const ofAdapter = embeddings.filter(({ place }) => !isBase.get(place.name));
  const ofBase = embeddings.filter(({ place }) => isBase.get(place.name));
  const isTaken = (name: string): boolean => isAdapted(name) || saved.has(name);
  const tokens = tokenRows(source, model, config.tokens, isTaken);
  return {
    method,
    layers,
    slots: new Map(slots),
    saved: [...saved],
    own: [...own, ...ofAdapter, ...tokens],
    repeated: [
      ...repeatedWeights(byName, file),
      ...ofBase.map(({ place, key }) => ({ key, parameter: place.original })),
    ],
    embeddings: [...ofAdapter, ...tokens].map(({ place }) => moduleOf(place)),
    echoes: own.flatMap(({ place, key }) => echoesOf(place, key, saved)).filter(({ key }) => file.has(key)),
  };
}

/** Names of the layers that have an adapter, in the order of the model. */
function adaptedLayers(
  model: Module,
  modules: readonly NamedModule[],
  { modules: fields }: PeftConfig,
  file: FileTensors,
  source: string,
): string[] {
  const adaptable = modules.filter(({ kind }) => isAdaptable(kind)).map(({ name }) => name);
  const inFile = new Set(Array.from(file.byKey.keys(), layerOfKey));
  const targeted = new Set(targetedModules(modules, fields));
  checkParameters(source, modules, fields);
  const layers = adaptable.filter(
    (name) => targeted.has(name) && (fields.target !== null || inFile.has(name)),
  );
  if (layers.length > 0) return layers;
  const { target } = fields;
  const wanted = Array.isArray(target) ? target[0] : [...inFile].find((layer) => layer !== null);
  const near = nearestNames(wanted ?? String(target ?? ""), adaptable).join(", ");
  const more = Array.isArray(target) && target.length > 4 ? ` and ${target.length - 3} more` : "";
  const named = JSON.stringify(more && Array.isArray(target) ? target.slice(0, 3) : target);
  throw new CheckpointError(
    `${source}: target_modules ${named}${more} is no layer of this ${model.constructor.name}; the nearest are ${near}`,
  );
}

/** @throws CheckpointError for target_parameters that are not the weight of a linear layer, or whose layer is targeted besides */
function checkParameters(source: string, modules: readonly NamedModule[], fields: ModuleFields): void {
  const { parameters } = fields;
  if (parameters.length === 0) return;
  const field = `${source}: adapter_config.json: target_parameters`;
  const besides = new Set(
    targetedModules(modules, { ...fields, target: fields.target ?? [], parameters: [] }),
  );
  for (const module of modules) {
    for (const { name, field: own } of placesIn(module)) {
      if (!parameters.some((end) => endsInName(name, end))) continue;
      if (own !== "weight" || (module.kind !== "linear" && module.kind !== "head"))
        throw new CheckpointError(
          `${field}: ${name} is not supported; expected the weights of linear layers`,
        );
      if (besides.has(module.name))
        throw new CheckpointError(
          `${field}: ${module.name} is among target_modules, too; expected one of them`,
        );
    }
  }
}

/** The weights of adapted layers that the file holds: PEFT writes the table of an adapted embedding. */
function repeatedWeights(layers: ReadonlyMap<string, Module>, file: FileTensors): Content["repeated"] {
  return [...layers].flatMap(([name, layer]) => {
    const key = baseKey(name, "weight");
    const { weight } = layer as { weight?: unknown };
    return file.has(key) && weight instanceof Parameter ? [{ key, parameter: weight }] : [];
  });
}

function echoesOf(place: Place, key: string, saved: ReadonlySet<string>): Echo[] {
  return [...saved]
    .filter((module) => place.name.startsWith(`${module}.`))
    .flatMap((module) => {
      const rest = place.name.slice(module.length + 1);
      return [
        { key: `${PREFIX}${module}.modules_to_save.${rest}`, place, of: key },
        { key: `${PREFIX}${module}.original_module.${rest}`, place, of: null },
      ];
    });
}

function checkMasks({ masks, rank }: PeftConfig, layers: readonly string[], source: string): void {
  for (const [layer, mask] of masks ?? []) {
    if (!layers.includes(layer))
      throw new CheckpointError(`${source}: rank_pattern names ${layer}, which target_modules does not mean`);
    if (mask.length !== rank)
      throw new CheckpointError(
        `${source}: rank_pattern of ${layer}: expected ${rank} entries, as init_r says; got ${mask.length}`,
      );
  }
}

/** The layer itself, without the AdaptedLayer around it. */
export const bareLayer = (module: Module): Module => module.wraps ?? module;

/** The parameters of the base of which an adapter has copies, as PEFT's bias and modules_to_save say. */
export function ownPlaces(choice: {
  readonly model: Module;
  readonly modules: readonly NamedModule[];
  readonly saved: ReadonlySet<string>;
  readonly bias: PeftConfig["bias"];
  readonly isAdapted: (layer: string) => boolean;
}): Place[] {
  const { model, modules, saved, bias, isAdapted } = choice;
  const biased = {
    none: [],
    all: [{ name: "", module: model }, ...modules.filter(({ name }) => !saved.has(name))],
    "lora-only": modules.filter(({ name }) => isAdapted(name)),
  }[bias];
  return [
    ...modules.filter(({ name }) => saved.has(name)).flatMap((module) => [...placesIn(module)]),
    ...biased.flatMap((module) => [...placesIn(module)]).filter(({ field }) => field === "bias"),
  ];
}
