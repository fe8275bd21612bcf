/** @file The time of a training step of several methods, measured in turns, so that a drift of the machine's speed affects all alike. */
import { random, scope } from "lowrank/core";
import { type LanguageModel, nextTokenLoss } from "lowrank/nn";
import { type Prepared, trainPrepared } from "../../support/experiments/harness.ts";
import { release } from "../../support/experiments/memory.ts";
import type { Arm, Shift } from "../../support/experiments/study.ts";

const WARM_UP = 3;

/**
 * Milliseconds of a step of each arm, by its name: the fastest tenth of its turns, which is nearly free of disturbance.
 *
 * @param turns number of steps of each arm that are timed
 */
export function stepTimes<A, T>(
  arms: readonly Arm<LanguageModel, A, T>[],
  shift: Shift<LanguageModel>,
  { rows, turns }: { readonly rows: number; readonly turns: number },
): Map<string, number> {
  const ready = arms.map((arm) => {
    const model = shift.copy();
    return {
      name: arm.name,
      model,
      prepared: arm.prepare(model, { rate: 1e-4, seed: 1, steps: turns }) as Prepared<A>,
      times: [] as number[],
    };
  });
  const { ids, labels } = shift.domain.batch(rows, random(1));
  for (let turn = -WARM_UP; turn < turns; turn++)
    for (const { model, prepared, times } of ready) {
      const start = performance.now();
      scope(() =>
        trainPrepared(prepared, {
          steps: 1,
          batch: () => null,
          loss: () => nextTokenLoss(model, ids, labels),
        }),
      );
      if (turn >= 0) times.push(performance.now() - start);
    }
  for (const { prepared } of ready) release(prepared.module, prepared.optimizer, prepared.kept);
  return new Map(ready.map(({ name, times }) => [name, times.sort((a, b) => a - b)[Math.floor(turns / 10)]]));
}
