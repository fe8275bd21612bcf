/**
 * @file Bytes of a step by category: as the memory meter counted them, and as the formula says.
 *
 *     weights 4 each    quantized codes and constants    adapters 4 p    gradients 4 p    AdamW's m and v 8 p
 */
import { sizeOf } from "lowrank/core";
import type { Linear, Llama } from "lowrank/nn";
import { qloraBytes, quantizedBytes, quantizedLayers } from "lowrank/quant";
import type { Run } from "./run.ts";
import { savedBytes } from "./saved-bytes.ts";

type ByCategory = Record<string, number>;

/** Bytes by category: what the run holds, and the peak of its latest step. */
export function measuredBytes({ module, model, stepBytes }: Run): ByCategory {
  const held: ByCategory = { weights: 0, adapters: 0 };
  for (const { category, bytes } of new Set(module.storages()))
    held[category] = (held[category] ?? 0) + bytes;
  const quantized = Array.from(quantizedLayers(model), ([, layer]) => layer.packed.bytes);
  const { gradients = 0, optimizer = 0, saved = 0 } = stepBytes;
  return {
    weights: held.weights,
    quantized: quantized.reduce((sum, bytes) => sum + bytes, 0),
    adapters: held.adapters,
    gradients,
    optimizer,
    saved,
  };
}

/** The same by the formulas of QLoRA's memory, with this library's counts. */
export function predictedBytes(run: Run, original: Llama): ByCategory {
  const { format, blockSize, doubleQuant, method } = run.controls;
  const trained = run.optimizer.parameters().reduce((sum, { size }) => sum + size, 0);
  const all = original.parameters().reduce((sum, { size }) => sum + size, 0);
  const linear = [...original.namedModules()].flatMap(([name, module]) =>
    name.endsWith("_proj") ? [(module as Linear).weight.shape] : [],
  );
  const quantized = format === "float32" ? [] : linear;
  const packed = quantized.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const options = format === "float32" ? undefined : ({ format, blockSize, doubleQuant } as const);
  const parts = qloraBytes({ quantized, options, frozen: all - packed, trained, activations: 0 });
  const { weights, adapters, gradients, optimizer } = parts;
  const residual = residualBytes(run);
  return {
    weights: weights + (format === "float32" ? residual : 0),
    quantized: parts.quantized + (format === "float32" ? 0 : residual),
    adapters: method === "full" ? 0 : adapters + frozenBytes(run),
    gradients,
    optimizer,
    saved: savedBytes(original.config, run.controls),
  };
}

/** Bytes of the residual weights of PiSSA, OLoRA and LoftQ: W0 is kept beside them, so that ΔW can be told. */
function residualBytes({ controls, matrices }: Run): number {
  const { method, format, blockSize, doubleQuant } = controls;
  if (method !== "pissa" && method !== "olora" && method !== "loftq") return 0;
  const bytesOf = (shape: readonly number[]): number => {
    if (format === "float32") return 4 * sizeOf(shape);
    const { codes, absmax } = quantizedBytes(shape, { format, blockSize, doubleQuant });
    return codes + absmax;
  };
  return matrices.reduce((sum, matrix) => sum + bytesOf([matrix.out, matrix.in]), 0);
}

/** Bytes of an adapter's matrices that stay as drawn: LoRA-FA's A, VeRA's A and B. */
function frozenBytes({ module }: Run): number {
  const frozen = module
    .parameters()
    .filter(({ requiresGrad, value }) => !requiresGrad && value.storage.category === "adapters");
  return frozen.reduce((sum, { size }) => sum + 4 * size, 0);
}
