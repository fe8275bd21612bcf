/** @file Laws of single methods: DoRA's norms, AdaLoRA's budget. */

import { backward } from "../../autograd/index.ts";
import { copy, exactly, random, rowNorms, together, within } from "../../core/index.ts";
import { AdamW } from "../../nn/index.ts";
import type { AdaLoRA } from "../adalora/adalora.ts";
import { BudgetAllocator } from "../adalora/allocator.ts";
import { tripletScores } from "../adalora/importance.ts";
import type { DoRA } from "../dora.ts";
import { inject } from "../model/inject.ts";
import { viewWeight } from "../model/weight-view.ts";
import type { Law, Trial } from "./law.ts";
import {
  adapterOf,
  configOf,
  distance,
  draw,
  inputOf,
  layerOf,
  OneLayer,
  outputOf,
  plainModel,
  trainedModel,
  unit,
} from "./trial.ts";

export const methodLaws = {
  doraNorms: {
    name: "DoRA's row norms are m",
    statement: "Each row of the merged weight has the norm that m says, except rows of zeros.",
    equation: "‖W'_i‖ = |m_i|",
    methods: ["dora"],
    check(trial) {
      const model = trainedModel(trial);
      const { m } = adapterOf(model) as DoRA;
      const layer = layerOf(model);
      const { out, in: into } = layer.W0;
      const norms = rowNorms(layer.mergedWeight(["a"]).data, out, into);
      const direction = rowNorms((adapterOf(model) as DoRA).direction(layer.W0).value.data, out, into);
      const W0 = rowNorms(layer.W0.weight().value.data, out, into);
      const results = Array.from(norms, (norm, i) => {
        if (direction[i] === 0) return within(norm, 0);
        // g V' − W0 + W0: three roundings of entries up to |g V'| + |W0|, and those of the norm, in/2 + 4 of them.
        const bound = (into + 8) * unit() * 2 * (Math.abs(m.value.data[i]) + W0[i]);
        return within(Math.abs(norm - Math.abs(m.value.data[i])), bound);
      });
      return together(...results);
    },
  },

  doraIdentity: {
    name: "DoRA with B = 0 and m = ‖W‖ is the identity",
    statement:
      "With B = 0 and the norms of W0 as magnitudes DoRA changes nothing, whatever A, to the last bit; zero rows included.",
    equation: "‖W0‖ W0/‖W0‖ = W0",
    methods: ["dora"],
    check(trial) {
      const { layer } = plainModel(trial);
      const W0 = copy(viewWeight(layer).weight().value);
      W0.storage.data.fill(0, 0, viewWeight(layer).in); // a row of zeros
      const plain = new OneLayer(viewWeight(layer).withWeight(W0));
      const before = outputOf(plain, inputOf(trial));
      const model = inject(plain, { ...configOf(trial), name: "a" });
      const dora = adapterOf(model) as DoRA;
      dora.A.assign(draw(trial, random(trial.seed), dora.A.size));
      dora.B.assign(new Float32Array(dora.B.size));
      return within(distance(outputOf(model, inputOf(trial)), before), 0);
    },
  },

  budgetFalls: {
    name: "AdaLoRA's budget falls to its target",
    statement:
      "The budget is the initial one through warm-up, never rises after, and is met exactly; at the end it is the target.",
    equation: "b(t) ≥ b(t + 1), |{i: kept at t}| = b(t), b(T) = target",
    methods: ["adalora"],
    check(trial) {
      const { allocator, schedule, run } = allocation(trial);
      const budgets = Array.from({ length: schedule.totalSteps }, (_, t) => allocator.budget(t + 1));
      const monotone = budgets.every((b, t) => t === 0 || b <= budgets[t - 1]);
      const warm = budgets.slice(0, schedule.warmup).every((b) => b === allocator.initial);
      const met = run().every(({ kept, budget, left }) => kept === budget && left === 0);
      return exactly(monotone && warm && met && budgets.at(-1) === schedule.target);
    },
  },

  topTriplets: {
    name: "AdaLoRA keeps the top triplets",
    statement: "No triplet that is masked has a higher score than one that is kept.",
    equation: "min {S_i: kept} ≥ max {S_i: masked}",
    methods: ["adalora"],
    check(trial) {
      return exactly(
        allocation(trial)
          .run()
          .every(({ lowest, highest }) => lowest >= highest),
      );
    },
  },
} as const satisfies Record<string, Law>;

interface Masking {
  readonly budget: number;
  readonly kept: number;
  /** The lowest score of what is kept, the highest of what is masked. */
  readonly lowest: number;
  readonly highest: number;
  /** Singular values that are masked and not zero. */
  readonly left: number;
}

/** Two adapters in training with an allocator over both, and what it did at each step that masks. */
function allocation(trial: Trial) {
  const model = trainedModel(trial, ["a", "b"]);
  model.activate(["a", "b"]);
  const adapters = ["a", "b"].map((name) => adapterOf(model, name) as AdaLoRA);
  const rng = random(trial.seed).split("schedule");
  const [warmup, middle, final] = [rng.integer(3), 1 + rng.integer(5), rng.integer(3)];
  const schedule = {
    totalSteps: warmup + middle + final,
    warmup,
    final,
    interval: 1 + rng.integer(2),
    target: rng.integer(2 * trial.rank + 1),
  };
  const allocator = new BudgetAllocator(adapters, schedule);
  const optimizer = new AdamW(model.parameters(), { lr: 0.01 });
  const run = (): Masking[] =>
    Array.from({ length: schedule.totalSteps }, (_, i) => i + 1).flatMap((t) => {
      model.zeroGrad();
      backward(model.forward(inputOf(trial)).square().sum());
      allocator.observe();
      optimizer.step();
      const allocated = allocator.allocate(t);
      if (!allocated) return [];
      const triplets = adapters.flatMap((adapter, k) =>
        tripletScores(adapter, allocator.scores[k], "smoothed").map((score, i) => ({
          score,
          kept: allocated.kept[k][i],
          value: adapter.lambda.value.data[i],
        })),
      );
      const [kept, masked] = [true, false].map((side) => triplets.filter((triplet) => triplet.kept === side));
      return [
        {
          budget: allocator.budget(t),
          kept: kept.length,
          lowest: Math.min(...kept.map(({ score }) => score)),
          highest: Math.max(...masked.map(({ score }) => score)),
          left: masked.filter(({ value }) => value !== 0).length,
        },
      ];
    });
  return { allocator, schedule, run };
}
