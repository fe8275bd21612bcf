/** @file The lives of triplets: the budget holds, the best allocation is found, and returns are seen. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { finish } from "../../../notebooks/lab/page/toys/training.ts";
import {
  INITIAL,
  type LivesSettings,
  leastError,
  phaseOf,
  RANK,
  STEPS,
  trainTriplets,
} from "../../../notebooks/lab/page/toys/triplets.ts";

const livesTests = suite("the lives of triplets");

const settings: LivesSettings = { budget: 15, warmup: 25, final: 60, gamma: 0.02, measure: "smoothed" };

livesTests("with a budget of what is needed, every matrix gets the rank that it needs", () => {
  const { moments } = finish(trainTriplets(settings));
  assert.is(moments.length, STEPS + 1);
  const ranks = moments[STEPS].lambda.map((values) => values.filter((λ) => λ !== 0).length);
  assert.equal(ranks, [0, 1, 2, 3, 4, 5]);
  assert.ok(moments[STEPS].error < 0.01);
  assert.ok(Math.abs(moments[0].error - 1) < 1e-5); // ΔW = 0
  for (const [t, { lambda, budget }] of moments.entries())
    assert.ok(lambda.flat().filter((λ) => λ !== 0).length <= budget, `step ${t}`);
  const returns = moments.flatMap((_, t) =>
    t <= settings.warmup + 1
      ? []
      : Array.from({ length: INITIAL }, (_, at) =>
          phaseOf(moments, t, Math.floor(at / RANK), at % RANK),
        ).filter((phase) => phase === "back"),
  );
  assert.ok(returns.length > 0);
});

livesTests("a smaller budget leaves at least what Eckart and Young say", () => {
  const { moments } = finish(trainTriplets({ ...settings, budget: 6 }));
  assert.ok(moments[STEPS].error >= leastError(6) - 1e-5);
});

livesTests("every corner of the controls is a schedule", () => {
  for (const warmup of [0, 80])
    for (const final of [0, 75])
      for (const budget of [3, INITIAL]) {
        const training = trainTriplets({ budget, warmup, final, gamma: 0, measure: "magnitude" });
        training.step();
        assert.is(training.read().moments.length, 2);
      }
});

livesTests("the least error", () => {
  assert.is(leastError(15), 0);
  assert.ok(Math.abs(leastError(0) - 1) < 1e-12);
});

livesTests.run();
