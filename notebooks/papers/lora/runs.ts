/** @file The methods that LoRA's paper compares, and their runs on small models; a run is made once and then cached. */
import { random } from "lowrank/core";
import { inject, type Target } from "lowrank/lora";
import type { GPT2 } from "lowrank/nn";
import type { Domain } from "../../support/data/domain.ts";
import type { BaseModel } from "../../support/experiments/base-model.ts";
import {
  adapterH,
  adapterL,
  bitFit,
  fullFineTuning,
  lastBlocks,
  prefixEmbedding,
  prefixLayer,
} from "../../support/experiments/baselines.ts";
import { accuracy, validationLoss } from "../../support/experiments/evaluation.ts";
import { type Adaptation, adapt } from "../../support/experiments/harness.ts";
import { separateAttention } from "../../support/experiments/separate-attention.ts";
import { progress } from "../../support/terminal/progress.ts";
import { type TrainedUpdate, updatesOf } from "./subspaces.ts";

/** A method: it prepares a model so that exactly the method's parameters are trainable. */
export interface Method {
  readonly name: string;
  readonly lr: number;
  readonly prepare: (model: GPT2, seed: number) => GPT2;
}

export const full: Method = { name: "full fine-tuning", lr: 2e-3, prepare: fullFineTuning };
export const lastBlock: Method = { name: "last block", lr: 3e-3, prepare: (model) => lastBlocks(model, 1) };
export const biases: Method = { name: "BitFit", lr: 1e-2, prepare: bitFit };

export const houlsby = (width: number): Method => ({
  name: `AdapterH, r = ${width}`,
  lr: 1e-2,
  prepare: (model, seed) => adapterH(model, { width, rng: random(seed) }),
});
export const lin = (width: number): Method => ({
  name: `AdapterL, r = ${width}`,
  lr: 5e-3,
  prepare: (model, seed) => adapterL(model, { width, rng: random(seed) }),
});
export const preEmbed = (tokens: number): Method => ({
  name: `PreEmbed, l = ${tokens}`,
  lr: 5e-2,
  prepare: (model, seed) => prefixEmbedding(model, { tokens, rng: random(seed) }),
});
export const preLayer = (tokens: number): Method => ({
  name: `PreLayer, l = ${tokens}`,
  lr: 5e-2,
  prepare: (model, seed) => prefixLayer(model, { tokens, rng: random(seed) }),
});

const MATRICES: Readonly<Record<string, string>> = {
  q: "c_attn.q",
  k: "c_attn.k",
  v: "c_attn.v",
  o: "attn.c_proj",
};
/** "W_q, W_v" for "qv". */
export const subscripted = (matrices: string): string =>
  [...matrices].map((letter) => `W_${letter}`).join(", ");

/** LoRA on the matrices named by letters of "qkvo": "qv" for W_q and W_v. Each rank starts from an A of its own. */
export const lora = (matrices: string, rank: number): Method => ({
  name: `LoRA ${subscripted(matrices)}, r = ${rank}`,
  lr: 1e-2,
  prepare(model, seed) {
    const target = [...matrices].map((letter) => MATRICES[letter]);
    return withLora(separateAttention(model), target, rank, 1000 * rank + seed);
  },
});
export const loraEverywhere = (rank: number): Method => ({
  name: `LoRA, all linear layers, r = ${rank}`,
  lr: 1e-2,
  prepare: (model, seed) => withLora(model, "all-linear", rank, seed),
});

function withLora(model: GPT2, target: Target, rank: number, seed: number): GPT2 {
  inject(model, { method: "lora", rank, alpha: 2 * rank, target, seed });
  return model;
}

/** A base model and the domain to which it is adapted. */
export interface Shift {
  readonly name: string;
  readonly kind: "near" | "far";
  readonly base: BaseModel;
  readonly target: Domain;
  /** Rows of a batch. */
  readonly rows: number;
  /** The target's loss before any adaptation, in nats. */
  readonly before: number;
}

export function shiftTo({ kind, base, target, rows }: Omit<Shift, "name" | "before">): Shift {
  return { name: target.name, kind, base, target, rows, before: validationLoss(base.copy(), target) };
}

export type Run = Adaptation<{
  readonly accuracy: number;
  /** LoRA's updates by layer; empty for other methods. */
  readonly updates: ReadonlyMap<string, TrainedUpdate>;
}>;

/** The runs of a notebook by shift, method and seed. A run that two tables need is made once. */
export class Study {
  readonly steps: number;
  readonly seeds: number;
  readonly made = new Map<string, Run>();

  constructor({ steps, seeds }: { readonly steps: number; readonly seeds: number }) {
    this.steps = steps;
    this.seeds = seeds;
  }

  run(shift: Shift, method: Method, seed: number): Run {
    const key = `${shift.name}: ${method.name}: ${seed}`;
    const found = this.made.get(key);
    if (found) return found;
    const run = adapt(
      () => method.prepare(shift.base.copy(), 100 + seed),
      { domain: shift.target, steps: this.steps, rows: shift.rows, lr: method.lr, seed: 200 + seed },
      (model) => ({ accuracy: accuracy(model, shift.target), updates: updatesOf(model) }),
    );
    this.made.set(key, run);
    return run;
  }

  /** One run per seed. */
  runs(shift: Shift, method: Method): Run[] {
    return Array.from({ length: this.seeds }, (_, seed) => this.run(shift, method, seed));
  }

  losses(shift: Shift, method: Method): number[] {
    return this.runs(shift, method).map(({ loss }) => loss);
  }

  /** Accuracies in percent, one per seed. */
  accuracies(shift: Shift, method: Method): number[] {
    return this.runs(shift, method).map(({ read }) => 100 * read.accuracy);
  }

  /** (before − loss) / (before − full fine-tuning): the fraction of the gap that a method closes, seed by seed. */
  closed(shift: Shift, method: Method): number[] {
    const best = this.losses(shift, full);
    return this.losses(shift, method).map(
      (loss, seed) => (shift.before - loss) / (shift.before - best[seed]),
    );
  }

  /** Makes the runs that a table needs, with a progress bar. */
  make(label: string, shifts: readonly Shift[], methods: readonly Method[]): void {
    const bar = progress(shifts.length * methods.length, label);
    for (const shift of shifts) {
      for (const method of methods) {
        this.runs(shift, method);
        bar.tick();
      }
    }
    bar.done();
  }
}
