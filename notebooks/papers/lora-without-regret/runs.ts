/** @file The runs of *LoRA Without Regret* at a small scale: arms, curves of rates, the start of training, batch sizes. */
import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { type GPT2, nextTokenLoss } from "lowrank/nn";
import { adamW, runMethod } from "../../support/experiments/harness.ts";
import { release } from "../../support/experiments/memory.ts";
import { mean } from "../../support/experiments/statistics.ts";
import { type Arm, type ArmResult, type Shift, study } from "../../support/experiments/study.ts";
import { fullFineTuning } from "../../support/methods/baselines.ts";
import { progress } from "../../support/terminal/progress.ts";

export type RegretArm = Arm<GPT2, GPT2, undefined>;

export const FULL = "full fine-tuning";

/** Full fine-tuning with AdamW. */
export function full(rates: readonly number[]): RegretArm {
  return {
    name: FULL,
    rates,
    prepare: (model, { rate }) => ({
      module: model,
      adapted: model,
      optimizer: adamW(fullFineTuning(model), rate),
    }),
  };
}

export interface LoraChoice {
  readonly rank: number;
  readonly alpha: number;
  /** @default `LoRA, r = …` */
  readonly name?: string;
  /** @default all linear layers */
  readonly target?: string | readonly string[];
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** α/√r in place of α/r. */
  readonly rankStabilized?: boolean;
}

/** LoRA with AdamW. */
export function lora(rates: readonly number[], choice: LoraChoice): RegretArm {
  const { name = `LoRA, r = ${choice.rank}`, target = "all-linear", ...options } = choice;
  return {
    name,
    rates,
    prepare(model, { rate, seed }) {
      const module = inject(model, { ...options, target: target as string, seed });
      return { module, adapted: model, optimizer: adamW(module, rate) };
    },
  };
}

/** One run of a curve of rates. */
export interface Tried {
  readonly shift: string;
  readonly arm: string;
  readonly seed: number;
  readonly rate: number;
  readonly loss: number;
}

/** Every arm with every one of its rates and every seed. */
export function tryRates(
  arms: readonly RegretArm[],
  shift: Shift<GPT2> & { readonly name: string },
  { steps, rows, seeds }: { readonly steps: number; readonly rows: number; readonly seeds: number },
): Tried[] {
  const bar = progress(arms.length * arms[0].rates.length * seeds, `rates, ${shift.name}`);
  const tried = arms.flatMap((arm) =>
    Array.from({ length: seeds }, (_, i) => 100 + i).flatMap((seed) =>
      arm.rates.map((rate): Tried => {
        const { loss } = runMethod(
          () => shift.copy(),
          (model) => arm.prepare(model, { rate, seed, steps }),
          { domain: shift.domain, steps, rows, seed, tick: undefined },
          () => undefined,
        );
        bar.tick();
        return {
          shift: shift.name,
          arm: arm.name,
          seed,
          rate,
          loss: Number.isFinite(loss) ? loss : Infinity,
        };
      }),
    ),
  );
  bar.done();
  return tried;
}

/** The best rate of one curve, between the tried ones, and the lowest loss that was measured. */
export interface Best {
  readonly rate: number;
  readonly loss: number;
  /** Whether the best tried rate is the lowest or the highest, so that a better one may lie outside. */
  readonly atEdge: boolean;
}

/** The lowest point of the parabola through the best tried rate and its neighbours, over the logarithm of the rate. */
export function bestRate(curve: readonly { readonly rate: number; readonly loss: number }[]): Best {
  const sorted = [...curve].sort((a, b) => a.rate - b.rate);
  const best = sorted.reduce((least, { loss }, i) => (loss < sorted[least].loss ? i : least), 0);
  const { rate, loss } = sorted[best];
  const [before, after] = [sorted[best - 1], sorted[best + 1]];
  if (!before || !after) return { rate, loss, atEdge: true };
  const [left, right] = [Math.log(rate / before.rate), Math.log(after.rate / rate)];
  const [down, up] = [(before.loss - loss) / left, (after.loss - loss) / right];
  // The slopes at the middles of both sides are −down and up; between them the parabola's slope falls to zero linearly.
  const shift = (right * down - left * up) / (2 * (down + up));
  return { rate: Number.isFinite(shift) ? rate * Math.exp(shift) : rate, loss, atEdge: false };
}

/** The best rate of each seed of an arm on a shift. */
export function bestRates(tried: readonly Tried[], arm: string, shift: string): Best[] {
  const own = tried.filter((one) => one.arm === arm && one.shift === shift);
  return [...new Set(own.map(({ seed }) => seed))].map((seed) =>
    bestRate(own.filter((one) => one.seed === seed)),
  );
}

/** The curve of an arm on a shift: the mean loss over seeds at each rate. */
export function curveOf(tried: readonly Tried[], arm: string, shift: string) {
  const own = tried.filter((one) => one.arm === arm && one.shift === shift);
  return [...new Set(own.map(({ rate }) => rate))].map((rate) => ({
    arm,
    shift,
    rate,
    loss: mean(own.filter((one) => one.rate === rate).map(({ loss }) => loss)),
  }));
}

/** The loss before each of the first steps with a constant rate, all on one batch, the same for all arms of a seed. */
export function firstSteps(
  arm: RegretArm,
  shift: Shift<GPT2>,
  { steps, rows, seed }: { readonly steps: number; readonly rows: number; readonly seed: number },
): number[] {
  const model = shift.copy();
  const { module, optimizer } = arm.prepare(model, { rate: arm.rates[0], seed, steps });
  const { ids, labels } = shift.domain.batch(rows, random(seed));
  const losses = Array.from({ length: steps }, () => {
    const loss = nextTokenLoss(model, ids, labels);
    const value = loss.item();
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return value;
  });
  release(module, optimizer);
  return losses;
}

/** What an arm reaches with one size of batch, all sizes seeing equally many rows. */
export interface BatchResult {
  readonly batch: number;
  readonly result: ArmResult<undefined>;
}

export interface BatchOptions {
  readonly batches: readonly number[];
  /** Rows that a run sees, whatever the batch. */
  readonly rows: number;
  /** The batch at which the arms' rates are best; for others they are scaled by the root of the ratio. */
  readonly tunedAt: number;
  readonly seeds: number;
  readonly search: number;
}

/** Every arm with every batch size, each at its own best rate. */
export function batchSizes(
  arms: readonly ((scale: number) => RegretArm)[],
  shift: Shift<GPT2>,
  { batches, rows, tunedAt, ...protocol }: BatchOptions,
): BatchResult[] {
  return batches.flatMap((batch) => {
    const scaled = arms.map((arm) => arm(Math.sqrt(batch / tunedAt)));
    const options = { ...protocol, steps: Math.round(rows / batch), rows: batch };
    return study(scaled, [shift], options).map((result) => ({ batch, result }));
  });
}

/** The losses of an arm with one batch size, one for each seed. */
export function lossesAt(results: readonly BatchResult[], arm: string, batch: number): readonly number[] {
  return results.find((one) => one.result.arm === arm && one.batch === batch)?.result.losses ?? [];
}
