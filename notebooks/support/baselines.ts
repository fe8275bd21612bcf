/**
 * @file What LoRA is compared with (§5.1 of the paper), on a GPT-2. Each function changes the model in place so that
 * exactly the method's parameters are trainable, and returns it.
 */
import { add, linear, type Parameter, parameter, relu, type Tensor } from "lowrank/autograd";
import { type Random, zeros } from "lowrank/core";
import { type GPT2, kaimingUniform, LayerNorm, Module } from "lowrank/nn";

/** FT: every parameter. */
export function fullFineTuning(model: GPT2): GPT2 {
  model.requiresGrad_();
  return model;
}

/** FT-TopN: all of the last blocks. */
export function lastBlocks(model: GPT2, blocks: number): GPT2 {
  model.requiresGrad_(false);
  for (const block of model.transformer.h.slice(-blocks)) block.requiresGrad_();
  return model;
}

/** BitFit (Ben Zaken et al., 2021, arXiv:2106.10199): every bias, those of the layer norms too. */
export function bitFit(model: GPT2): GPT2 {
  model.requiresGrad_(false);
  for (const [name, parameter] of model.namedParameters())
    if (name.endsWith(".bias")) parameter.requiresGrad = true;
  return model;
}

export interface AdapterLayerOptions {
  /** Width r of the bottleneck. */
  readonly width: number;
  readonly rng: Random;
}

/** Adapter^H (Houlsby et al., 2019, arXiv:1902.00751): two per block, after attention and after the MLP. */
export function adapterH(model: GPT2, options: AdapterLayerOptions): GPT2 {
  return bottlenecks(model, ["attn", "mlp"], options);
}

/** Adapter^P (Pfeiffer et al., 2020, arXiv:2005.00247): one per block, after the MLP. */
export function adapterP(model: GPT2, options: AdapterLayerOptions): GPT2 {
  return bottlenecks(model, ["mlp"], options);
}

function bottlenecks(
  model: GPT2,
  parts: readonly ("attn" | "mlp")[],
  { width, rng }: AdapterLayerOptions,
): GPT2 {
  model.requiresGrad_(false);
  const d = model.config.n_embd;
  model.transformer.h.forEach((block, i) => {
    for (const part of parts) {
      const adapter = new Bottleneck(d, { width, rng });
      model.replaceModule(`transformer.h.${i}.${part}`, new Followed(block[part], adapter));
    }
  });
  return model;
}

/** Adapter^L (Lin et al., 2020, arXiv:2004.03829): one per block, after the MLP, with a layer norm of its own. */
export function adapterL(model: GPT2, { width, rng }: AdapterLayerOptions): GPT2 {
  model.requiresGrad_(false);
  const d = model.config.n_embd;
  model.transformer.h.forEach((block, i) => {
    const adapter = new Bottleneck(d, { width, rng, norm: new LayerNorm(d) });
    model.replaceModule(`transformer.h.${i}`, new Followed(block, adapter));
  });
  return model;
}

/** y + W_up relu(W_down norm(y) + b_down) + b_up; W_up and b_up start at zero, so that at first nothing changes. */
class Bottleneck extends Module {
  norm: LayerNorm | null;
  down: Parameter;
  downBias: Parameter;
  up: Parameter;
  upBias: Parameter;

  constructor(
    d: number,
    { width, rng, norm = null }: AdapterLayerOptions & { readonly norm?: LayerNorm | null },
  ) {
    super();
    this.norm = norm;
    this.down = parameter(kaimingUniform(rng, [width, d], d), "adapters");
    this.downBias = parameter(zeros([width]), "adapters");
    this.up = parameter(zeros([d, width]), "adapters");
    this.upBias = parameter(zeros([d]), "adapters");
  }

  forward(y: Tensor): Tensor {
    const h = relu(linear(this.norm ? this.norm.forward(y) : y, this.down, this.downBias)); // [..., width]
    return add(y, linear(h, this.up, this.upBias)); //                                         [..., d]
  }
}

/** A layer and then an adapter on its output. */
class Followed<Input extends unknown[]> extends Module {
  readonly layer: Module & { forward(...input: Input): Tensor };
  readonly adapter: Bottleneck;

  constructor(layer: Module & { forward(...input: Input): Tensor }, adapter: Bottleneck) {
    super();
    this.layer = layer;
    this.adapter = adapter;
  }

  forward(...input: Input): Tensor {
    return this.adapter.forward(this.layer.forward(...input));
  }
}
