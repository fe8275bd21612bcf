/** @file From the files of a PEFT adapter to an adapter on a model: everything is checked before anything is changed. */

import { Parameter } from "../../autograd/index.ts";
import {
  AdapterError,
  CheckpointError,
  checkOptions,
  parseSafetensors,
  type SafeTensor,
  type Shape,
  sameShape,
  warn,
} from "../../core/index.ts";
import {
  cloneParameter,
  describeMismatch,
  endsInName,
  findMismatch,
  isAdaptable,
  listModules,
  type Module,
  type NamedModule,
  nearestNames,
  type Target,
} from "../../nn/index.ts";
import type { AdapterConfig } from "../methods.ts";
import { AdaptedModel, type AnyModel } from "../model/adapted-model.ts";
import type { Adapter } from "../model/adapter.ts";
import { elsewhere } from "../model/elsewhere.ts";
import { injectWith } from "../model/inject.ts";
import { type OwnParameter, type Place, placesIn } from "../model/saved-parameters.ts";
import { type PeftConfig, parsePeftConfig } from "./config.ts";
import { fitVocabulary, savedEmbeddings } from "./embeddings.ts";
import { baseKey, layerOfKey, ownKey, PREFIX, type Slot, slotsOf } from "./keys.ts";
import { expanded } from "./masks.ts";
import { type PeftForm, peftForms } from "./methods.ts";
import { type ModuleFields, patternValues, savedModules, targetedModules, usedPattern } from "./modules.ts";

/** The two files of an adapter. */
export interface AdapterFiles {
  /** The text of adapter_config.json. */
  readonly config: string;
  /** The bytes of adapter_model.safetensors. */
  readonly weights: Uint8Array;
}

export interface ReadOptions {
  /** What the adapter is to be called; "default" unless given. */
  readonly name?: string;
  /** "lora-fa": a LoRA adapter whose A stays frozen. PEFT's files do not tell the two apart. */
  readonly method?: "lora-fa";
  /** Fixes dropout, as in `inject`. */
  readonly seed?: number;
  /** Names the files in messages. */
  readonly source?: string;
}

/** What an adapter was read from, so that what it says besides is written back. */
export interface Origin {
  readonly text: string;
  readonly config: PeftConfig;
  /** Parameters of the base that the file repeats, such as the table of an adapted embedding. */
  readonly repeated: readonly string[];
  /** Modules whose weights the file holds whole, though modules_to_save does not name them. */
  readonly embeddings: readonly string[];
  /** Keys under which it holds a saved module's biases once more, and what they repeat. */
  readonly echoes: readonly Echo[];
}

const origins = new WeakMap<AdapterConfig, Origin>();

/** Where the adapter of this configuration was read from; undefined for one that was made here. */
export const originOf = (config: AdapterConfig): Origin | undefined => origins.get(config);

/**
 * Puts the adapter in `files` on a model. On a plain model it is active then; on an adapted one it is added beside the
 * others. AdaLoRA triplets that were pruned, which the file lacks, stay out. Embeddings that the file holds stand in the
 * place of the base's while the adapter acts, frozen; where they have other numbers of tokens, the model is resized.
 * Fields that are unknown are passed over, as PEFT does, and named in a warning.
 * @throws CheckpointError when the files are malformed, use what is not supported (it is named), or are not of a model
 *   like this one: missing, unexpected and misshapen tensors are named. AdapterError as `inject`. Nothing is changed then
 */
export function readAdapter<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  { config: text, weights }: AdapterFiles,
  options: ReadOptions = {},
): AdaptedModel<M> {
  checkOptions("readAdapter", options, ["name", "method", "seed", "source"], elsewhere);
  const { name = "default", method, seed, source = "adapter" } = options;
  const config = parsePeftConfig(text, `${source}: adapter_config.json`);
  const file = `${source}: adapter_model.safetensors`;
  const tensors = prefixed(parseSafetensors(weights, file).tensors);
  if (method !== undefined && peftForms[method] !== peftForms[config.method])
    throw new CheckpointError(`${source}: expected LoRA for the method ${method}; got ${config.method}`);
  const undo = fitVocabulary(model, tensors, file);
  try {
    return readInto(model, { config, tensors, source, text, name, file, method, seed });
  } catch (error) {
    undo();
    throw error;
  }
}

interface Reading extends ReadOptions {
  readonly name: string;
  readonly source: string;
  readonly config: PeftConfig;
  readonly text: string;
  readonly file: string;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

function readInto<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  { config, tensors, source, text, name, file, method, seed }: Reading,
): AdaptedModel<M> {
  const base: Module = model instanceof AdaptedModel ? model.model : model;
  const content = expectedContent(base, config, tensors, source);
  checkTensors(file, content, tensors);
  const values = new Map(Array.from(tensors, ([key, tensor]) => [key, tensor.floats()]));
  checkEchoes(file, content.echoes, values);
  if (config.tied) checkTying(source, base, content, values);

  const settings = { ...adapterConfig(config, content), ...(method && { method }), seed } as AdapterConfig;
  const copies = (places: readonly Place[]) => filledCopies(places, content, values);
  let adapted: AdaptedModel<M>;
  if (model instanceof AdaptedModel) {
    adapted = model as AdaptedModel<M>;
    adapted.addAdapter(name, settings, copies);
  } else adapted = injectWith(model as M, { ...settings, name }, copies);

  const valuesOf = ({ key }: Slot): Float32Array | Float64Array => values.get(key) as Float32Array;
  const { triplets } = peftForms[config.method] as PeftForm;
  for (const [layer, adapter] of adapted.adapter(name)) {
    const slots = content.slots.get(layer) as Readonly<Record<string, Slot>>;
    const mask = config.masks?.get(layer);
    if (triplets && mask?.includes(false)) triplets.keepOnly(adapter, mask);
    for (const [field, slot] of Object.entries(slots)) {
      const parameter = parameterOf(adapter, field);
      const values = valuesOf(slot);
      parameter.assign(triplets && mask ? expanded(parameter, triplets.axes[field], mask, values) : values);
    }
  }
  if (config.unknown.length > 0)
    warn(
      `${source}: adapter_config.json: ${config.unknown.join(", ")}: unknown, and passed over as PEFT does; what a newer ` +
        "version computes by them is not computed here",
    );
  const { embeddings, echoes } = content;
  const repeated = content.repeated.map(({ key }) => key);
  origins.set(adapted.config(name), { text, config, repeated, embeddings, echoes });
  return adapted;
}

/** The tensors under PEFT's keys. Some programs leave the prefix of all of them out. */
function prefixed(tensors: ReadonlyMap<string, SafeTensor>): ReadonlyMap<string, SafeTensor> {
  if ([...tensors.keys()].some((key) => key.startsWith(PREFIX))) return tensors;
  return new Map(Array.from(tensors, ([key, tensor]) => [PREFIX + key, tensor]));
}

/** The adapter's own copies with the file's values. What is tied in the model stays so where the file says the same. */
function filledCopies(
  places: readonly Place[],
  { own, embeddings }: Content,
  values: ReadonlyMap<string, Float32Array | Float64Array>,
): OwnParameter[] {
  const keys = new Map(own.map(({ place, key }) => [place.name, key]));
  const made: OwnParameter[] = [];
  for (const place of places) {
    const filling = values.get(keys.get(place.name) as string) as Float32Array;
    const same = made.find(
      ({ original, copy }) =>
        original === place.original && filling.every((value, i) => Object.is(value, copy.value.data[i])),
    );
    const copy = same?.copy ?? cloneParameter(place.original, "adapters");
    if (!same) {
      copy.assign(filling);
      copy.requiresGrad = !embeddings.includes(holderOf(place));
    }
    made.push({ ...place, copy });
  }
  return made;
}

/** The name of the module that a parameter stands in. */
const holderOf = ({ name, field }: Place): string =>
  name.slice(0, Math.max(0, name.length - field.length - 1));

/** What a file of this configuration holds for this model. */
interface Content {
  readonly layers: readonly string[];
  /** By layer and field of the adapter. */
  readonly slots: ReadonlyMap<string, Readonly<Record<string, Slot>>>;
  readonly saved: readonly string[];
  readonly own: readonly { readonly place: Place; readonly key: string }[];
  /** Parameters of the base that the file repeats. They must be those of this base. */
  readonly repeated: readonly { readonly key: string; readonly parameter: Parameter }[];
  /** Modules whose weights the file holds besides: see peft-embeddings.ts. They are among `own`. */
  readonly embeddings: readonly string[];
  readonly echoes: readonly Echo[];
}

/**
 * With biases trained and modules saved, PEFT writes a saved module's biases three times: the copy that acts, the same
 * below `modules_to_save`, and the base's below `original_module`, which never acts.
 */
export interface Echo {
  readonly key: string;
  readonly place: Place;
  /** The key of the copy, which says the same; null for the base's. */
  readonly of: string | null;
}

function expectedContent(
  model: Module,
  config: PeftConfig,
  tensors: ReadonlyMap<string, SafeTensor>,
  source: string,
): Content {
  const { modules, masks, rank } = config;
  const all = [...listModules(model)];
  const byName = new Map(all.map((module) => [module.name, module]));
  const adaptable = all.filter(({ kind }) => isAdaptable(kind));
  const inFile = new Set(Array.from(tensors.keys(), layerOfKey));
  const targeted = new Set(targetedModules(all, modules));
  const layers = adaptable
    .map(({ name }) => name)
    .filter((layer) => targeted.has(layer) && (modules.target !== null || inFile.has(layer)));
  if (layers.length === 0) {
    throw new CheckpointError(
      `${source}: target_modules ${JSON.stringify(modules.target)} is no layer of this ${model.constructor.name}; ` +
        `the nearest are ${nearestLayers(modules.target, adaptable, inFile)}`,
    );
  }
  checkMasks(config, layers, source);
  const ranks = patternValues("rank_pattern", config.rankPattern, rank);
  const slots = layers.map((layer) => {
    const kept = masks?.get(layer)?.filter(Boolean).length;
    const { module } = byName.get(layer) as NamedModule;
    return [layer, slotsOf(config.method, layer, bareLayer(module), kept ?? ranks(layer))] as const;
  });
  const isAdapted = (layer: string): boolean => layers.includes(layer);
  const repeated = layers.flatMap((layer) => {
    const key = baseKey(layer, "weight");
    const { weight } = bareLayer((byName.get(layer) as NamedModule).module) as { weight?: unknown };
    return tensors.has(key) && weight instanceof Parameter ? [{ key, parameter: weight }] : [];
  });
  const saved = savedModules(all, modules.save);
  const own = ownPlaces({ model, all, saved, bias: config.bias, isAdapted }).map((place) => ({
    place,
    key: ownKey(place.name, isAdapted),
  }));
  const ownKeys = new Set(own.map(({ key }) => key));
  const besides = savedEmbeddings(
    all.filter(({ name }) => !isAdapted(name)),
    tensors,
  ).filter(({ key }) => !ownKeys.has(key));
  const isBase = ({ place, key }: (typeof besides)[number]): boolean =>
    equalValues(tensors.get(key) as SafeTensor, place.original);
  return {
    layers,
    slots: new Map(slots),
    saved: [...saved],
    own: [...own, ...besides.filter((one) => !isBase(one))],
    repeated: [
      ...repeated,
      ...besides.filter(isBase).map(({ place, key }) => ({ key, parameter: place.original })),
    ],
    embeddings: besides.filter((one) => !isBase(one)).map(({ place }) => holderOf(place)),
    echoes: own.flatMap(({ place, key }) =>
      echoesOf(place, key, saved).filter((echo) => tensors.has(echo.key)),
    ),
  };
}

const equalValues = (tensor: SafeTensor, { shape, value }: Parameter): boolean =>
  sameShape(tensor.shape, shape) && tensor.floats().every((given, i) => given === value.data[i]);

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

function checkEchoes(
  file: string,
  echoes: readonly Echo[],
  values: ReadonlyMap<string, Float32Array | Float64Array>,
): void {
  for (const { key, of } of echoes) {
    const [once, again] = [values.get(of ?? key) as Float32Array, values.get(key) as Float32Array];
    if (!once.every((value, i) => Object.is(value, again[i])))
      throw new CheckpointError(`${file}: ${of} and ${key} differ; expected one ${echoedName(key)}`);
  }
}

const echoedName = (key: string): string => key.slice(PREFIX.length).replace(".modules_to_save", "");

/** What ensure_weight_tying ties must be tied: where it would change nothing, it is nothing. */
function checkTying(
  source: string,
  model: Module,
  { own, layers }: Content,
  values: ReadonlyMap<string, Float32Array | Float64Array>,
): void {
  const places = [...listModules(model)].flatMap((module) => [...placesIn(module)]);
  const key = new Map(own.map(({ place, key }) => [place.name, key]));
  for (const place of places) {
    const tied = places.filter(({ original }) => original === place.original);
    const isTouched = key.has(place.name) || layers.includes(holderOf(place));
    if (tied.length < 2 || !isTouched) continue;
    const [first, ...others] = tied.map(({ name }) => values.get(key.get(name) ?? ""));
    if (first && others.every((other) => other && first.every((value, i) => Object.is(value, other[i]))))
      continue;
    throw new CheckpointError(
      `${source}: adapter_config.json: ensure_weight_tying is not supported where it ties ${tied.map(({ name }) => name).join(" and ")}; ` +
        "expected false, or both in modules_to_save with the same values",
    );
  }
}

/** The layer itself, without what adapts it. */
export const bareLayer = (module: Module): Module => module.wraps ?? module;

/** The parameters of the base of which an adapter has copies, as PEFT's bias and modules_to_save say. */
export function ownPlaces(choice: {
  readonly model: Module;
  readonly all: readonly NamedModule[];
  readonly saved: ReadonlySet<string>;
  readonly bias: PeftConfig["bias"];
  readonly isAdapted: (layer: string) => boolean;
}): Place[] {
  const { model, all, saved, bias, isAdapted } = choice;
  const biased = {
    none: [],
    all: [{ name: "", module: model }, ...all.filter(({ name }) => !saved.has(name))],
    "lora-only": all.filter(({ name }) => isAdapted(name)),
  }[bias];
  return [
    ...all.filter(({ name }) => saved.has(name)).flatMap((module) => [...placesIn(module)]),
    ...biased.flatMap((module) => [...placesIn(module)]).filter(({ field }) => field === "bias"),
  ];
}

function nearestLayers(
  target: string | readonly string[] | null,
  layers: readonly NamedModule[],
  inFile: ReadonlySet<string | null>,
): string {
  const names = layers.map(({ name }) => name);
  const wanted = Array.isArray(target) ? target[0] : [...inFile].find((layer) => layer !== null);
  return nearestNames(wanted ?? String(target ?? ""), names).join(", ");
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

/** The file has these tensors, and no others. */
function checkTensors(file: string, content: Content, tensors: ReadonlyMap<string, SafeTensor>): void {
  const expected = new Map<string, { readonly shape: Shape }>([
    ...[...content.slots.values()]
      .flatMap((slots) => Object.values(slots))
      .map(({ key, shape }) => [key, { shape }] as const),
    ...content.own.map(({ place, key }) => [key, place.original] as const),
    ...content.repeated.map(({ key, parameter }) => [key, parameter] as const),
    ...content.echoes.map(({ key, place }) => [key, place.original] as const),
  ]);
  const mismatch = findMismatch(expected, tensors);
  const problems = describeMismatch(mismatch, 8).map((problem) => problem.replaceAll(PREFIX, ""));
  if (problems.length > 0) {
    const other = otherNames(mismatch.missing, mismatch.unexpected);
    throw new CheckpointError(
      `${file}: not an adapter for this model: ${[...problems, ...other].join("; ")}`,
    );
  }
  for (const { key, parameter } of content.repeated) {
    const given = (tensors.get(key) as SafeTensor).floats();
    const ours = parameter.value.data;
    if (!given.every((value, i) => value === ours[i]))
      throw new CheckpointError(`${file}: ${key} is not the weight of this model; expected the same base`);
  }
}

/** The same tensor under another name, in full: the lists leave the prefix out. */
function otherNames(missing: readonly string[], unexpected: readonly string[]): string[] {
  // "lora_A.default.weight" has the adapter's name in it, which PEFT leaves out of its files.
  const bare = (key: string): string =>
    key.replace(PREFIX, "").replace(/\.(lora_\w+)\.(?!weight$|bias$)[^.]+/, ".$1");
  for (const key of unexpected) {
    const ours = missing.find(
      (one) => `.${bare(one)}`.endsWith(`.${bare(key)}`) || key.endsWith(`.${bare(one)}`),
    );
    if (ours !== undefined) return [`the file names it ${key}, for this model it is ${ours}`];
  }
  return [];
}

/** The configuration that makes such an adapter here. */
function adapterConfig(config: PeftConfig, { layers, saved, embeddings }: Content): Record<string, unknown> {
  const { method, rank, alpha, dropout, rankStabilized, init, bias } = config;
  const form: PeftForm = peftForms[method];
  const rankPattern = usedPattern("rank_pattern", config.rankPattern, layers);
  const alphaPattern = usedPattern("alpha_pattern", config.alphaPattern, layers);
  return {
    method,
    rank,
    alpha,
    dropout,
    ...(form.options ?? { rankStabilized }),
    ...(init && { init }),
    target: targetOf(config.modules, layers),
    ...(Object.keys(rankPattern).length > 0 && { rankPattern }),
    ...(Object.keys(alphaPattern).length > 0 && { alphaPattern }),
    bias,
    ...(saved.length + embeddings.length > 0 && { modulesToSave: [...saved, ...embeddings] }),
  };
}

/** The file's own names where they mean the same here, which is when nothing narrows them; else the layers one by one. */
function targetOf(
  { target, exclude, layers: blocks, save }: ModuleFields,
  layers: readonly string[],
): Target {
  const plain = blocks === null && exclude.length === 0 && save.length === 0;
  if (plain && target !== null && typeof target !== "string" && !target.includes("all-linear"))
    return target.filter((end) => layers.some((name) => endsInName(name, end)));
  return exactly(layers);
}

/** These names and no others, as a target. */
export const exactly = (names: readonly string[]): RegExp => new RegExp(names.map(escaped).join("|"));

/** An expression for this name and no other. */
export const escaped = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The parameter of an adapter by its name. */
export function parameterOf(adapter: Adapter, name: string): Parameter {
  for (const [own, parameter] of adapter.namedParameters()) if (own === name) return parameter;
  throw new AdapterError(`PEFT format: expected a parameter ${name} of ${adapter.method}; there is none`);
}
