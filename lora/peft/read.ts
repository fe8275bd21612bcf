/** @file readAdapter: from the files of a PEFT adapter to an adapter on a model. */

import { CheckpointError, checkOptions, warn } from "../../core/index.ts";
import { cloneParameter, type Target } from "../../nn/index.ts";
import type { AdapterConfig } from "../methods.ts";
import { AdaptedModel, type AnyModel } from "../model/adapted-model.ts";
import type { Adapter } from "../model/adapter.ts";
import { elsewhere } from "../model/elsewhere.ts";
import { injectWith } from "../model/inject.ts";
import type { MethodDefinition } from "../model/method.ts";
import type { OwnParameter, Place } from "../model/saved-parameters.ts";
import { exactly, type ModuleFields, moduleOf, usedPattern } from "./config/modules.ts";
import { type PeftConfig, parsePeftConfig } from "./config/parse.ts";
import { formOf, methodFor } from "./methods.ts";
import { setOrigin } from "./origin.ts";
import { isPlain, readPlain } from "./plain.ts";
import { checkTensors, checkTying } from "./tensors/check.ts";
import { type Content, expectedContent, type Own } from "./tensors/content.ts";
import { fitVocabulary } from "./tensors/embeddings.ts";
import { FileTensors, sameValues } from "./tensors/file.ts";
import { parameterOf, type Slot } from "./tensors/keys.ts";
import { aliveIn, expanded } from "./tensors/masks.ts";
import { tableWith } from "./tensors/tokens.ts";

/** The two files of an adapter. */
export interface AdapterFiles {
  /** The text of adapter_config.json. */
  readonly config: string;
  /** The bytes of adapter_model.safetensors. */
  readonly weights: Uint8Array;
}

export interface ReadOptions {
  /**
   * The name that the adapter gets on the model.
   * @default "default"
   */
  readonly name?: string;
  /** "lora-fa" for a LoRA adapter whose A stays frozen: PEFT's files do not tell the two apart. */
  readonly method?: "lora-fa";
  /** Fixes dropout, as in `inject`. */
  readonly seed?: number;
  /**
   * What messages call the files.
   * @default "adapter"
   */
  readonly source?: string;
  /** Methods of your own that the file may name: values of `defineMethod`. */
  readonly methods?: readonly MethodDefinition[];
}

/**
 * Puts the adapter in `files` on a model. On a plain model it is active then; on an adapted one it is added beside the
 * others. Everything is checked before the model is changed.
 *
 * AdaLoRA triplets that were pruned, which the file lacks, stay out. Embeddings that the file holds replace the base's
 * while the adapter acts, frozen; when they have another number of tokens, the model is resized. Unknown fields are
 * ignored, as PEFT ignores them, and a warning names them.
 *
 * @param model a plain model, or an adapted one
 * @param files the text of the configuration and the bytes of the weights
 * @returns the adapted model
 * @throws CheckpointError when the files are malformed, use something unsupported (it is named), or are not of a model
 *   like this one: missing, unexpected and misshapen tensors are named
 * @throws AdapterError as `inject`
 */
export function readAdapter<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  files: AdapterFiles,
  options: ReadOptions = {},
): AdaptedModel<M> {
  checkOptions("readAdapter", options, ["name", "method", "seed", "source", "methods"], elsewhere);
  const { name = "default", method, seed, source = "adapter" } = options;
  if (isPlain(files.config)) return readPlain(model, files, options);
  const config = parsePeftConfig(files.config, `${source}: adapter_config.json`);
  const weights = `${source}: adapter_model.safetensors`;
  const file = new FileTensors(files.weights, weights);
  const undoResize = fitVocabulary(model, file, weights);
  try {
    const base = model instanceof AdaptedModel ? model.model : model;
    const content = expectedContent(base, config, file, source);
    checkTensors(weights, content, file);
    if (method !== undefined && formOf(method) !== formOf(content.method))
      throw new CheckpointError(`${source}: expected LoRA for the method ${method}; got ${content.method}`);
    if (config.tied) checkTying(source, base, content, file);

    const settings = { ...settingsOf(config, content), ...(method && { method }), seed } as AdapterConfig;
    const copies = (places: readonly Place[]) => filledCopies(places, content, file);
    const adapted = place(model, name, settings, copies);
    for (const [layer, adapter] of adapted.adapter(name))
      fill(adapter, content.slots.get(layer) ?? {}, config, layer, file);
    if (config.unknown.length > 0)
      warn(
        `${source}: adapter_config.json: ${config.unknown.join(", ")}: unknown, and passed over as PEFT does; what a newer ` +
          "version computes by them is not computed here",
      );
    if (config.training.length > 0)
      warn(
        `${source}: adapter_config.json: ${config.training.join(", ")}: the adapter computes what it does in PEFT, but is ` +
          "trained on as a plain one here",
      );
    const { triplets } = formOf(config.method);
    setOrigin(adapted.config(name), {
      text: files.config,
      config,
      repeated: content.repeated.map(({ key }) => key),
      embeddings: content.embeddings,
      echoes: content.echoes,
      alive: triplets ? aliveIn(triplets, adapted.adapter(name)) : null,
      rows: new Map(
        content.own.flatMap(({ place, key, rows }) => (rows ? [[place.name, { key, rows }]] : [])),
      ),
    });
    return adapted;
  } catch (error) {
    undoResize();
    throw error;
  }
}

/** Adds the adapter to an adapted model, or makes one of a plain model. */
function place<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  name: string,
  settings: AdapterConfig,
  copies: (places: readonly Place[]) => OwnParameter[],
): AdaptedModel<M> {
  if (!(model instanceof AdaptedModel)) return injectWith(model, { ...settings, name }, copies);
  model.addAdapter(name, settings, copies);
  return model;
}

/** The configuration in this library's words that makes such an adapter. */
function settingsOf(
  config: PeftConfig,
  { method, layers, saved, embeddings }: Content,
): Record<string, unknown> {
  const { rank, alpha, dropout, rankStabilized, init, bias } = config;
  const rankPattern = usedPattern("rank_pattern", config.rankPattern, layers);
  const alphaPattern = usedPattern("alpha_pattern", config.alphaPattern, layers);
  return {
    method: methodFor(method),
    rank,
    alpha,
    dropout,
    ...(formOf(method).options ?? { rankStabilized }),
    ...(init && { init }),
    target: targetOf(config.modules, layers),
    ...(Object.keys(rankPattern).length > 0 && { rankPattern }),
    ...(Object.keys(alphaPattern).length > 0 && { alphaPattern }),
    bias,
    ...(saved.length + embeddings.length > 0 && { modulesToSave: [...saved, ...embeddings] }),
  };
}

/** The file's own names when they mean the same here, which they do when nothing narrows them; else the layers by name. */
function targetOf(
  { target, exclude, layers: blocks, save, parameters }: ModuleFields,
  layers: readonly string[],
): Target {
  const isPlain = blocks === null && exclude.length === 0 && save.length === 0 && parameters.length === 0;
  if (isPlain && target !== null && typeof target !== "string" && !target.includes("all-linear"))
    return target.filter((end) => layers.some((name) => name === end || name.endsWith(`.${end}`)));
  return exactly(layers);
}

/** Copies for `places` with the file's values. Parameters that are tied stay tied when the file has the same for both. */
function filledCopies(
  places: readonly Place[],
  { own, embeddings }: Content,
  file: FileTensors,
): OwnParameter[] {
  const byName = new Map(own.map((one) => [one.place.name, one]));
  const made: OwnParameter[] = [];
  for (const place of places) {
    const { key, rows } = byName.get(place.name) as Own;
    const values = rows ? tableWith(place.original, rows, file.values(key)) : file.values(key);
    const tied = made.find(
      ({ original, copy }) => original === place.original && sameValues(values, copy.value.data),
    );
    const copy = tied?.copy ?? cloneParameter(place.original, "adapters");
    if (!tied) {
      copy.assign(values);
      copy.requiresGrad = !embeddings.includes(moduleOf(place));
    }
    made.push({ ...place, copy });
  }
  return made;
}

/** Gives the parameters of one layer's adapter the values of the file, those of pruned triplets left out. */
function fill(
  adapter: Adapter,
  slots: Readonly<Record<string, Slot>>,
  config: PeftConfig,
  layer: string,
  file: FileTensors,
): void {
  const { triplets } = formOf(config.method);
  const mask = config.masks?.get(layer);
  if (triplets && mask?.includes(false)) triplets.keepOnly(adapter, mask);
  for (const [name, { key }] of Object.entries(slots)) {
    const parameter = parameterOf(adapter, name);
    const values = file.values(key);
    parameter.assign(triplets && mask ? expanded(parameter, triplets.axes[name], mask, values) : values);
  }
}
