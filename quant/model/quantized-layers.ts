/** @file The quantized layers of a model, and the bytes of the whole model. */

import type { Module } from "../../nn/index.ts";
import { QuantizedLinear } from "../layer/quantized-linear.ts";

/** Bytes of a model's parameters and packed weights, each counted once. */
export function bytesOf(model: Module): number {
  const storages = new Set(model.storages());
  const packed = new Set(Array.from(quantizedLayers(model), ([, layer]) => layer.packed));
  let bytes = 0;
  for (const held of [...storages, ...packed]) bytes += held.bytes;
  return bytes;
}

/** The quantized layers of a model with their dotted names. */
export function* quantizedLayers(model: Module): Generator<[string, QuantizedLinear]> {
  for (const [name, module] of model.namedModules())
    if (module instanceof QuantizedLinear) yield [name, module];
}
