/**
 * @file LoftQ in a run: the base that its initial values ask for, which is not the quantized base but q(W − s B A).
 *
 * PEFT's format has no place for such a base: an adapter says only the name of one. So the base is written as a model of
 * its own beside the adapter, as LoftQ's authors publish theirs, and the adapter is a plain one on it.
 */

import { join } from "node:path";
import { cloneModule, savePretrained } from "../../../../nn/index.ts";
import { dequantizeModel, quantizeModel } from "../../../../quant/index.ts";
import { type AdaptedModel, type AdapterConfig, inject } from "../../../index.ts";
import type { Decoder } from "./training.ts";

/** The folder of the base, in the output's. */
export const BASE = "base";

/**
 * Quantizes `model` and puts an adapter with LoftQ's initial values on it. The model's layers hold q(W − s B A) then, and
 * the adapter has no residual weights.
 */
export function injectLoftq(
  model: Decoder,
  config: AdapterConfig,
  format: "nf4" | "fp4" | "int4",
): AdaptedModel<Decoder> {
  const original = cloneModule(model);
  quantizeModel(model, { format, doubleQuant: true });
  const first = inject(model, { ...config, init: "loftq", loftq: { original } } as AdapterConfig);
  const started = first.adapter("default");
  for (const [path, layer] of first.layers) {
    const residual = layer.residuals.get("default");
    if (residual) model.replaceModule(path, residual);
  }
  const adapted = inject(model, config);
  for (const [path, adapter] of adapted.adapter("default")) {
    const values = new Map(started.get(path)?.namedParameters());
    for (const [name, parameter] of adapter.namedParameters()) {
      const value = values.get(name);
      if (value) parameter.assign(value.value);
    }
  }
  return adapted;
}

/** Writes the base, dequantized, with the tokenizer's files. @returns its folder */
export function saveBase(adapted: AdaptedModel<Decoder>, out: string): string {
  const folder = join(out, BASE);
  adapted.disabled(() => savePretrained(dequantizeModel(adapted.model), folder));
  return folder;
}
