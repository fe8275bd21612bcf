/** @file LoRA on single layers, against PEFT and loralib. */

import { noGrad } from "lowrank/autograd";
import type { LoRA } from "lowrank/lora";
import type { LoadedCase } from "../cases.ts";
import {
  adapt,
  convolutionOf,
  embeddingOf,
  inLayout,
  type Layer,
  layerOutputs,
  linearOf,
} from "./adapted.ts";
import { type Methods, NotBuilt, type Outputs } from "./method.ts";

export const lora: Methods = {
  "lora-linear": (c) => loraOutputs(c, linearOf(c)),
  "lora-embedding": (c) => loraOutputs(c, embeddingOf(c)),
  "lora-conv1d": convolution,
  "lora-conv2d": convolution,
};

function loraOutputs(c: LoadedCase, base: Layer): Outputs {
  const adapted = adapt<LoRA>(c, base, "lora");
  const outputs = layerOutputs(c, adapted);
  return { ...outputs, delta: noGrad(() => inLayout(adapted.model, adapted.adapter.deltaWeight())) };
}

function convolution(c: LoadedCase): Outputs {
  if (c.params.string("implementation") === "loralib") throw new NotBuilt(`${c.method} in loralib's form`);
  return loraOutputs(c, convolutionOf(c));
}
