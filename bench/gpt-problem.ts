// The training problem that every library gets: GPT-2's architecture (pre-LN, learned positions, gelu in its tanh
// form, tied head) with dropout off, one batch of random tokens, AdamW with PyTorch's defaults.

import { normal, uniform } from "./random.ts";

export interface GptConfig {
  vocabulary: number; // V
  context: number; // T
  width: number; // d
  layers: number;
  heads: number;
  batch: number; // B
}

/** The GPT of the issue: 0.8 million parameters, 1,024 tokens a step. */
export const SMALL_GPT: GptConfig = {
  vocabulary: 96,
  context: 64,
  width: 128,
  layers: 4,
  heads: 4,
  batch: 16,
};

/** torch.optim.AdamW's defaults; weight decay on every parameter. */
export const ADAMW = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 };

export const LAYER_NORM_EPS = 1e-5;

/** A weight under its Hugging Face name; linear layers are [in, out], as GPT-2's Conv1D stores them. */
export interface Parameter {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

export interface Batch {
  inputs: Int32Array; // [B, T]
  targets: Int32Array; // [B, T]
}

/** Name and shape of every parameter, in the order of the forward pass. */
export function parameterShapes({ vocabulary, context, width: d, layers }: GptConfig): [string, number[]][] {
  const layerNorm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [d]],
    [`${name}.bias`, [d]],
  ];
  const linear = (name: string, from: number, to: number): [string, number[]][] => [
    [`${name}.weight`, [from, to]],
    [`${name}.bias`, [to]],
  ];
  const block = (h: string) => [
    ...layerNorm(`${h}.ln_1`),
    ...linear(`${h}.attn.c_attn`, d, 3 * d),
    ...linear(`${h}.attn.c_proj`, d, d),
    ...layerNorm(`${h}.ln_2`),
    ...linear(`${h}.mlp.c_fc`, d, 4 * d),
    ...linear(`${h}.mlp.c_proj`, 4 * d, d),
  ];
  return [
    ["wte.weight", [vocabulary, d]],
    ["wpe.weight", [context, d]],
    ...Array.from({ length: layers }, (_, i) => block(`h.${i}`)).flat(),
    ...layerNorm("ln_f"),
  ];
}

/**
 * Weights drawn from N(0, 0.02²), layer norms' gains around one. Biases are drawn too (GPT-2 starts them at zero),
 * so that a library that drops one is found out.
 */
export function initialWeights(config: GptConfig, seed: number): Parameter[] {
  const next = normal(seed);
  return parameterShapes(config).map(([name, shape]) => {
    const centre = /ln_\w+\.weight$/.test(name) ? 1 : 0;
    const size = shape.reduce((product, extent) => product * extent, 1);
    return { name, shape, data: Float32Array.from({ length: size }, () => centre + 0.02 * next()) };
  });
}

/** Random tokens; the target of a position is the next token. */
export function randomBatch({ vocabulary, context, batch }: GptConfig, seed: number): Batch {
  const next = uniform(seed);
  const inputs = Int32Array.from({ length: batch * context }, () => Math.floor(next() * vocabulary));
  const targets = Int32Array.from(inputs, (_, i) =>
    (i + 1) % context === 0 ? Math.floor(next() * vocabulary) : inputs[i + 1],
  );
  return { inputs, targets };
}
