/** @file AdaLoRA's ablations and the task with a known answer. */
import * as fc from "fast-check";
import { noGrad, tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { orthogonality } from "lowrank/lora";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  alike,
  averageRank,
  inMlp,
  inUpper,
  placesOf,
  turnedRound,
} from "../../notebooks/papers/adalora/places.ts";
import {
  bestRanks,
  bestResidual,
  type Planted,
  runPlanted,
  SideBySide,
} from "../../notebooks/papers/adalora/planted-allocation.ts";
import { misplaced, type PlantedResult, turnedOrders } from "../../notebooks/papers/adalora/planted-study.ts";
import {
  adaLora,
  distanceToOrthonormal,
  lora,
  prunedLora,
  type Recipe,
  unevenLora,
} from "../../notebooks/papers/adalora/runs.ts";
import { livesOf } from "../../notebooks/papers/adalora/triplet-history.ts";

const adalora = suite("adalora notebook");

const planted: readonly Planted[] = [
  { name: "a", out: 5, in: 4, singularValues: [3, 1] },
  { name: "b", out: 4, in: 6, singularValues: [2] },
  { name: "c", out: 4, in: 4, singularValues: [] },
];
const recipe: Recipe = { rank: 2, target: "all-linear", lr: 0.03, seed: 1, orthogonal: { form: "code" } };
const steps = 30;
const pruning = { budget: 3, totalSteps: steps, warmup: 4, final: 8, record: true };
const run = { steps, rows: 16, seed: 3 };

adalora(
  "the best triplets are those of the largest singular values, and what is left are the others' squares",
  () => {
    assert.equal(bestRanks(planted, 2), [1, 1, 0]);
    assert.equal(bestRanks(planted, 9), [2, 1, 0]); // there are no more
    assert.is(bestResidual(planted, [1, 1, 1]), 1 / 14);
    assert.is(bestResidual(planted, [0, 0, 2]), 1);
    assert.is(bestResidual(planted, [2, 2, 2]), 0);
  },
);

adalora("the residual is 1 before training, and never below the best that the ranks allow", () => {
  fc.assert(
    fc.property(fc.nat(1000), (seed) => {
      const residual = (lr: number): number =>
        runPlanted(
          planted,
          (model) => lora(model, { ...recipe, rank: 1, lr, orthogonal: undefined }),
          { ...run, seed },
          () => 0,
        ).residual;
      assert.ok(Math.abs(residual(0) - 1) < 1e-5);
      assert.ok(residual(0.03) > bestResidual(planted, [1, 1, 1]) - 1e-5);
    }),
    { numRuns: 5 },
  );
});

adalora("enough steps recover the planted changes", () => {
  const { residual } = runPlanted(
    planted,
    (model) => adaLora(model, recipe),
    { ...run, steps: 400 },
    () => 0,
  );
  assert.ok(residual < 0.01, `residual ${residual}`);
});

adalora("at most b(t) triplets are kept at every moment, and exactly b(T) at the end", () => {
  const { read } = runPlanted(
    planted,
    (model) => adaLora(model, recipe, pruning),
    run,
    ({ moments }) => moments,
  );
  assert.is(read.length, steps);
  const inUse = read.map(({ lambda }) => lambda.flat().filter((λ) => λ !== 0).length);
  for (const [i, { step, budget }] of read.entries()) {
    assert.is(step, i + 1);
    assert.ok(inUse[i] <= budget);
  }
  assert.is(inUse.at(-1), pruning.budget);
});

adalora(
  "a pruned LoRA starts as the model, trains as many parameters as LoRA, and gets no doublet back",
  () => {
    const model = new SideBySide(planted, random(1));
    const inputs = planted.map((one) => tensor(random(2).normal(2 * one.in, 0, 1), [2, one.in]));
    const outputs = (): number[][] => noGrad(() => model.forward(inputs).map((y) => Array.from(y.toArray())));
    const before = outputs();
    prunedLora(model, recipe, pruning);
    assert.equal(outputs(), before);

    const pruned = runPlanted(
      planted,
      (one) => prunedLora(one, recipe, pruning),
      run,
      ({ moments }) => moments,
    );
    const whole = runPlanted(
      planted,
      (one) => lora(one, { ...recipe, orthogonal: undefined }),
      run,
      () => 0,
    );
    assert.is(pruned.trainable, whole.trainable);
    pruned.read.slice(1).forEach(({ lambda }, at) => {
      const earlier = pruned.read[at].lambda.flat();
      lambda.flat().forEach((λ, i) => {
        assert.ok(λ === earlier[i] || λ === 0);
      });
    });
    assert.is(
      pruned.read
        .at(-1)
        ?.lambda.flat()
        .filter((λ) => λ === 1).length,
      pruning.budget,
    );
  },
);

adalora("‖Pᵀ P − I‖² + ‖Q Qᵀ − I‖² of the moments is the library's regulariser", () => {
  const { read } = runPlanted(
    planted,
    (model) => adaLora(model, recipe, pruning),
    run,
    ({ parts, moments }) => ({
      library: parts.map((part) => orthogonality([part], { weight: 1 }).item()),
      last: moments[moments.length - 1],
    }),
  );
  read.library.forEach((expected, k) => {
    assert.ok(Math.abs(read.last.left[k] + read.last.right[k] - expected) < 1e-4 * (1 + expected));
  });
  assert.is(distanceToOrthonormal([Float32Array.of(1, 0), Float32Array.of(0, 2)]), 9);
});

adalora(
  "a life lists the stretches of steps in use; a return counts only after the triplet was masked",
  () => {
    const inUse = ["0111", "0101", "0100", "0011"]; // by triplet; the warm-up is step 1
    const moments = [0, 1, 2, 3].map((at) => ({
      step: at + 1,
      budget: 4,
      scores: [],
      lambda: [inUse.map((steps) => Number(steps[at]))],
      left: [],
      right: [],
    }));
    const lives = livesOf(moments, 1);
    assert.equal(
      lives.map(({ stretches }) => stretches.map(({ from, to }) => `${from}-${to}`).join()),
      ["2-4", "2-2,4-4", "2-2", "3-4"],
    );
    assert.equal(
      lives.map(({ returns }) => returns),
      [0, 1, 0, 1],
    );
    assert.equal(
      lives.map(({ survives }) => survives),
      [true, true, false, true],
    );
    assert.equal(livesOf([], 0), []);
  },
);

adalora("noise in the targets does not count in the residual, and keeps the gradient alive", () => {
  const trained = (noise: number): number =>
    runPlanted(
      planted,
      (model) => lora(model, { ...recipe, lr: 0, orthogonal: undefined }),
      { ...run, noise },
      () => 0,
    ).residual;
  assert.is(trained(5), trained(0));
});

adalora("planted triplets that lack one in their matrix are counted, spare ones are not", () => {
  assert.is(misplaced([0, 1, 2, 4, 5, 6]), 0);
  assert.is(misplaced([3, 3, 3, 3, 3, 3]), 1 + 2 + 3);
  assert.is(misplaced([6, 1, 2, 4, 5, 0]), 6);
});

adalora("an uneven LoRA has the given ranks, and none where the rank is zero", () => {
  const layers = ["layers.0", "layers.1", "layers.2"];
  const { adapted } = unevenLora(
    new SideBySide(planted, random(1)),
    new Map(layers.map((layer, i) => [layer, [2, 0, 1][i]])),
    { lr: 0.1, seed: 1 },
  );
  assert.equal(adapted.layers, ["layers.0", "layers.2"]);
  assert.equal(
    adapted.parts.map(({ rank, scaling }) => [rank, scaling]),
    [
      [2, 2],
      [1, 2],
    ],
  );
});

adalora("patterns of ranks: alike, unlike, turned round", () => {
  const pattern = new Map([
    ["h.0.mlp.c_fc", 3],
    ["h.0.attn.c_proj", 1],
    ["h.1.mlp.c_fc", 2],
  ]);
  const turned = turnedRound(pattern);
  assert.equal([...turned.values()].sort(), [1, 2, 3]);
  assert.is(turned.get("h.0.mlp.c_fc"), 1);
  assert.ok(Math.abs(alike(pattern, pattern) - 1) < 1e-12);
  assert.ok(Math.abs(alike(pattern, turned) + 1) < 1e-12);
  assert.is(alike(pattern, new Map([...pattern.keys()].map((layer) => [layer, 2]))), 0);
  assert.is(averageRank(pattern, inMlp), 2.5);
  assert.is(averageRank(pattern, inUpper(2)), 2);
  assert.equal(
    placesOf([pattern]).map(({ matrix, block, rank }) => [matrix, block, rank]),
    [
      ["attention output", 1, 1],
      ["MLP, first", 1, 3],
      ["MLP, first", 2, 2],
    ],
  );
});

adalora("the order of methods that twice the steps turn is named, unless they are close", () => {
  const result = (name: string, error: number) => ({ name, residuals: [error] }) as unknown as PlantedResult;
  const once = [result("a", 0.1), result("b", 0.2)];
  assert.equal(turnedOrders(once, [result("a", 0.2), result("b", 0.1)], 0.01), ["a and b"]);
  assert.equal(turnedOrders(once, [result("a", 0.105), result("b", 0.1)], 0.01), []);
  assert.equal(turnedOrders(once, [result("a", 0), result("b", 0.1)], 0.01), []);
});

adalora.run();
