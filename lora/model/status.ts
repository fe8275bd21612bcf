/** @file The rows of `AdaptedModel.status()` and the report of `trainableParameters()`. */

import { countNumbers } from "../../nn/index.ts";
import type { AdaptedModel } from "./adapted-model.ts";

export interface AdapterStatus {
  readonly name: string;
  readonly method: string;
  /** The rank, or the smallest and the largest where they differ. */
  readonly rank: string;
  /** The same for the ranks in use, without AdaLoRA's masked triplets. */
  readonly activeRank: string;
  /** The number of layers that it is on. */
  readonly layers: number;
  /** The number of its parameters, including frozen ones and its copies of parameters of the base. */
  readonly parameters: number;
  readonly trainable: number;
  readonly active: boolean;
  readonly merged: boolean;
}

export interface TrainableReport {
  readonly trainable: number;
  /**
   * The number of parameters of the model: base, adapters, and adapters' copies of base parameters, each once. A
   * quantized weight counts all its elements, as in PEFT. `countParameters` gives the same from a formula.
   */
  readonly total: number;
  readonly percent: number;
  /** The trainable parameters by name. */
  readonly parameters: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly size: number;
  }[];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function range(ranks: readonly number[]): string {
  const [low, high] = [Math.min(...ranks), Math.max(...ranks)];
  return low === high ? String(low) : `${low} to ${high}`;
}

export function adapterStatus(model: AdaptedModel, name: string): AdapterStatus {
  const parts = [...model.adapter(name).values()];
  const parameters = new Set([
    ...parts.flatMap((part) => part.parameters()),
    ...model.ownParameters(name).map(({ copy }) => copy),
  ]);
  const sizes = [...parameters].map(({ size }) => size);
  return {
    name,
    method: parts[0].method,
    rank: range(parts.map(({ rank }) => rank)),
    activeRank: range(parts.map((part) => part.activeRank())),
    layers: parts.length,
    parameters: sum(sizes),
    trainable: sum([...parameters].map(({ size, requiresGrad }) => (requiresGrad ? size : 0))),
    active: model.active.includes(name),
    merged: model.merged.includes(name),
  };
}

export function trainableReport(model: AdaptedModel): TrainableReport {
  const all = [...model.namedParameters()];
  const parameters = all
    .filter(([, { requiresGrad }]) => requiresGrad)
    .map(([name, { shape, size }]) => ({ name, shape, size }));
  const trainable = sum(parameters.map(({ size }) => size));
  const total = countNumbers(model);
  return { trainable, total, percent: (100 * trainable) / total, parameters };
}
