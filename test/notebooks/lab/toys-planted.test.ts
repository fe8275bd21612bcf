/** @file The rank dial's training: it reaches Eckart and Young's bound, and never more than r singular values leave zero. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  BARS,
  bound,
  type PlantedSettings,
  plantedUpdate,
  scaledRows,
  singularValues,
  trainPlanted,
} from "../../../notebooks/lab/page/toys/planted.ts";
import { finish } from "../../../notebooks/lab/page/toys/training.ts";

const plantedTests = suite("the rank dial");

const VALUES = [3, 2.4, 1.8, 1.3, 0.9, 0.6, 0.3, 0.15];
const settings: PlantedSettings = {
  method: "LoRA",
  rank: 2,
  scaling: 1,
  rate: 0.04,
  ratio: 1,
  zero: "B",
  steps: 160,
};

plantedTests("the planted update has the chosen singular values", () => {
  const values = singularValues(plantedUpdate(VALUES));
  for (const [k, σ] of values.entries()) assert.ok(Math.abs(σ - (VALUES[k] ?? 0)) < 1e-5, `${k}: ${σ}`);
});

plantedTests("before the first step ΔW is zero, whichever factor starts at zero, and for DoRA", () => {
  for (const change of [{}, { zero: "A" }, { method: "DoRA" }] as const) {
    const { delta, errors, step } = trainPlanted(plantedUpdate(VALUES), { ...settings, ...change }).read();
    // DoRA's row is m V'/‖V'‖ with m = ‖V'‖: one rounding of the quotient and one of the product.
    assert.ok(delta.every((value) => Math.abs(value) <= 2 ** -22));
    assert.is(step, 0);
    assert.ok(Math.abs(errors[0] - 1) < 1e-5);
  }
});

for (const rank of [1, 2, 4, 8]) {
  plantedTests(`rank ${rank}: training ends within 1 % of the bound, and r singular values are left`, () => {
    const state = finish(trainPlanted(plantedUpdate(VALUES), { ...settings, rank }));
    const [error, least] = [state.errors.at(-1) as number, bound(VALUES, rank)];
    assert.ok(error >= least - 1e-5, `${error} is below the bound ${least}`);
    assert.ok(error < least + 0.01, `${error} is far from the bound ${least}`);
    assert.is(state.errors.length, settings.steps + 1);
    const whole = singularValues(state.delta);
    for (const [k, σ] of state.values.entries()) assert.ok(Math.abs(σ - whole[k]) < 1e-5);
    assert.ok(whole.slice(rank).every((σ) => σ < 1e-5));
  });
}

plantedTests("rows that change in length alone: no bound for DoRA, whose magnitudes do it", () => {
  const ideal = scaledRows(2);
  const least = bound(singularValues(ideal), 2);
  const error = (method: "LoRA" | "DoRA"): number =>
    finish(trainPlanted(ideal, { ...settings, method })).errors.at(-1) as number;
  assert.ok(least > 0.5);
  assert.ok(error("LoRA") >= least - 1e-5);
  assert.ok(error("DoRA") < 0.02, `${error("DoRA")}`);
});

plantedTests("an update of zeros has no bound to divide by", () => {
  assert.is(bound(Array(BARS).fill(0), 2), 0);
  const { errors } = finish(trainPlanted(plantedUpdate(Array(BARS).fill(0)), { ...settings, steps: 3 }));
  assert.ok(errors.every(Number.isFinite));
});

plantedTests.run();
