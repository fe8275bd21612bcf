/** @file Any module's parameters in one safetensors file, under their names. */

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

export interface SaveModuleOptions {
  /** Texts to go into the file's header, beside `format: pt`, which other programs expect. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes the parameters of `module`, whole or not at all: as F32, and F64 in double precision. What else a module is
 * made of (sizes, modes, generators) is in no file: `loadModule` reads into a module that is made the same way.
 * @throws CheckpointError when a layer has weights that are no parameters (quantized: use `saveQuantized`), and when the
 *   file cannot be written
 */
export function saveModule(module: Module, path: string, options: SaveModuleOptions = {}): void {
  checkArguments("saveModule", module, path);
  checkOptions("saveModule", options, ["metadata"]);
  const metadata = Object.entries(options.metadata ?? {});
  const odd = metadata.find(([, text]) => typeof text !== "string");
  if (odd) throw new ArgumentError("saveModule", "metadata that are texts", { [odd[0]]: odd[1] });
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
 * @returns what was missing, unexpected or misshapen (nothing, when strict), and the header's texts
 * @throws CheckpointError as `loadStateDict`, the file named; the module is then unchanged
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

/** Refuses layers whose weight would not be in the file. */
function checkWeights(who: string, module: Module): void {
  for (const [name, layer] of module.namedModules()) {
    if (!isLinearLike(layer) || layer.parameters().some((parameter) => parameter !== layer.bias)) continue;
    throw new CheckpointError(
      `${who}: ${name || "the module"}, a ${layer.constructor.name}, has a weight that is no parameter; expected dense layers ` +
        "(for quantized ones there are saveQuantized and loadQuantized)",
    );
  }
}
