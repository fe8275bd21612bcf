/**
 * @file How much an adapter can store. Facts that cannot be inferred are trained until they are known, and counted in
 * bits: a fact of log₂ 1000 bits that the model predicts with probability p is recalled to log₂ 1000 + log₂ p bits.
 */
import { scope } from "lowrank/core";
import { inject } from "lowrank/lora";
import { type GPT2, generate, nextTokenLoss } from "lowrank/nn";
import { decode, encode } from "../../support/data/domain.ts";
import { DIGITS, type FactRows, factRows } from "../../support/data/facts.ts";
import { adamW, trainPrepared } from "../../support/experiments/harness.ts";
import { release } from "../../support/experiments/memory.ts";
import { sum } from "../../support/experiments/statistics.ts";

/** Bits that the model knows of the facts' answers; at least 0, at most `known.bits`. */
export function bitsRecalled(model: GPT2, { known, ids, labels }: FactRows): number {
  const nats = scope(() => nextTokenLoss(model, ids, labels, { reduction: "sum" }).item());
  return Math.max(0, known.bits - nats / Math.LN2);
}

/** The three digits with which the model continues `prompt`. */
export function answer(model: GPT2, prompt: string): string {
  const [row] = generate(model, [[...encode(prompt)]], { maxNewTokens: DIGITS }).rows;
  return decode(row.slice(-DIGITS));
}

export interface Stored {
  readonly rank: number;
  /** Numbers that train. */
  readonly parameters: number;
  /** Facts shown, and the bits in them. */
  readonly count: number;
  readonly bits: number;
  readonly seed: number;
  /** Bits recalled at the end, with the better one of the rates. */
  readonly recalled: number;
}

/** Trains LoRA of one rank on all facts at once for `exposures` steps, with each of the rates; keeps the best. */
export function store(
  copy: () => GPT2,
  { rank, count, seed }: Pick<Stored, "rank" | "count" | "seed">,
  { exposures, rates }: { readonly exposures: number; readonly rates: readonly number[] },
): Stored {
  const rows = factRows(count, 1000 + seed);
  let parameters = 0;
  const recalled = rates.map((rate) => {
    const model = copy();
    const module = inject(model, { rank, alpha: 2 * rank, target: "all-linear", seed });
    const optimizer = adamW(module, rate);
    parameters = sum(optimizer.parameters().map(({ size }) => size));
    trainPrepared(
      { module, adapted: model, optimizer },
      { steps: exposures, batch: () => rows, loss: ({ ids, labels }) => nextTokenLoss(model, ids, labels) },
    );
    const bits = bitsRecalled(model, rows);
    release(module, optimizer);
    return bits;
  });
  return { rank, parameters, count, bits: rows.known.bits, seed, recalled: Math.max(...recalled) };
}
