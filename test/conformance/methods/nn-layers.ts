/** @file Layers against PyTorch: y, and the gradients of Σ y ∘ g in inputs and weights. */

import { concat, type Tensor, transpose } from "lowrank/autograd";
import { type NDArray, random, slice } from "lowrank/core";
import {
  Conv1D,
  Embedding,
  GPT2Attention,
  LayerNorm,
  Linear,
  type Module,
  MultiHeadAttention,
  modelConfig,
  RMSNorm,
  Rotary,
  SwiGLU,
  scaledDotProductAttention,
} from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import {
  arrayOf,
  differentiate,
  fill,
  indicesOf,
  type Method,
  type Methods,
  type Outputs,
  shapeOf,
  variable,
} from "./method.ts";

interface TensorLayer extends Module {
  forward(x: Tensor): Tensor;
}

/** y = layer(x), the parameters of the layer taken from inputs; gradients in them bear the inputs' names. */
function onInput(c: LoadedCase, layer: TensorLayer, inputs: Readonly<Record<string, string>>): Outputs {
  const x = variable(c, "x");
  return differentiate(c, fill(c, layer, inputs).forward(x), { x, ...parametersOf(layer, inputs) });
}

/** The layer's parameters, under the names of the inputs they were taken from. */
function parametersOf(layer: Module, inputs: Readonly<Record<string, string>>) {
  const named = new Map(layer.namedParameters());
  return Object.fromEntries(
    Object.entries(inputs).map(([parameter, input]) => [input, named.get(parameter)]),
  );
}

const weightAndBias = { weight: "weight", bias: "bias" };

export const nnLayers: Methods = {
  "nn-linear*": (c) => {
    const [out, inner] = shapeOf(c, "weight");
    return onInput(c, new Linear(inner, out, { bias: c.inputs.has("bias") }), weightAndBias);
  },
  "nn-conv1d-linear*": (c) => {
    const [inner, out] = shapeOf(c, "weight");
    return onInput(c, new Conv1D(inner, out), weightAndBias);
  },
  "nn-embedding*": (c) => {
    const [num, dim] = shapeOf(c, "weight");
    const layer = fill(c, new Embedding(num, dim), { weight: "weight" });
    return differentiate(c, layer.forward(indicesOf(c, "ids")), { weight: layer.weight });
  },
  "nn-layernorm*": (c) => {
    const [n] = shapeOf(c, "weight");
    return onInput(c, new LayerNorm(n, { eps: c.params.number("eps") }), weightAndBias);
  },
  "nn-rmsnorm*": (c) => {
    const [n] = shapeOf(c, "weight");
    return onInput(c, new RMSNorm(n, { eps: c.params.number("eps") }), { weight: "weight" });
  },
  "nn-swiglu*": (c) => {
    const [hidden, dim] = shapeOf(c, "gate");
    const inputs = { "gate_proj.weight": "gate", "up_proj.weight": "up", "down_proj.weight": "down" };
    return onInput(c, new SwiGLU(dim, hidden), inputs);
  },

  "nn-rope*": (c) => {
    const x = variable(c, "x");
    const [time, d] = x.shape.slice(-2);
    const rotary = new Rotary(d, { base: c.params.number("theta") });
    return differentiate(c, rotary.turn(x, rotary.angles(time)), { x });
  },
  "nn-attention-full": attention(false),
  "nn-attention-causal": attention(true),
  "nn-attention-gqa": attention(true),
  "nn-multihead-causal": (c) => {
    const n_embd = shapeOf(c, "x")[2];
    const config = modelConfig({ model_type: "gpt2", n_embd, n_head: c.params.number("heads") });
    return onInput(c, new GPT2Attention(config, random(0)).eval(), {
      "c_attn.weight": "w_qkv",
      "c_attn.bias": "b_qkv",
      "c_proj.weight": "w_o",
      "c_proj.bias": "b_o",
    });
  },
  "nn-multihead-torch": torchAttention,
};

/** softmax(scale · q kᵀ) v. A key and value head serves as many consecutive query heads as there are to each. */
function attention(causal: boolean): Method {
  return (c) => {
    const [q, k, v] = ["q", "k", "v"].map((name) => variable(c, name));
    const scale =
      c.params.values.scale === "dim ** -0.5" ? (q.shape.at(-1) as number) ** -0.5 : c.params.number("scale");
    return differentiate(c, scaledDotProductAttention(q, k, v, { causal, scale }), { q, k, v });
  };
}

/** torch's attention: the rows of w_in are those of q, k and v one after the other; x [time, batch, dim]. */
function torchAttention(c: LoadedCase): Outputs {
  const [x, dim] = [variable(c, "x"), c.params.number("embed_dim")];
  const layer = new MultiHeadAttention(dim, c.params.number("heads"), { causal: true });
  const rows = (name: string, part: number): NDArray =>
    slice(arrayOf(c, name), 0, part * dim, (part + 1) * dim);
  const parts = ["q_proj", "k_proj", "v_proj"];
  layer.loadStateDict(
    new Map([
      ...parts.map((part, i) => [`${part}.weight`, rows("w_in", i)] as const),
      ...parts.map((part, i) => [`${part}.bias`, rows("b_in", i)] as const),
      ["o_proj.weight", arrayOf(c, "w_out")],
      ["o_proj.bias", arrayOf(c, "b_out")],
    ]),
  );
  const y = transpose(layer.forward(transpose(x, 0, 1)), 0, 1);
  const named = new Map(layer.namedParameters());
  const outputs = differentiate(c, y, {
    x,
    w_out: named.get("o_proj.weight"),
    b_out: named.get("o_proj.bias"),
  });
  const stacked = (field: string): Tensor =>
    concat(parts.map((part) => named.get(`${part}.${field}`)?.grad as Tensor));
  return { ...outputs, grad_w_in: stacked("weight"), grad_b_in: stacked("bias") };
}
