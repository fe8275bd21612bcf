/** @file The layout of one module of each kind: its name, sizes and parameter tensors. */

import type { Shape } from "../../core/index.ts";
import type { ModuleKind } from "../module/kinds.ts";

/** A parameter tensor of a model that is not allocated. */
export interface ParameterLayout {
  /** `module name + ".weight"` or `".bias"`. */
  readonly name: string;
  readonly shape: Shape;
  /** Name of the parameter that this one is tied to: one tensor with two names. */
  readonly tiedTo?: string;
}

/** A module of a model that is not allocated. */
export interface ModuleLayout {
  readonly name: string;
  readonly kind: ModuleKind;
  /** Columns of the weight as a matrix W [out, in]: inputs of a linear layer, rows of an embedding table. */
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The weight is stored as Wᵀ [in, out] (GPT-2's Conv1D). */
  readonly fanInFanOut: boolean;
  readonly parameters: readonly ParameterLayout[];
}

interface LinearOptions {
  /** Whether the layer has a bias. @default true */
  readonly bias?: boolean;
  /** The module that owns the weight. @default the layer itself */
  readonly tiedTo?: string;
}

/** A Linear: W [out, in]. */
export function linear(
  name: string,
  d_in: number,
  d_out: number,
  { bias = true, tiedTo }: LinearOptions = {},
): ModuleLayout {
  const weight = { name: `${name}.weight`, shape: [d_out, d_in] };
  return {
    name,
    kind: "linear",
    inFeatures: d_in,
    outFeatures: d_out,
    fanInFanOut: false,
    parameters: [
      tiedTo === undefined ? weight : { ...weight, tiedTo: `${tiedTo}.weight` },
      ...(bias ? [{ name: `${name}.bias`, shape: [d_out] }] : []),
    ],
  };
}

/** A Linear that gives the model's output. */
export function head(name: string, d_in: number, d_out: number, options?: LinearOptions): ModuleLayout {
  return { ...linear(name, d_in, d_out, options), kind: "head" };
}

/** GPT-2's Conv1D, a linear layer with W stored [in, out]. */
export function conv1d(name: string, d_in: number, d_out: number): ModuleLayout {
  return {
    name,
    kind: "conv1d",
    inFeatures: d_in,
    outFeatures: d_out,
    fanInFanOut: true,
    parameters: [
      { name: `${name}.weight`, shape: [d_in, d_out] },
      { name: `${name}.bias`, shape: [d_out] },
    ],
  };
}

/** A convolution over the sequence. As a matrix its weight is [out, in × kernel]. */
export function convolution(
  name: string,
  channels: number,
  outChannels: number,
  kernel: number,
): ModuleLayout {
  return {
    name,
    kind: "convolution",
    inFeatures: channels * kernel,
    outFeatures: outChannels,
    fanInFanOut: false,
    parameters: [
      { name: `${name}.weight`, shape: [outChannels, channels, kernel] },
      { name: `${name}.bias`, shape: [outChannels] },
    ],
  };
}

/** A table of embeddings [rows, d]. As a matrix W it is transposed: [d, rows]. */
export function embedding(name: string, rows: number, d: number): ModuleLayout {
  return {
    name,
    kind: "embedding",
    inFeatures: rows,
    outFeatures: d,
    fanInFanOut: false,
    parameters: [{ name: `${name}.weight`, shape: [rows, d] }],
  };
}

/** A layer norm, or without bias an RMS norm, of width d. */
export function norm(name: string, d: number, { bias = true } = {}): ModuleLayout {
  return {
    name,
    kind: "norm",
    inFeatures: d,
    outFeatures: d,
    fanInFanOut: false,
    parameters: [
      { name: `${name}.weight`, shape: [d] },
      ...(bias ? [{ name: `${name}.bias`, shape: [d] }] : []),
    ],
  };
}
