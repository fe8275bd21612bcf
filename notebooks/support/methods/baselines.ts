/**
 * @file The baselines of LoRA's paper (§5.1) on a GPT-2. Each function changes the model in place so that exactly the
 * method's parameters are trainable, and returns it.
 */
import {
  add,
  broadcastTo,
  concat,
  linear,
  type Parameter,
  parameter,
  relu,
  slice,
  Tensor,
} from "lowrank/autograd";
import { type Random, zeros } from "lowrank/core";
import { type AttendOptions, type GPT2, type GPT2Block, kaimingUniform, LayerNorm, Module } from "lowrank/nn";

/** FT: every parameter. */
export function fullFineTuning(model: GPT2): GPT2 {
  model.requiresGrad_();
  return model;
}

/** FT-TopN: every parameter of the last blocks. */
export function lastBlocks(model: GPT2, blocks: number): GPT2 {
  model.requiresGrad_(false);
  for (const block of model.transformer.h.slice(-blocks)) block.requiresGrad_();
  return model;
}

/** BitFit (Ben Zaken et al., 2021, arXiv:2106.10199): every bias, including those of the layer norms. */
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
      model.replaceModule(`transformer.h.${i}.${part}`, new LayerThenAdapter(block[part], adapter));
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
    model.replaceModule(`transformer.h.${i}`, new LayerThenAdapter(block, adapter));
  });
  return model;
}

export interface PrefixOptions {
  /** Number of trained tokens before the prompt, l_p. */
  readonly tokens: number;
  readonly rng: Random;
}

/** PreEmbed (§5.1): trained embeddings for tokens before the prompt. */
export function prefixEmbedding(model: GPT2, { tokens, rng }: PrefixOptions): GPT2 {
  return withPrefix(model, tokens, (block) => (block === 0 ? someEmbeddings(model, tokens, rng) : null));
}

/** PreLayer (§5.1): as PreEmbed, and before every block trained activations replace those of the tokens. */
export function prefixLayer(model: GPT2, { tokens, rng }: PrefixOptions): GPT2 {
  return withPrefix(model, tokens, () => someEmbeddings(model, tokens, rng));
}

function withPrefix(model: GPT2, tokens: number, start: (block: number) => Parameter | null): GPT2 {
  model.requiresGrad_(false);
  const last = model.transformer.h.length - 1;
  model.transformer.h.forEach((block, i) => {
    const place = { tokens, enters: i === 0, leaves: i === last };
    model.replaceModule(`transformer.h.${i}`, new Prefixed(block, start(i), place));
  });
  return model;
}

/** The start of a prefix, [tokens, d]: embeddings of random symbols. */
function someEmbeddings({ config, transformer }: GPT2, tokens: number, rng: Random): Parameter {
  const chosen = Array.from({ length: tokens }, () => rng.integer(config.vocab_size));
  return parameter(transformer.wte.forward(chosen).detach().value, "adapters");
}

/** Position of a block in the model, which decides where the prefix is added and removed. */
interface Place {
  readonly tokens: number;
  /** The first block: the prefix is put before the text. */
  readonly enters: boolean;
  /** The last block: the prefix is removed after it. */
  readonly leaves: boolean;
}

/** A block whose input has a prefix. */
class Prefixed extends Module {
  readonly block: GPT2Block;
  /** Trained prefix before this block, [tokens, d]; null if the block takes the previous block's output unchanged. */
  prefix: Parameter | null;
  readonly place: Place;

  constructor(block: GPT2Block, prefix: Parameter | null, place: Place) {
    super();
    this.block = block;
    this.prefix = prefix;
    this.place = place;
  }

  /** x [batch, time, d] before the first block, [batch, tokens + time, d] before the others. */
  forward(x: Tensor, { mask }: AttendOptions = {}): Tensor {
    const { block, prefix, place } = this;
    const { tokens, enters, leaves } = place;
    let h = x;
    if (prefix) {
      const text = enters ? x : slice(x, 1, tokens);
      h = concat([broadcastTo(prefix, [x.shape[0], ...prefix.shape]), text], 1); // [batch, tokens + time, d]
    }
    const seen = mask && concat([new Tensor(zeros([x.shape[0], 1, 1, tokens])), mask], -1); // all see the prefix
    const y = block.forward(h, { mask: seen });
    return leaves ? slice(y, 1, tokens) : y;
  }
}

/** y + W_up relu(W_down norm(y) + b_down) + b_up; W_up and b_up start at zero, so that the start is the identity. */
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

/** A layer, and an adapter on its output. */
class LayerThenAdapter<Input extends unknown[]> extends Module {
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
