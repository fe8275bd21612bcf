/**
 * @file The methods that LoRA's paper compares, as arms of a study. The rate of a method is one of three; the members of
 * a family, such as neighbouring ranks, share the rate that was chosen for one of them.
 */
import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import type { GPT2, LanguageModel } from "lowrank/nn";
import { accuracy } from "../../support/experiments/evaluation.ts";
import { adamW } from "../../support/experiments/harness.ts";
import {
  type Arm,
  type ArmResult,
  type Shift,
  type StudyOptions,
  study,
} from "../../support/experiments/study.ts";
import { adapterH, bitFit, prefixLayer } from "../../support/methods/baselines.ts";
import { separateAttention } from "../../support/methods/separate-attention.ts";
import { type TrainedUpdate, updatesOf } from "./subspaces.ts";

export interface Method<M extends LanguageModel = GPT2> {
  readonly name: string;
  /** The name of the method whose search chooses the rate of this one. */
  readonly ratedAs: string;
  /** The rates to choose from; where nothing is searched, the middle one is taken. */
  readonly rates: readonly [number, number, number];
  /** Changes a copy of the base so that exactly the method's parameters are trainable. */
  prepare(model: M, seed: number): unknown;
}

export const full: Method<LanguageModel> = {
  name: "full fine-tuning",
  ratedAs: "full fine-tuning",
  rates: [5e-4, 1e-3, 2e-3],
  prepare: (model) => model.requiresGrad_(),
};
export const biases: Method = {
  name: "BitFit",
  ratedAs: "BitFit",
  rates: [1e-2, 2e-2, 4e-2],
  prepare: bitFit,
};
export const adapters = (width: number): Method => ({
  name: `adapters, width ${width}`,
  ratedAs: `adapters, width ${width}`,
  rates: [1e-2, 2e-2, 4e-2],
  prepare: (model, seed) => adapterH(model, { width, rng: random(seed) }),
});
export const prefix = (tokens: number): Method => ({
  name: `prefix, ${tokens} tokens`,
  ratedAs: `prefix, ${tokens} tokens`,
  rates: [2e-2, 4e-2, 8e-2],
  prepare: (model, seed) => prefixLayer(model, { tokens, rng: random(seed) }),
});

/** α of every run, whatever r is, as in §4.1 of the paper. */
export const ALPHA = 16;
const RATES = [5e-3, 1e-2, 2e-2] as const;

/** LoRA on all linear layers. */
export const everywhere = (rank: number, alpha = ALPHA): Method<LanguageModel> => ({
  name: `LoRA, all layers, r = ${rank}`,
  ratedAs: "LoRA, all layers, r = 4",
  rates: RATES,
  prepare: (model, seed) =>
    inject(model, { method: "lora", rank, alpha, target: "all-linear", seed: 1000 * rank + seed }),
});

const LAYERS: Readonly<Record<string, string>> = {
  q: "c_attn.q",
  k: "c_attn.k",
  v: "c_attn.v",
  o: "attn.c_proj",
};

/** "W_q, W_v" for "qv". */
const listed = (matrices: string): string => [...matrices].map((letter) => `W_${letter}`).join(", ");

/** LoRA on the attention matrices named by letters of "qkvo". Each rank starts from an A of its own. */
export const lora = (matrices: string, rank: number, alpha = ALPHA): Method => ({
  name: `LoRA, ${listed(matrices)}, r = ${rank}`,
  ratedAs: `LoRA, ${listed(matrices.length === 1 ? "q" : "qv")}, r = ${matrices.length > 1 && rank <= 2 ? 1 : 8}`,
  rates: RATES,
  prepare: (model, seed) =>
    inject(separateAttention(model), {
      method: "lora",
      rank,
      alpha,
      target: [...matrices].map((letter) => LAYERS[letter]),
      seed: 1000 * rank + seed,
    }),
});

/** The updates of an adapted model, by layer. */
export type Updates = ReadonlyMap<string, TrainedUpdate>;

/** What is kept of a run. */
export interface Kept {
  /** LoRA's updates, if they are to be kept. */
  readonly updates: Updates;
  /** The part of the held-out rows that is right to the last character, if it is to be measured. */
  readonly right: number;
}

type Keep = "nothing" | "updates" | "accuracy";

function armOf<M extends LanguageModel>(
  method: Method<M>,
  rates: readonly number[],
  read: (model: M) => Kept = () => NOTHING,
): Arm<M, M, Kept> {
  return {
    name: method.name,
    rates,
    prepare: (model, { rate, seed }) => {
      method.prepare(model, seed);
      return { module: model, adapted: model, optimizer: adamW(model, rate) };
    },
    read,
  };
}

const NOTHING: Kept = { updates: new Map(), right: Number.NaN };

/**
 * Tries three rates for each method, and up to two more where the best is at the edge, in half of the steps; on rows and with seeds that are not reported. Without search
 * seeds, nothing.
 */
export function search<M extends LanguageModel>(
  methods: readonly Method<M>[],
  shift: Shift<M>,
  { steps, rows, seeds }: { readonly steps: number; readonly rows: number; readonly seeds: number },
): ArmResult<Kept>[] {
  if (seeds === 0) return [];
  const arms = methods.map((method) => armOf(method, method.rates));
  return study(arms, [shift], {
    steps,
    searchSteps: Math.ceil(steps / 2),
    rows,
    search: seeds,
    widen: 2,
    seeds: 0,
  });
}

/** Runs the methods at their rates. @param keep of each run @default "nothing" */
export function run<M extends LanguageModel>(
  methods: readonly Method<M>[],
  shifts: readonly Shift<M>[],
  {
    searched,
    keep = "nothing",
    ...options
  }: StudyOptions & { readonly searched: readonly ArmResult<unknown>[]; readonly keep?: Keep },
): ArmResult<Kept>[] {
  if (methods.length === 0) return [];
  const chosen = new Map(searched.map(({ arm, rate }) => [arm, rate]));
  const [{ domain }] = shifts; // that of the other bases, too
  const read = {
    nothing: () => NOTHING,
    updates: (model: M): Kept => ({ ...NOTHING, updates: updatesOf(model) }),
    accuracy: (model: M): Kept => ({ ...NOTHING, right: accuracy(model, domain) }),
  }[keep];
  const arms = methods.map((method) => {
    const rate = chosen.get(method.name) ?? chosen.get(method.ratedAs) ?? method.rates[1];
    return armOf(method, [rate], read);
  });
  return study(arms, shifts, options);
}
