/** @file The kinds of modules: what a module is to an adapter and to a quantizer. */

import { Conv1d, Conv2d } from "../layers/conv.ts";
import { Embedding } from "../layers/embedding.ts";
import { LayerNorm } from "../layers/layer-norm.ts";
import { Conv1D, isLinearLike } from "../layers/linear.ts";
import { RMSNorm } from "../layers/rms-norm.ts";
import type { Module } from "./module.ts";

/** What a module is to an adapter. A `head` is a linear layer that gives the model's output: logits or classes. */
export type ModuleKind = "linear" | "conv1d" | "convolution" | "embedding" | "head" | "norm" | "other";

/** Names of the output heads in Hugging Face's models. QLoRA leaves these layers in full precision. */
export const outputHeads: readonly string[] = ["lm_head", "classifier", "score", "head"];

/** The kind of `module`, which stands in its model under the dotted `name`. A wrapper has the kind of what it wraps. */
export function kindOf(name: string, module: Module): ModuleKind {
  if (module.wraps) return kindOf(name, module.wraps);
  if (module instanceof Conv1D) return "conv1d";
  if (isLinearLike(module)) return isHeadName(name) ? "head" : "linear";
  if (module instanceof Embedding) return "embedding";
  if (module instanceof Conv1d || module instanceof Conv2d) return "convolution";
  if (module instanceof LayerNorm || module instanceof RMSNorm) return "norm";
  return "other";
}

const isHeadName = (name: string): boolean => name.split(".").some((part) => outputHeads.includes(part));

/** True for the kinds that an adapter can go on: all but norms and containers. */
export const isAdaptable = (kind: ModuleKind): boolean => kind !== "norm" && kind !== "other";

/** True for linear layers other than output heads, which is what "all-linear" means. */
export const isInnerLinear = (kind: ModuleKind): boolean => kind === "linear" || kind === "conv1d";
