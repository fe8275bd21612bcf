import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { taskDomain } from "../../notebooks/support/data/domain.ts";
import { arithmetic } from "../../notebooks/support/data/tasks.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/base-model.ts";
import { adamW } from "../../notebooks/support/experiments/harness.ts";
import { type Arm, apart, halfway, reordered, study } from "../../notebooks/support/experiments/study.ts";

const studies = suite("studies of several arms");

const time = 11;
const task = taskDomain(arithmetic({ digits: 2, operation: "+" }), { time, test: 64, random: random(1) });
const base = new GPT2(gpt2Fields({ d: 8, layers: 1, heads: 2, time }), { rng: random(2) });
const values = base.stateDict();
const copy = (): GPT2 => {
  const model = new GPT2(gpt2Fields({ d: 8, layers: 1, heads: 2, time }), { rng: random(2) });
  model.loadStateDict(values);
  return model;
};
const { domain, choosing } = apart(task, 1);
const shift = { base: "tiny", copy, domain, choosing };
/** An arm that writes down the seed of every run. */
const arm = (rates: readonly number[], seen: number[]): Arm<GPT2, null, null> => ({
  name: "LoRA",
  rates,
  prepare(model, { rate, seed }) {
    seen.push(seed);
    const module = inject(model, { method: "lora", rank: 2, target: "all-linear", seed });
    return { module, adapted: null, optimizer: adamW(module, rate) };
  },
});

studies("the search has its own seeds and steps, and the best rate of it is reported", () => {
  const seen: number[] = [];
  const options = { steps: 4, searchSteps: 2, rows: 2, seeds: 2, search: 3 };
  const [found] = study([arm([1e-9, 1e-2], seen)], [shift], options);
  assert.equal(seen, [0, 1, 2, 0, 1, 2, 100, 101]);
  assert.is(found.rate, 1e-2);
  assert.ok(found.atEdge);
  assert.equal(
    found.runs.map(({ losses }) => losses.length),
    [4, 4],
  );
  const [half] = halfway([found]);
  assert.equal(half.losses, [found.tried[1].loss]);
  const [short] = study([arm([1e-2], [])], [{ ...shift, domain: { ...domain, validation: choosing } }], {
    ...options,
    steps: 2,
  });
  assert.not.equal(half.losses, short.losses); // other seeds
});

studies("halfway leaves out arms without a search, and reordered compares with the rest", () => {
  const one = { base: "b", rate: 1, atEdge: false, runs: [] };
  const tried = [
    { rate: 1, loss: 2 },
    { rate: 2, loss: 5 },
  ];
  const full = [
    { ...one, arm: "a", tried, losses: [1] },
    { ...one, arm: "b", tried: [{ rate: 1, loss: 3 }, tried[1]], losses: [0.5] },
    { ...one, arm: "c", tried: [{ rate: 1, loss: Number.NaN }], losses: [0.1] },
  ];
  const half = halfway(full);
  assert.equal(
    half.map(({ arm, losses }) => [arm, ...losses]),
    [
      ["a", 2],
      ["b", 3],
    ],
  );
  assert.equal(reordered(half, full.slice(0, 2), { par: 0.1 }), ["a and b"]);
  assert.equal(reordered(half, full.slice(0, 2), { par: 0.6 }), []);
});

studies.run();
