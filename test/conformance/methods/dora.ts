/** @file DoRA on single layers, against PEFT. The cases' magnitude is m [out]. */

import { matmul, noGrad } from "lowrank/autograd";
import type { DoRA } from "lowrank/lora";
import type { LoadedCase } from "../cases.ts";
import {
  adapt,
  convolutionOf,
  embeddingOf,
  inLayout,
  type Layer,
  layerOutputs,
  likeInput,
  linearOf,
  viewWeight,
} from "./adapted.ts";
import type { Methods, Outputs } from "./method.ts";

export const dora: Methods = {
  "dora-linear": (c) => doraOutputs(c, linearOf(c)),
  "dora-embedding": (c) => doraOutputs(c, embeddingOf(c)),
  "dora-conv2d": (c) => doraOutputs(c, convolutionOf(c)),
};

function doraOutputs(c: LoadedCase, layer: Layer): Outputs {
  const { model, adapter } = adapt<DoRA>(c, layer, "dora");
  const initial_magnitude = likeInput(c, "magnitude", adapter.m.clone());
  const outputs = layerOutputs(c, { model, adapter }, { magnitude: adapter.m });
  return noGrad(() => {
    const { A, B, scaling } = adapter;
    return {
      ...outputs,
      initial_magnitude,
      weight_norm: adapter.direction(viewWeight(model)).norm(1),
      delta: inLayout(model, matmul(B, A).mul(scaling)), // of V', not of W'
    };
  });
}
