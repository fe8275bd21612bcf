/** @file Times the forward passes of several models in turns, so that a drift of the machine's speed affects all alike. */
import { noGrad } from "lowrank/autograd";
import { type Indices, scope } from "lowrank/core";
import type { LanguageModel } from "lowrank/nn";

const WARM_UP = 5;

/** Milliseconds of each model's forward pass: the 10th percentile over its turns, almost free of disturbance. */
export function latencies(models: readonly LanguageModel[], ids: Indices, turns: number): number[] {
  const seen = models.map(() => [] as number[]);
  for (let turn = -WARM_UP; turn < turns; turn++) {
    models.forEach((model, i) => {
      const start = performance.now();
      scope(() => noGrad(() => model.eval().forward(ids).value.data));
      if (turn >= 0) seen[i].push(performance.now() - start);
    });
  }
  return seen.map((times) => times.sort((a, b) => a - b)[Math.floor(turns / 10)]);
}

/** The first `batch` rows and `length` columns of `ids`. */
export function corner({ data, shape: [, width] }: Indices, batch: number, length: number): Indices {
  const rows = Array.from({ length: batch }, (_, row) => [
    ...data.subarray(row * width, row * width + length),
  ]);
  return { data: Int32Array.from(rows.flat()), shape: [batch, length] };
}
