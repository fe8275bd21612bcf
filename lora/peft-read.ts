/** @file From the files of a PEFT adapter to an adapter on a model: everything is checked before anything is changed. */

import { Parameter } from "../autograd/index.ts";
import { CheckpointError, parseSafetensors, type SafeTensor, type Shape, sameShape } from "../core/index.ts";
import type { Module } from "../nn/index.ts";
import { AdaptedLayer } from "./adapted-layer.ts";
import { AdaptedModel, type AnyModel } from "./adapted-model.ts";
import type { Adapter } from "./adapter.ts";
import { type Candidate, candidates } from "./candidates.ts";
import { inject } from "./inject.ts";
import type { AdapterConfig } from "./methods.ts";
import { type Place, placesIn } from "./own-parameters.ts";
import { type PeftConfig, parsePeftConfig } from "./peft-config.ts";
import { baseKey, layerOfKey, ownKey, PREFIX, type Slot, slotsOf } from "./peft-keys.ts";
import {
  type ModuleFields,
  patternValues,
  savedModules,
  targetedModules,
  usedPattern,
} from "./peft-modules.ts";
import { nearestNames, type Target } from "./target.ts";

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
}

const origins = new WeakMap<AdapterConfig, Origin>();

/** Where the adapter of this configuration was read from; undefined for one that was made here. */
export const originOf = (config: AdapterConfig): Origin | undefined => origins.get(config);

/**
 * Puts the adapter in `files` on a model. On a plain model it is active then; on an adapted one it is added beside the
 * others. Masked AdaLoRA triplets, which the file lacks, start anew with λ = 0.
 * @throws CheckpointError when the files are malformed, use what is not supported (it is named), or are not of a model
 *   like this one: missing, unexpected and misshapen tensors are named. AdapterError as `inject`. Nothing is changed then
 */
export function readAdapter<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  { config: text, weights }: AdapterFiles,
  { name = "default", method, seed, source = "adapter" }: ReadOptions = {},
): AdaptedModel<M> {
  const config = parsePeftConfig(text, `${source}: adapter_config.json`);
  const file = `${source}: adapter_model.safetensors`;
  const { tensors } = parseSafetensors(weights, file);
  if (method === "lora-fa" && config.method !== "lora")
    throw new CheckpointError(`${source}: expected LoRA for the method lora-fa; got ${config.method}`);
  const base: Module = model instanceof AdaptedModel ? model.model : model;
  const content = expectedContent(base, config, tensors, source);
  checkTensors(file, content, tensors);
  const values = new Map(Array.from(tensors, ([key, tensor]) => [key, tensor.floats()]));
  checkTied(file, content.own, values);

  const settings = { ...adapterConfig(config, content), ...(method && { method }), seed } as AdapterConfig;
  let adapted: AdaptedModel<M>;
  if (model instanceof AdaptedModel) {
    adapted = model as AdaptedModel<M>;
    adapted.addAdapter(name, settings);
  } else adapted = inject(model as M, { ...settings, name });

  const valuesOf = ({ key }: Slot): Float32Array | Float64Array => values.get(key) as Float32Array;
  for (const [layer, adapter] of adapted.adapter(name)) {
    const slots = content.slots.get(layer) as Readonly<Record<string, Slot>>;
    for (const [field, slot] of Object.entries(slots)) {
      assign(adapter, field, valuesOf(slot), config.masks?.get(layer));
    }
  }
  const keys = new Map(content.own.map(({ place, key }) => [place.name, key]));
  for (const { name: parameter, copy } of adapted.ownParameters(name)) {
    copy.assign(values.get(keys.get(parameter) as string) as Float32Array);
  }
  origins.set(adapted.config(name), { text, config, repeated: content.repeated.map(({ key }) => key) });
  return adapted;
}

/** What a file of this configuration holds for this model. */
interface Content {
  readonly layers: readonly string[];
  /** By layer and field of the adapter. */
  readonly slots: ReadonlyMap<string, Readonly<Record<string, Slot>>>;
  readonly saved: readonly string[];
  readonly own: readonly { readonly place: Place; readonly key: string }[];
  /** Parameters of the base that the file repeats. They must be those of this base. */
  readonly repeated: readonly { readonly key: string; readonly parameter: Parameter }[];
}

function expectedContent(
  model: Module,
  config: PeftConfig,
  tensors: ReadonlyMap<string, SafeTensor>,
  source: string,
): Content {
  const { modules, masks, rank } = config;
  const all = [...candidates(model)];
  const byName = new Map(all.map((candidate) => [candidate.name, candidate]));
  const adaptable = all.filter(({ kind }) => kind !== "norm" && kind !== "other");
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
    const { module } = byName.get(layer) as Candidate;
    return [layer, slotsOf(config.method, layer, bareLayer(module), kept ?? ranks(layer))] as const;
  });
  const isAdapted = (layer: string): boolean => layers.includes(layer);
  const repeated = layers.flatMap((layer) => {
    const key = baseKey(layer, "weight");
    const { weight } = bareLayer((byName.get(layer) as Candidate).module) as { weight?: unknown };
    return tensors.has(key) && weight instanceof Parameter ? [{ key, parameter: weight }] : [];
  });
  const saved = savedModules(all, modules.save);
  const own = ownPlaces({ model, all, saved, bias: config.bias, isAdapted }).map((place) => ({
    place,
    key: ownKey(place.name, isAdapted),
  }));
  return { layers, slots: new Map(slots), saved: [...saved], own, repeated };
}

/** The layer itself, without what adapts it. */
export const bareLayer = (module: Module): Module =>
  module instanceof AdaptedLayer ? module.original : module;

/** The parameters of the base of which an adapter has copies, as PEFT's bias and modules_to_save say. */
export function ownPlaces(choice: {
  readonly model: Module;
  readonly all: readonly Candidate[];
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
    ...all.filter(({ name }) => saved.has(name)).flatMap((candidate) => [...placesIn(candidate)]),
    ...biased.flatMap((candidate) => [...placesIn(candidate)]).filter(({ field }) => field === "bias"),
  ];
}

function nearestLayers(
  target: string | readonly string[] | null,
  layers: readonly Candidate[],
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
  const expected = new Map<string, Shape>([
    ...[...content.slots.values()]
      .flatMap((slots) => Object.values(slots))
      .map(({ key, shape }) => [key, shape] as const),
    ...content.own.map(({ place, key }) => [key, place.original.shape] as const),
    ...content.repeated.map(({ key, parameter }) => [key, parameter.shape] as const),
  ]);
  const missing = [...expected.keys()].filter((key) => !tensors.has(key));
  const unexpected = [...tensors.keys()].filter((key) => !expected.has(key));
  const misshapen = [...expected].flatMap(([key, shape]) => {
    const given = tensors.get(key)?.shape;
    if (!given || sameShape(given, shape)) return [];
    return [`${key} (expected [${shape.join(", ")}], got [${given.join(", ")}])`];
  });
  const problems = [
    ...list("missing", missing),
    ...list("unexpected", unexpected),
    ...list("misshapen", misshapen),
  ];
  if (problems.length > 0)
    throw new CheckpointError(`${file}: not an adapter for this model: ${problems.join("; ")}`);
  for (const { key, parameter } of content.repeated) {
    const given = (tensors.get(key) as SafeTensor).floats();
    const ours = parameter.value.data;
    if (!given.every((value, i) => value === ours[i]))
      throw new CheckpointError(`${file}: ${key} is not the weight of this model; expected the same base`);
  }
}

const list = (what: string, keys: readonly string[]): string[] => {
  if (keys.length === 0) return [];
  const more = keys.length > 8 ? ` and ${keys.length - 8} more` : "";
  return [`${what}: ${keys.slice(0, 8).join(", ").replaceAll(PREFIX, "")}${more}`];
};

/** What is one parameter in the model must be one in the file. */
function checkTied(
  file: string,
  own: Content["own"],
  values: ReadonlyMap<string, Float32Array | Float64Array>,
): void {
  const first = new Map<Parameter, string>();
  for (const { place, key } of own) {
    const other = first.get(place.original) ?? key;
    first.set(place.original, other);
    const [a, b] = [values.get(other) as Float32Array, values.get(key) as Float32Array];
    if (!a.every((value, i) => Object.is(value, b[i])))
      throw new CheckpointError(`${file}: ${other} and ${key} differ; this model has them tied`);
  }
}

/** The configuration that makes such an adapter here. */
function adapterConfig(config: PeftConfig, { layers, saved }: Content): Record<string, unknown> {
  const { method, rank, alpha, dropout, rankStabilized, init, bias } = config;
  const rankPattern = usedPattern("rank_pattern", config.rankPattern, layers);
  const alphaPattern = usedPattern("alpha_pattern", config.alphaPattern, layers);
  return {
    method,
    rank,
    alpha,
    dropout,
    ...(method === "adalora" ? { ranknum: true } : { rankStabilized }),
    ...(init && { init }),
    target: targetOf(config.modules, layers),
    ...(Object.keys(rankPattern).length > 0 && { rankPattern }),
    ...(Object.keys(alphaPattern).length > 0 && { alphaPattern }),
    bias,
    ...(saved.length > 0 && { modulesToSave: saved }),
  };
}

/** The file's own names where they mean the same here, which is when nothing narrows them; else the layers one by one. */
function targetOf(
  { target, exclude, layers: blocks, save }: ModuleFields,
  layers: readonly string[],
): Target {
  const plain = blocks === null && exclude.length === 0 && save.length === 0;
  if (plain && target !== null && typeof target !== "string" && !target.includes("all-linear"))
    return target.filter((end) => layers.some((name) => name === end || name.endsWith(`.${end}`)));
  return exactly(layers);
}

/** These names and no others, as a target. */
export const exactly = (names: readonly string[]): RegExp => new RegExp(names.map(escaped).join("|"));

/** An expression for this name and no other. */
export const escaped = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Gives a field of an adapter the values of the file; with a mask, to the triplets that were kept. */
function assign(
  adapter: Adapter,
  field: string,
  values: Float32Array | Float64Array,
  mask: readonly boolean[] | undefined,
): void {
  const parameter = (adapter as unknown as Record<string, Parameter>)[field];
  if (!mask) {
    parameter.assign(values);
    return;
  }
  const all = Float64Array.from(parameter.value.data);
  const stride = tripletStride(field, parameter.shape);
  let from = 0;
  forKept(all.length, stride, mask, (at) => {
    all[at] = values[from++];
  });
  parameter.assign(all);
}

/** How the triplet of element `at` is found: floor(at / step) mod count. */
interface Stride {
  readonly step: number;
  readonly count: number;
}

/** P [out, r] has triplets along its last axis, λ [r, 1] and Q [r, in] along the first. */
export function tripletStride(field: string, shape: Shape): Stride {
  return field === "P" ? { step: 1, count: shape[1] } : { step: shape[1], count: shape[0] };
}

/** Calls `visit` with the place of every element whose triplet is kept, in row-major order. */
export function forKept(
  size: number,
  { step, count }: Stride,
  mask: readonly boolean[],
  visit: (at: number) => void,
): void {
  for (let at = 0; at < size; at++) if (mask[Math.floor(at / step) % count]) visit(at);
}
