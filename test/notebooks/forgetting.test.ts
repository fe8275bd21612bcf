/** @file The plumbing of the page on learning and forgetting: intruder dimensions, scaling, equal learning, correlation. */
import { random } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as study from "../../notebooks/papers/forgetting/index.ts";
import { committedBase } from "../../notebooks/support/experiments/bases.ts";
import { VERDICTS } from "../../notebooks/support/notebook/session.ts";

const page = suite("learning and forgetting");

const close = (actual: number, expected: number, within = 1e-6): void =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual}, not ${expected}`);

const weight = (values: readonly number[], out: number): study.Weight => ({
  values: Float64Array.from(values),
  out,
  into: values.length / out,
});
const n = 10;
const W0 = weight(study.diagonal([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), n);
const detection = { threshold: 0.5, k: 10 };
/** W₀ + c b bᵀ, b = (1, …, 1)/√10. */
const plus = (c: number): study.Weight =>
  weight(
    Array.from(W0.values, (value) => value + c / n),
    n,
  );
const found = (W: study.Weight): number[] =>
  study.intrudersOf(study.spectrumOf(W0), study.spectrumOf(W), n, detection);

page(
  "a strong new direction is an intruder and the first; a weak one, a scaling and a change of signs are none",
  () => {
    assert.equal(found(plus(20)), [0]);
    assert.equal(found(plus(0.5)), []);
    assert.equal(
      found(
        weight(
          Array.from(W0.values, (value) => -3 * value),
          n,
        ),
      ),
      [],
    );
  },
);

page("only the first k singular vectors are looked at, and the threshold decides", () => {
  const [before, after] = [study.spectrumOf(W0), study.spectrumOf(plus(20))];
  assert.equal(study.intrudersOf(before, after, n, { threshold: 0.5, k: 0 }), []);
  assert.equal(study.intrudersOf(before, after, n, { threshold: 0.3, k: 10 }), []);
});

page("scaling a singular value by 1 changes nothing, and by 0 removes it and no other", () => {
  const W = plus(20);
  const spectrum = study.spectrumOf(W);
  study.scaled(W, spectrum, [0], 1).values.forEach((value, i) => {
    close(value, W.values[i]);
  });
  const without = study.spectrumOf(study.scaled(W, spectrum, [0], 0)).S;
  spectrum.S.slice(1).forEach((value, i) => {
    close(without[i], value);
  });
  close(without[n - 1], 0);
});

page("weights that are read from a model and put back give the same model", () => {
  const model = committedBase("facts").copy();
  const weights = study.weightsOf(model);
  assert.is(weights.size, 8); // four layers in each of two blocks
  const { out, into } = weights.get("transformer.h.0.mlp.c_fc.weight") as study.Weight;
  assert.equal([out, into], [128, 32]);
  const again = study.putWeights(committedBase("facts").copy(), weights);
  for (const [name, { data }] of model.stateDict())
    assert.equal([...(again.stateDict().get(name)?.data ?? [])], [...data]);
});

page("a random direction has the largest cosine of the largest of so many coordinates", () => {
  const [small, large] = [study.chance(64, 64, random(1)), study.chance(4096, 4096, random(1), 20)];
  assert.ok(small > 0.3 && small < 0.36, `${small}`);
  assert.ok(large < 0.08, `${large}`);
});

const point = (arm: string, learned: number, forgotten: number, seed = 100): study.Point => ({
  ...{ arm, rank: 1, base: "x", seed, steps: 1, rate: 1, intruders: 0, change: 0 },
  learned,
  forgotten,
});
const ground = { newLoss: 4 } as study.Ground;

page("forgetting at equal learning lies on the line between two runs, from the base on", () => {
  const points = [point("a", 3, 0.2), point("a", 2, 1), point("b", 2.5, 0.5)];
  assert.is(study.commonLevel(points), 2.5);
  close(study.forgottenAt(points, ground, "a", 2.5)[0], 0.6);
  close(study.forgottenAt(points, ground, "b", 2.5)[0], 0.5);
  close(study.forgottenAt(points, ground, "a", 3.5)[0], 0.1); // half of the way from the base to the first run
  assert.ok(Number.isNaN(study.forgottenAt(points, ground, "b", 2)[0]), "never learned that much");
});

page("the rank correlation knows order only, shares ranks, and few runs prove nothing", () => {
  close(study.rankCorrelation([1, 2, 3], [1, 10, 100]), 1);
  close(study.rankCorrelation([1, 2, 3], [3, 2, 1]), -1);
  close(study.rankCorrelation([1, 1, 2, 2], [1, 1, 2, 2]), 1);
  close(study.rankCorrelation([1, 1, 2, 2], [1, 2, 1, 2]), 0);
  assert.is(study.correlated(0.97, 20).verdict, "supported");
  assert.is(study.correlated(-0.97, 20).verdict, "contradicted");
  assert.is(study.correlated(0.3, 12).verdict, "cannot tell");
  assert.is(study.correlated(1, 4).verdict, "cannot tell");
  assert.is(study.correlated(1, 20).verdict, "supported");
});

page("the net share is what is remembered less what is unlearned", () => {
  const row = (factor: number, learned: number, forgotten: number) => ({
    what: "x",
    factor,
    seed: 1,
    learned,
    forgotten,
  });
  const [net] = study.netShare([row(1, 2, 1), row(0.5, 2.5, 0.25)], "x", 0.5, 4);
  close(net, 0.75 - 0.25);
});

page("the opening has a sentence for every verdict", () => {
  for (const verdict of VERDICTS) {
    const one = { verdict, why: "" };
    const numbers = { steps: 24, ρ: 0.5, byKnob: [0.3], byIntruders: [-0.1], restored: true };
    const forgotten = {
      equally: [[0.3], [0.5], [0.6]],
      gently: [[0.1], [0.2]],
      intruders: { full: 0, lora: 2.4 },
    };
    const found = {
      ...numbers,
      ...forgotten,
      atEqual: one,
      atQuarter: one,
      more: one,
      low: "r = 1",
      high: "r = 8",
    };
    assert.not.match(study.opening(found).toMime()["text/plain"], /undefined|NaN/);
  }
});

page.run();
