/** @file Saves and loads the parameters of any module: one safetensors file, under the parameters' names. */

import {
  ArgumentError,
  array,
  CheckpointError,
  checkOptions,
  loadSafetensors,
  saveSafetensors,
  tensorBytes,
} from "../../core/index.ts";
import { isLinearLike } from "../layers/linear.ts";
import type { LoadReport } from "./mismatch.ts";
import { type LoadStateOptions, Module } from "./module.ts";
import { naming } from "./naming.ts";

/** The options of `saveModule`. */
export interface SaveModuleOptions {
  /** Strings for the file's header, in addition to `format: pt`, which other programs expect. @default none */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes the parameters of `module` to a safetensors file, whole or not at all: as F32, in double precision as F64.
 * Sizes, modes and generators are not saved: `loadModule` reads into a module that is made the same way.
 *
 * @example
 * saveModule(model, "model.safetensors");
 * loadModule(new Classifier(), "model.safetensors");
 * @throws ArgumentError on a wrong argument or option; CheckpointError when a layer has weights that are no parameters (quantized: use `saveQuantized`), and when the
 *   file cannot be written
 */
export function saveModule(module: Module, path: string, options: SaveModuleOptions = {}): void {
  checkArguments("saveModule", module, path);
  checkOptions("saveModule", options, ["metadata"]);
  const metadata = Object.entries(options.metadata ?? {});
  const odd = metadata.find(([, text]) => typeof text !== "string");
  if (odd) throw new ArgumentError("saveModule", "metadata that are strings", { [odd[0]]: odd[1] });
  checkWeights("saveModule", module);
  const entries = Array.from(
    module.stateDict(),
    ([name, { shape, data }]) =>
      [name, tensorBytes(data instanceof Float64Array ? "F64" : "F32", shape, data)] as const,
  );
  saveSafetensors(path, entries, { metadata: new Map([["format", "pt"], ...metadata]) });
}

/**
 * Reads a file of `saveModule`, or any safetensors file with the same names, into `module`. F16 and BF16 become float32.
 * @returns the names that were missing, unexpected or misshapen (none when strict), and the header's strings
 * @throws CheckpointError as `loadStateDict`, naming the file; the module is then unchanged
 */
export function loadModule(
  module: Module,
  path: string,
  options: LoadStateOptions = {},
): LoadReport & { readonly metadata: Readonly<Record<string, string>> } {
  checkArguments("loadModule", module, path);
  checkOptions("loadModule", options, ["strict"]);
  checkWeights("loadModule", module);
  const { tensors, metadata } = loadSafetensors(path);
  const values = new Map(Array.from(tensors, ([name, t]) => [name, array(t.floats(), t.shape)]));
  const report = naming(path, CheckpointError, () => module.loadStateDict(values, options));
  return { ...report, metadata: Object.fromEntries(metadata) };
}

function checkArguments(who: string, module: unknown, path: unknown): void {
  if (!(module instanceof Module))
    throw new ArgumentError(who, "a module, then a path", { module: typeof module });
  if (typeof path !== "string" || path === "") throw new ArgumentError(who, "a path", { path });
}

/** @throws CheckpointError when a layer has a weight that would not be in the file */
function checkWeights(who: string, module: Module): void {
  for (const [name, layer] of module.namedModules()) {
    if (!isLinearLike(layer) || layer.parameters().some((parameter) => parameter !== layer.bias)) continue;
    throw new CheckpointError(
      `${who}: ${name || "the module"}, a ${layer.constructor.name}, has a weight that is no parameter; expected dense layers ` +
        "(for quantized ones there are saveQuantized and loadQuantized)",
    );
  }
}
