/**
 * @file One layer with one adapter, as the cases of the LoRA family describe it. Their names for our fields: lora_A is
 * A [r, in], lora_B is B [out, r] (with the axes of a kernel where the layer is a convolution).
 */

import { noGrad, type Parameter, type Tensor, tensor } from "lowrank/autograd";
import {
  type AdaptedLayer,
  type AdaptedModel,
  type Adapter,
  type AdapterConfig,
  inject,
  type LayerInput,
  type WeightView,
} from "lowrank/lora";
import { Conv1D, Conv1d, Conv2d, Embedding, Linear, Module } from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import {
  arrayOf,
  differentiate,
  fill,
  indicesOf,
  type Output,
  type Outputs,
  shapeOf,
  variable,
} from "./method.ts";

/** An adapter whose factors are A and B. */
export interface LowRankAdapter extends Adapter {
  readonly A: Parameter;
  readonly B: Parameter;
}

/** A layer of any kind. */
export type Layer = Module & { readonly weight: Parameter; forward(x: LayerInput): Tensor };

/** A model of one layer, which adapters can be put on. */
class OneLayer extends Module {
  layer: Layer;

  constructor(layer: Layer) {
    super();
    this.layer = layer;
  }

  forward(x: LayerInput): Tensor {
    return this.layer.forward(x);
  }
}

export interface Adapted<A extends LowRankAdapter> {
  readonly model: AdaptedModel<OneLayer>;
  readonly adapter: A;
}

/** `layer` with an adapter that has the case's settings, and `options` of its method; its first values are the library's. */
export function adapt<A extends LowRankAdapter>(
  c: LoadedCase,
  layer: Layer,
  method: AdapterConfig["method"],
  options: Readonly<Record<string, unknown>> = {},
): Adapted<A> {
  const model = inject(new OneLayer(layer), {
    method,
    target: "layer",
    rank: c.params.number("r"),
    alpha: c.params.number("lora_alpha"),
    rankStabilized: c.params.boolean("use_rslora", false),
    dropout: c.params.number("lora_dropout", 0),
    ...options,
  });
  model.eval(); // dropout is off in all cases
  return { model, adapter: model.adapter("default").get("layer") as A };
}

/** The base layer of a case: a Conv1D where the weight is stored [in, out]. */
export function linearOf(c: LoadedCase): Linear | Conv1D {
  const [inner, out] = [c.params.number("in_features"), c.params.number("out_features")];
  const bias = c.params.boolean("bias");
  if (!c.params.boolean("fan_in_fan_out", false)) {
    return fill(c, new Linear(inner, out, { bias }), { weight: "base_weight", bias: "base_bias" });
  }
  const layer = new Conv1D(inner, out);
  layer.weight.assign(arrayOf(c, "base_weight"));
  if (bias) layer.bias.assign(arrayOf(c, "base_bias")); // else it is zero, as it starts
  return layer;
}

export function embeddingOf(c: LoadedCase): Embedding {
  const [num, dim] = [c.params.number("num_embeddings"), c.params.number("embedding_dim")];
  return fill(c, new Embedding(num, dim), { weight: "base_weight" });
}

export function convolutionOf(c: LoadedCase): Conv1d | Conv2d {
  const [inner, out, kernel] = ["in_channels", "out_channels", "kernel_size"].map((name) =>
    c.params.number(name),
  );
  const [stride, padding, dilation, groups] = ["stride", "padding", "dilation", "groups"].map((name) =>
    c.params.number(name),
  );
  const options = { stride, padding, dilation, groups, bias: c.params.boolean("bias") };
  const layer =
    c.params.number("dims") === 1
      ? new Conv1d(inner, out, kernel, options)
      : new Conv2d(inner, out, kernel, options);
  return fill(c, layer, { weight: "base_weight", bias: "base_bias" });
}

/** The case's layer input: ids, or activations whose gradient is wanted. */
export function inputOf(c: LoadedCase): { input: LayerInput; leaves: Readonly<Record<string, Tensor>> } {
  if (c.inputs.has("ids")) return { input: indicesOf(c, "ids"), leaves: {} };
  const x = variable(c, "x");
  return { input: x, leaves: { x } };
}

/**
 * Gives the adapter the values of inputs (A those of lora_A, B those of lora_B, and others as `more` says) and computes
 * what cases of every method ask of an adapted layer.
 */
export function layerOutputs<A extends LowRankAdapter>(
  c: LoadedCase,
  { model, adapter }: Adapted<A>,
  more: Readonly<Record<string, Parameter>> = {},
): Outputs {
  const factors = { lora_A: adapter.A, lora_B: adapter.B, ...more };
  for (const [name, factor] of Object.entries(factors)) factor.assign(arrayOf(c, name).data);
  const { input, leaves } = inputOf(c);
  const adapted = differentiate(c, model.forward(input), { ...leaves, ...factors });
  const gradients = Object.keys(factors).map((name) => {
    const gradient = `grad_${name}`;
    return [gradient, likeInput(c, name, adapted[gradient])];
  });
  return noGrad(() => {
    const y_base = model.disabled(() => model.forward(input));
    model.merge();
    const merged = { merged_weight: weightOf(model), y_merged: model.forward(input) };
    model.unmerge();
    return {
      ...adapted,
      ...Object.fromEntries(gradients),
      ...merged,
      y_base,
      scaling: adapter.scaling,
      unmerged_weight: weightOf(model),
    };
  });
}

/** The one adapted layer. */
const layerOf = (model: AdaptedModel): AdaptedLayer => model.layers.get("layer") as AdaptedLayer;

/** The weight that the layer computes with. */
const weightOf = (model: AdaptedModel): Tensor => (layerOf(model).base as Layer).weight;

/** The layer as a matrix [out, in]. */
export const viewWeight = (model: AdaptedModel): WeightView => layerOf(model).site;

/** A change of the weight [out, in], in the layout in which the layer stores its weight. */
export const inLayout = (model: AdaptedModel, delta: Tensor): Tensor =>
  (viewWeight(model).withWeight(delta.value) as Layer).weight;

/** `values` with the axes that the case's input of that name has. */
export function likeInput(c: LoadedCase, name: string, values: Output): Output {
  return values !== null && typeof values === "object" && "value" in values
    ? tensor(values.value.data, shapeOf(c, name))
    : values;
}
