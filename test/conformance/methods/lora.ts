/** @file LoRA on single layers, against PEFT and loralib. */

import { noGrad } from "lowrank/autograd";
import { Linear } from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import {
  type Adapted,
  adapt,
  convolutionOf,
  embeddingOf,
  inLayout,
  type Layer,
  type LowRankAdapter,
  layerOutputs,
  linearOf,
  viewWeight,
} from "./adapted.ts";
import { fill, type Methods, type Outputs } from "./method.ts";

export const lora: Methods = {
  "lora-linear": (c) => loraOutputs(c, linearOf(c)),
  "lora-embedding": (c) => loraOutputs(c, embeddingOf(c)),
  "lora-conv1d": convolution,
  "lora-conv2d": convolution,
  "lora-merged-linear": (c) => {
    const [into, out] = [c.params.number("in_features"), c.params.number("out_features")];
    const base = fill(c, new Linear(into, out), { weight: "base_weight", bias: "base_bias" });
    return withDelta(adapt(c, base, "merged-linear", { slices: c.params.booleans("enable_lora") }), c);
  },
};

const loraOutputs = (c: LoadedCase, base: Layer): Outputs => withDelta(adapt(c, base, "lora"), c);

function convolution(c: LoadedCase): Outputs {
  const own = c.params.oneOf("implementation", ["peft", "loralib"]) === "loralib";
  return withDelta(adapt(c, convolutionOf(c), own ? "lora-conv" : "lora"), c);
}

/** What is asked of every layer, and ΔW in the layer's own layout. */
function withDelta<A extends LowRankAdapter>(adapted: Adapted<A>, c: LoadedCase): Outputs {
  const { model, adapter } = adapted;
  const outputs = layerOutputs(c, adapted);
  return { ...outputs, delta: noGrad(() => inLayout(model, adapter.deltaWeight(viewWeight(model)))) };
}
