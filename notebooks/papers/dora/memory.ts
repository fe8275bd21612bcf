/** @file What a constant norm (§4.3) saves, and what a merged model computes. */
import { noGrad } from "lowrank/autograd";
import { kernelCounts, scope } from "lowrank/core";
import type { LanguageModel } from "lowrank/nn";
import { stepMemory } from "../../support/experiments/measured-step.ts";
import { sum } from "../../support/experiments/statistics.ts";
import { adapters } from "./arms.ts";

export interface NormSaving {
  readonly tokens: number;
  /** Bytes saved for backward: with the constant, and with the exact gradient. */
  readonly constant: number;
  readonly exact: number;
  /** The bytes by which they should differ: V', its norms and s B of each layer. */
  readonly expected: number;
  /** Highest points of all memory. */
  readonly peaks: { readonly constant: number; readonly exact: number };
}

const [LAYERS, TIME] = [2, 32];

/** A training step of DoRA on a GPT-2 of width d, with and without the constant, at several numbers of tokens. */
export function normSavings(d: number, rank: number, rows: readonly number[]): NormSaving[] {
  const shapes = [
    [3 * d, d],
    [d, d],
    [4 * d, d],
    [d, 4 * d],
  ]; // c_attn, c_proj of attention, c_fc, c_proj of the MLP: [out, in]
  const numbers = LAYERS * sum(shapes.map(([out, into]) => out * into + out * rank + 2 * out));
  return rows.map((batch) => {
    const [constant, exact] = [false, true].map((normGradient) =>
      stepMemory((model) => adapters(model, "dora", rank, 1, { normGradient }), {
        d,
        layers: LAYERS,
        time: TIME,
        rows: batch,
      }),
    );
    return {
      tokens: batch * TIME,
      constant: constant.memory.saved,
      exact: exact.memory.saved,
      expected: 4 * numbers,
      peaks: { constant: constant.peak, exact: exact.peak },
    };
  });
}

/** Number of kernels, the device's products, sums and so on, that a forward pass runs, and its logits. */
export function forwardPass(model: LanguageModel, ids: readonly number[]) {
  const calls = (): number => sum(Object.values(kernelCounts()));
  const before = calls();
  const logits = scope(() =>
    noGrad(() =>
      model
        .eval()
        .forward([[...ids]])
        .toArray(),
    ),
  );
  return { kernels: calls() - before, logits };
}
