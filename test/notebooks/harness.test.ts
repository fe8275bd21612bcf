import { type Bytes, liveBytes, random, zeros } from "lowrank/core";
import { inject } from "lowrank/lora";
import { GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { taskDomain } from "../../notebooks/support/data/domain.ts";
import { arithmetic } from "../../notebooks/support/data/tasks.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";
import { adamW, adapt, type Prepared, runMethod } from "../../notebooks/support/experiments/harness.ts";

const harness = suite("training harness");

const time = 11;
const domain = taskDomain(arithmetic({ digits: 2, operation: "+" }), { time, test: 8, random: random(1) });
const base = (): GPT2 => new GPT2(gpt2Fields({ d: 8, layers: 2, heads: 2, time }), { rng: random(2) });
const lora = (model: GPT2) => inject(model, { method: "lora", rank: 2, target: "all-linear", seed: 3 });
const prepare = (model: GPT2): Prepared<GPT2> => {
  const module = lora(model);
  return { module, adapted: model, optimizer: adamW(module, 1e-2) };
};
const options = { domain, steps: 6, rows: 4, seed: 5 };

harness("a run is determined by its seeds, and the seed of the batches matters", () => {
  const losses = (seed: number) => runMethod(base, prepare, { ...options, seed }, () => null).losses;
  assert.is(losses(5).length, options.steps);
  assert.equal(losses(5), losses(5));
  assert.not.equal(losses(5), losses(6));
});

harness("adapt is runMethod of a model prepared beforehand", () => {
  const run = runMethod(base, prepare, options, () => "read");
  const { total, seconds, ...adaptation } = adapt(
    () => {
      const model = base();
      lora(model);
      return model;
    },
    { ...options, lr: 1e-2 },
    () => "read",
  );
  const { seconds: times, ...rest } = run;
  assert.equal(adaptation, rest);
  assert.is(times.length, options.steps);
  assert.ok(seconds > 0);
  const adapted = base();
  lora(adapted);
  assert.is(
    total,
    adapted.parameters().reduce((sum, { size }) => sum + size, 0),
  );
});

harness("a run releases its model and optimizer, and the arrays of others do not count as its memory", () => {
  const owned = ["weights", "adapters", "optimizer", "quantized"] as const;
  const of = (bytes: Readonly<Bytes>) => owned.map((category) => bytes[category]);
  const alone = runMethod(base, prepare, options, () => null);
  const others = owned.map((category) => zeros([10_000], category));
  const before = of(liveBytes());
  const beside = runMethod(base, prepare, options, () => null);
  assert.equal(of(liveBytes()), before);
  assert.equal(of(beside.memory), of(alone.memory));
  assert.ok(Math.max(...of(beside.memory)) < others[0].storage.data.byteLength);
  for (const { storage } of others) storage.release();
});

harness("a penalty is trained on, and is not in the reported losses", () => {
  const pulled = (model: GPT2): Prepared<GPT2> => {
    const prepared = prepare(model);
    const [first] = prepared.optimizer.parameters();
    return { ...prepared, penalty: () => first.square().sum().mul(100) };
  };
  const [plain, penalized] = [prepare, pulled].map((method) => runMethod(base, method, options, () => null));
  assert.is(penalized.losses[0], plain.losses[0]); // before the first update
  assert.not.equal(penalized.losses, plain.losses);
});

harness.run();
