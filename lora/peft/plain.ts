/**
 * @file The plain form of an adapter whose method PEFT's files cannot hold: the same two files, which this library alone
 * reads. All parameters of the adapter are in it under their own names, frozen ones too.
 *
 *     adapter_config.json           { "lowrank_method": "vera", "layers": ["h.0.q"], "options": { "rank": 4, … } }
 *     adapter_model.safetensors     h.0.q.d [r], h.0.q.b [out], …, and own.NAME for copies of the base's parameters
 */

import type { Parameter } from "../../autograd/index.ts";
import {
  AdapterError,
  ArgumentError,
  CheckpointError,
  isStringList,
  parseJsonObject,
  parseSafetensors,
  type SafeTensor,
  serializeSafetensors,
  type TensorBytes,
  tensorBytes,
} from "../../core/index.ts";
import { describeMismatch, findMismatch, type Module } from "../../nn/index.ts";
import { type AdapterConfig, methods } from "../methods.ts";
import { AdaptedModel, type AnyModel } from "../model/adapted-model.ts";
import { inject } from "../model/inject.ts";
import type { MethodDefinition } from "../model/method.ts";
import { planAdapters } from "../model/plan.ts";
import { type OwnParameter, ownCopies } from "../model/saved-parameters.ts";
import { exactly, moduleOf } from "./config/modules.ts";
import type { AdapterFiles, ReadOptions } from "./read.ts";

/** Options that say where the adapter goes; the file has the names of its layers and of its copies instead. */
const placement = ["method", "target", "exclude", "layers", "modulesToSave", "seed"];

/** The adapter in the plain form. @throws AdapterError when an option is no JSON, or it has residual weights */
export function writePlain(
  adapted: AdaptedModel,
  { name, dtype }: { readonly name: string; readonly dtype: "F32" | "F16" | "BF16" },
): AdapterFiles {
  const parts = adapted.adapter(name);
  if (adapted.merged.includes(name))
    throw new AdapterError(`saveAdapter: ${name} is merged; expected it in its layers; unmerge() first`);
  if ([...parts.keys()].some((path) => adapted.layers.get(path)?.residuals.has(name)))
    throw new AdapterError(`saveAdapter: ${name} has residual weights; convert it to LoRA first`);
  const config = adapted.config(name);
  const [{ method }] = parts.values();
  const options = Object.fromEntries(Object.entries(config).filter(([key]) => !placement.includes(key)));
  for (const [key, value] of Object.entries(options)) checkJson(key, value);
  const own = adapted.ownParameters(name);
  const holders = new Set(own.filter(({ field }) => field !== "bias").map(moduleOf));
  const fields = {
    lowrank_method: method,
    layers: [...parts.keys()],
    options,
    ...(holders.size > 0 && { modules_to_save: [...holders] }),
  };
  const entries = Array.from(
    firstNames(keysOf(parts, own)),
    ([key, { shape, value }]): [string, TensorBytes] => [key, tensorBytes(dtype, shape, value.data)],
  );
  return { config: `${JSON.stringify(fields, null, 2)}\n`, weights: serializeSafetensors(entries) };
}

/** True for an adapter_config.json in the plain form. */
export const isPlain = (text: string): boolean => /^\s*\{\s*"lowrank_method"/.test(text);

/**
 * Puts an adapter in the plain form on a model.
 * @throws CheckpointError when its method is not known, or its tensors are not those of such an adapter; the model is
 *   unchanged then
 */
export function readPlain<M extends AnyModel>(
  model: M | AdaptedModel<M>,
  { config: text, weights }: AdapterFiles,
  { name = "default", method, source = "adapter", seed, methods: given = [] }: ReadOptions,
): AdaptedModel<M> {
  if (method !== undefined)
    throw new CheckpointError(
      `${source}: expected LoRA for the method ${method}; got an adapter in the plain form`,
    );
  const config = configOf(parseJsonObject(`${source}: adapter_config.json`, text), source, given, seed);
  const file = `${source}: adapter_model.safetensors`;
  const { tensors } = parseSafetensors(weights, file);
  const base: Module = model instanceof AdaptedModel ? model.model : model;
  const plan = planAdapters(base, config);
  const expected = firstNames(keysOf(plan.adapters, ownCopies(plan.own)));
  const problems = describeMismatch(findMismatch(expected, tensors), 8);
  if (problems.length > 0) throw new CheckpointError(`${file}: ${problems.join("; ")}`);
  const values = new Map(
    Array.from(tensors, ([key, tensor]: [string, SafeTensor]) => [key, tensor.floats()]),
  );

  let adapted: AdaptedModel<M>;
  if (model instanceof AdaptedModel) {
    adapted = model as AdaptedModel<M>;
    adapted.addAdapter(name, config);
  } else adapted = inject(model as M, { ...config, name });
  for (const [key, parameter] of firstNames(keysOf(adapted.adapter(name), adapted.ownParameters(name))))
    parameter.assign(values.get(key) as Float32Array);
  return adapted;
}

/** The configuration that makes such an adapter. */
function configOf(
  { lowrank_method, layers, options, modules_to_save, ...others }: Record<string, unknown>,
  source: string,
  given: readonly MethodDefinition[],
  seed: number | undefined,
): AdapterConfig {
  if (!Array.isArray(given) || !given.every((one) => typeof one?.name === "string" && one.adapter))
    throw new ArgumentError("readAdapter", "methods to be a list of values of defineMethod", {
      methods: given,
    });
  const known: readonly MethodDefinition[] = [...given, ...Object.values(methods)];
  const method = known.find((one) => one.name === lowrank_method);
  if (!method)
    throw new CheckpointError(
      `${source}: expected a method among ${known.map((one) => one.name).join(", ")}; got ` +
        `${JSON.stringify(lowrank_method)}. A method of your own is passed as { methods: [method] }`,
    );
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new CheckpointError(`${source}: expected no other fields in the plain form; got ${unknown}`);
  const isNames = (value: unknown): value is readonly string[] => isStringList(value) && value.length > 0;
  if (!isNames(layers) || typeof options !== "object" || options === null)
    throw new CheckpointError(`${source}: expected the names of layers and an object of options`);
  const misplaced = Object.keys(options).find((name) => placement.includes(name));
  if (misplaced !== undefined)
    throw new CheckpointError(`${source}: expected options of the method alone; got ${misplaced} among them`);
  if (modules_to_save !== undefined && !isNames(modules_to_save))
    throw new CheckpointError(`${source}: expected modules_to_save to be a list of names`);
  return {
    ...options,
    method,
    target: exactly(layers),
    ...(modules_to_save && { modulesToSave: exactly(modules_to_save) }),
    ...(seed !== undefined && { seed }),
  } as AdapterConfig;
}

/** All parameters with their names in the file; one that layers share comes several times. */
function* keysOf(
  parts: ReadonlyMap<string, Module>,
  own: readonly OwnParameter[],
): Generator<[string, Parameter]> {
  for (const [path, part] of parts)
    for (const [field, parameter] of part.namedParameters()) yield [`${path}.${field}`, parameter];
  for (const { name, copy } of own) yield [`own.${name}`, copy];
}

/** Each parameter under the first of its names. */
function firstNames(all: Iterable<[string, Parameter]>): Map<string, Parameter> {
  const names = new Map<Parameter, string>();
  for (const [key, parameter] of all) if (!names.has(parameter)) names.set(parameter, key);
  return new Map(Array.from(names, ([parameter, key]) => [key, parameter]));
}

/** True for what comes back from JSON as it was. */
const isJson = (value: unknown): boolean =>
  value === null ||
  typeof value === "string" ||
  typeof value === "boolean" ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.every(isJson)) ||
  (typeof value === "object" &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).every(isJson));

function checkJson(option: string, value: unknown): void {
  if (value === undefined || isJson(value)) return;
  throw new AdapterError(
    `saveAdapter: expected options of numbers, texts and lists; got ${option} ${String(value)}`,
  );
}
