/** @file From an adapter on a model to PEFT's files. */

import {
  AdapterError,
  checkOptions,
  equalJson,
  isStringList,
  serializeSafetensors,
  type TensorBytes,
  tensorBytes,
} from "../../core/index.ts";
import { Conv1D, listModules, type NamedModule } from "../../nn/index.ts";
import type { AdapterConfig } from "../methods.ts";
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import type { Adapter } from "../model/adapter.ts";
import { elsewhere } from "../model/elsewhere.ts";
import type { OwnParameter } from "../model/saved-parameters.ts";
import { placesIn } from "../model/saved-parameters.ts";
import { defaultFields, type Fields, parsePeftConfig, writeFields } from "./config.ts";
import { ownKey, slotsOf } from "./keys.ts";
import { type Masks, maskFields, masksOf, shortened } from "./masks.ts";
import { isPeftMethod, type PeftForm, type PeftMethod, peftForms } from "./methods.ts";
import { type ModuleFields, patternValues, savedModules, targetedModules } from "./modules.ts";
import {
  type AdapterFiles,
  bareLayer,
  escaped,
  exactly,
  type Origin,
  originOf,
  ownPlaces,
  parameterOf,
} from "./read.ts";

export interface WriteOptions {
  /** The adapter to write; "default" unless given. */
  readonly name?: string;
  /** PEFT's fields that an adapter here does not determine: base_model_name_or_path, task_type, total_step, ... */
  readonly fields?: Fields;
  /** The format of the numbers; "F32" unless given, which keeps every bit. */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/**
 * An adapter as PEFT's files. One that was read from such files and has not changed since gives the same bytes; all
 * fields that came with it are kept. Written without a trace: DoRA's `normGradient`, LoRA-FA's frozen A, masked triplets
 * of AdaLoRA.
 * @throws AdapterError when there is no such adapter, it is merged, or PEFT's format has no way to say what it is
 */
export function writeAdapter(adapted: AdaptedModel, options: WriteOptions = {}): AdapterFiles {
  checkOptions("writeAdapter", options, ["name", "fields", "dtype"], { ...elsewhere, torch_dtype: "dtype" });
  const { name = "default", fields: given = {}, dtype = "F32" } = options;
  const parts = adapted.adapter(name);
  if (adapted.merged.includes(name))
    throw new AdapterError(`saveAdapter: ${name} is merged; expected it in its layers; unmerge() first`);
  const facts = factsOf(adapted, name, parts);
  const { type, triplets } = facts.form;
  const masks = triplets ? masksOf(triplets, parts, facts.origin?.config.masks ?? null) : null;
  const same = facts.origin?.config.fields.peft_type === type ? facts.origin : undefined;
  const determined = {
    peft_type: type,
    ...(type === "ADALORA" ? adaloraFields(facts, masks) : loraFields(facts)),
    ...moduleFields(facts),
  };
  const taken = Object.keys(given).find((field) => Object.hasOwn(determined, field));
  if (taken !== undefined)
    throw new AdapterError(`saveAdapter: fields: ${taken} follows from the adapter; expected other fields`);
  const defaults = defaultFields(type);
  const before = same?.config.fields ?? { ...defaults, fan_in_fan_out: facts.transposed };
  const changes = Object.entries({ ...determined, ...given }).filter(
    ([field, value]) => !equalJson(before[field] ?? defaults[field], value),
  );
  const config =
    changes.length === 0 && same ? same.text : writeFields({ ...before, ...Object.fromEntries(changes) });
  parsePeftConfig(config, "saveAdapter: fields"); // refuses what could not be read again

  const tensors = [
    ...[...parts].flatMap(([path, part]) => partTensors(path, part, facts, masks?.get(path), dtype)),
    ...facts.own.map(
      ({ name: parameter, copy }): Entry => [
        ownKey(parameter, (layer) => parts.has(layer)),
        tensorBytes(dtype, copy.shape, copy.value.data),
      ],
    ),
    ...repeatedTensors(facts, same, dtype),
    ...echoTensors(facts, dtype),
  ];
  return { config, weights: serializeSafetensors(tensors) };
}

type Entry = [string, TensorBytes];

/** What an adapter is, whatever it was made from. */
interface Facts {
  readonly name: string;
  readonly method: PeftMethod;
  readonly form: PeftForm;
  readonly parts: ReadonlyMap<string, Adapter>;
  readonly own: readonly OwnParameter[];
  readonly config: AdapterConfig;
  readonly origin: Origin | undefined;
  readonly model: AdaptedModel["model"];
  readonly modules: readonly NamedModule[];
  readonly layers: ReadonlyMap<string, AdaptedLayer>;
  /** Some adapted layer stores its weight [in, out]. */
  readonly transposed: boolean;
}

function factsOf(adapted: AdaptedModel, name: string, parts: ReadonlyMap<string, Adapter>): Facts {
  const kinds = new Set(Array.from(parts.values(), ({ method }) => method));
  const [method] = kinds;
  if (kinds.size !== 1 || !isPeftMethod(method))
    throw new AdapterError(
      `saveAdapter: expected one method of ${Object.keys(peftForms).join(", ")}; ${name} is ${[...kinds].join(" and ")}`,
    );
  const config = adapted.config(name);
  const { model, layers } = adapted;
  return {
    name,
    method,
    form: peftForms[method],
    parts,
    own: adapted.ownParameters(name),
    config,
    origin: originOf(config),
    model,
    modules: [...listModules(model)],
    layers,
    transposed: Array.from(parts.keys()).some((path) => layers.get(path)?.original instanceof Conv1D),
  };
}

/** The first way to say something that says just that. */
function firstThat<T>(ways: readonly (T | undefined)[], says: (way: T) => boolean, what: string): T {
  for (const way of ways) if (way !== undefined && says(way)) return way;
  throw new AdapterError(`saveAdapter: PEFT's format cannot say ${what}`);
}

/** What a part is made with besides r and α. */
const dropoutOf = (part: Adapter): number => (part as unknown as { readonly dropout: number }).dropout;

function common({ parts, name }: Facts): { lora_dropout: number } {
  const [dropout, ...others] = new Set(Array.from(parts.values(), dropoutOf));
  if (others.length > 0)
    throw new AdapterError(`saveAdapter: expected one dropout for all layers of ${name}`);
  return { lora_dropout: dropout };
}

function loraFields(facts: Facts): Fields {
  const { parts, config, origin, name, form } = facts;
  const values = [...parts.values()];
  const sizes = config as { rank?: number; alpha?: number; rankStabilized?: boolean };
  const stabilized = firstThat(
    [origin?.config.rankStabilized, sizes.rankStabilized, false, true],
    (on) => values.every(({ alpha, rank, scaling }) => scaling === alpha / (on ? Math.sqrt(rank) : rank)),
    `the scaling of ${name}`,
  );
  const ranks = new Map(Array.from(parts, ([path, { rank }]) => [path, rank]));
  const alphas = new Map(Array.from(parts, ([path, { alpha }]) => [path, alpha]));
  const r = pattern("rank_pattern", ranks, [
    origin && { base: origin.config.rank, pattern: origin.config.rankPattern },
    sizes.rank === undefined ? undefined : { base: sizes.rank, pattern: config.rankPattern ?? {} },
  ]);
  const alpha = pattern("alpha_pattern", alphas, [
    origin && { base: origin.config.alpha, pattern: origin.config.alphaPattern },
    { base: sizes.alpha ?? values[0].alpha, pattern: config.alphaPattern ?? {} },
  ]);
  return {
    ...common(facts),
    r: r.base,
    rank_pattern: r.pattern,
    lora_alpha: alpha.base,
    alpha_pattern: alpha.pattern,
    use_rslora: stabilized,
    use_dora: form.useDora,
    init_lora_weights: initField(facts),
  };
}

interface Pattern {
  readonly base: number;
  readonly pattern: Readonly<Record<string, number>>;
}

/** A number for all layers and a pattern for the others. */
function pattern(
  field: string,
  wanted: ReadonlyMap<string, number>,
  ways: readonly (Pattern | undefined)[],
): Pattern {
  const [base] = wanted.values();
  const others = [...wanted].filter(([, value]) => value !== base);
  const oneByOne = Object.fromEntries(others.map(([path, value]) => [`^${escaped(path)}`, value]));
  const says = ({ base, pattern }: Pattern): boolean => {
    const value = patternValues(field, pattern, base);
    return [...wanted].every(([path, number]) => value(path) === number);
  };
  return firstThat([...ways, { base, pattern: oneByOne }], says, `the ${field} of each layer`);
}

/** PEFT's word for the first values. Only those that took a part of W over still matter. */
function initField({ config, origin, parts, layers, name }: Facts): unknown {
  const { init = "kaiming" } = config as { init?: string };
  const divided = [...parts.keys()].some((path) => layers.get(path)?.residuals.has(name));
  if (divided !== (init === "pissa" || init === "olora"))
    throw new AdapterError(
      `saveAdapter: PEFT cannot make the base of init ${init} again; convert ${name} first`,
    );
  if (origin && (divided ? origin.config.init === init : !origin.config.init))
    return origin.config.fields.init_lora_weights ?? true;
  if (divided) return init;
  return { kaiming: true, random: false }[init] ?? init;
}

function adaloraFields(facts: Facts, masks: Masks): Fields {
  const { parts, name, origin } = facts;
  const [first, ...rest] = parts.values();
  const { rank, scaling } = first;
  if (!rest.every((part) => part.rank === rank && part.scaling === scaling))
    throw new AdapterError(`saveAdapter: PEFT's AdaLoRA has one rank and alpha; ${name} has several`);
  // PEFT's factor is α'/(r + 1e-5); α/r is that with α' = α (r + 1e-5)/r.
  const exact = origin?.config.rank === rank ? origin.config.alpha : first.alpha;
  const peftScaling = (alpha: number): number => (alpha > 0 ? alpha : rank) / (rank + 1e-5);
  const alpha = [exact, first.alpha].find((one) => peftScaling(one) === scaling) ?? scaling * (rank + 1e-5);
  if (!(alpha > 0) && peftScaling(alpha) !== scaling)
    throw new AdapterError(
      `saveAdapter: PEFT's AdaLoRA takes r for an alpha that is not positive; ${name} has ${alpha}`,
    );
  return {
    ...common(facts),
    init_r: rank,
    lora_alpha: alpha,
    rank_pattern:
      masks && (masks === origin?.config.masks ? origin.config.fields.rank_pattern : maskFields(masks)),
    ...(!origin && { target_r: rank }),
  };
}

/** Where the adapter is, and what of the base it brings copies of. */
function moduleFields(facts: Facts): Fields {
  const { modules, parts, origin, config, name, model } = facts;
  const isBesides = (one: OwnParameter): boolean => origin?.embeddings.includes(holderName(one)) ?? false;
  const own = facts.own.filter((one) => !isBesides(one)); // no field speaks of the others
  const savedHolders = new Set(own.filter(({ field }) => field !== "bias").map(holderName));
  const biases = names(own.filter((one) => !savedHolders.has(holderName(one))));

  const target = typeof config.target === "string" ? [config.target] : config.target;
  const targetNames = isStringList(target) ? target : undefined;
  const configSave = config.modulesToSave;
  const saveNames =
    typeof configSave === "string" ? [configSave] : isStringList(configSave) ? configSave : undefined;
  const save = firstThat<readonly string[]>(
    [origin?.config.modules.save, saveNames, [...savedHolders]],
    (save) => sameNames(holders(modules, savedModules(modules, save)), savedHolders),
    `the modules to save of ${name}`,
  );
  const saved = savedModules(modules, save);

  const isAdapted = (layer: string): boolean => parts.has(layer);
  const bias = firstThat(
    [origin?.config.bias, config.bias, "none", "lora-only", "all"] as const,
    (bias) =>
      sameNames(names(ownPlaces({ model, all: modules, saved: new Set(), bias, isAdapted }), saved), biases),
    `the biases of ${name}`,
  );

  const everywhere = { exclude: [], layers: null, layersPattern: [], save };
  const paths = [...parts.keys()];
  const fields = firstThat<ModuleFields>(
    [
      origin && { ...origin.config.modules, save },
      targetNames && { ...everywhere, target: targetNames },
      targetNames && { ...everywhere, target: targetNames, layers: config.layers ?? null },
      { ...everywhere, target: paths },
      { ...everywhere, target: exactly(paths).source },
    ],
    (fields) =>
      fields.target === null || sameNames(new Set(targetedModules(modules, fields)), new Set(paths)),
    `the layers of ${name}`,
  );
  const kept = origin && equalJson(fields, { ...origin.config.modules, save });
  const before = origin?.config.fields ?? {};
  const { save: savedBefore } = origin?.config.modules ?? {};
  return {
    ...(kept
      ? pick(before, ["target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"])
      : {
          target_modules: fields.target,
          exclude_modules: null,
          layers_to_transform: fields.layers,
          layers_pattern: null,
        }),
    modules_to_save:
      savedBefore && equalJson(save, savedBefore)
        ? (before.modules_to_save ?? null)
        : save.length > 0
          ? save
          : null,
    bias: bias === "lora-only" ? "lora_only" : bias,
  };
}

const pick = (fields: Fields, wanted: readonly string[]): Fields =>
  Object.fromEntries(wanted.map((field) => [field, fields[field] ?? null]));

const sameNames = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((name) => b.has(name));

/** The module that a parameter stands in. */
const holderName = ({ name, field }: { readonly name: string; readonly field: string }): string =>
  name.slice(0, Math.max(0, name.length - field.length - 1));

/** Names of parameters, but for those of the modules in `without`. */
const names = (
  places: readonly { readonly name: string; readonly field: string }[],
  without: ReadonlySet<string> = new Set(),
): Set<string> => new Set(places.filter((place) => !without.has(holderName(place))).map(({ name }) => name));

/** Those of the `chosen` modules that have parameters of their own. */
function holders(modules: readonly NamedModule[], chosen: ReadonlySet<string>): Set<string> {
  const holding = modules.filter((module) => chosen.has(module.name) && [...placesIn(module)].length > 0);
  return new Set(holding.map(({ name }) => name));
}

function partTensors(
  path: string,
  part: Adapter,
  { method, form, layers }: Facts,
  mask: readonly boolean[] | undefined,
  dtype: "F32" | "F16" | "BF16",
): Entry[] {
  const rank = mask ? mask.filter(Boolean).length : part.rank;
  const slots = slotsOf(method, path, bareLayer(layers.get(path) as AdaptedLayer), rank);
  return Object.entries(slots).map(([field, { key, shape }]) => {
    const parameter = parameterOf(part, field);
    const axis = form.triplets?.axes[field];
    const values = mask && axis !== undefined ? shortened(parameter, axis, mask) : parameter.value.data;
    return [key, tensorBytes(dtype, shape, values)];
  });
}

/** Parameters of the base that the file had besides, as they are. */
function repeatedTensors(
  { modules, parts }: Facts,
  origin: Origin | undefined,
  dtype: "F32" | "F16" | "BF16",
): Entry[] {
  const wanted = new Set(origin?.repeated);
  const places = wanted.size > 0 ? modules.flatMap((module) => [...placesIn(module)]) : [];
  return places.flatMap(({ name, original }) => {
    const key = ownKey(name, (layer) => parts.has(layer));
    return wanted.has(key) ? [[key, tensorBytes(dtype, original.shape, original.value.data)] as Entry] : [];
  });
}

/** A saved module's biases as often as the file had them. */
function echoTensors({ own, origin }: Facts, dtype: "F32" | "F16" | "BF16"): Entry[] {
  return (origin?.echoes ?? []).flatMap(({ key, place, of }) => {
    const { copy, original } = own.find(({ name }) => name === place.name) ?? {};
    const { shape, value } = (of === null ? original : copy) ?? place.original;
    return [[key, tensorBytes(dtype, shape, value.data)] as Entry];
  });
}
