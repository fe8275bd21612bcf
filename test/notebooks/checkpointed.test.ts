import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { taskDomain } from "../../notebooks/support/data/domain.ts";
import { arithmetic } from "../../notebooks/support/data/tasks.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";
import { adamW, trainingMemory } from "../../notebooks/support/experiments/harness.ts";
import { checkpointBlocks } from "../../notebooks/support/methods/checkpointed.ts";

const checkpointed = suite("checkpointed blocks");

const time = 11;
const domain = taskDomain(arithmetic({ digits: 2, operation: "+" }), { time, test: 8, random: random(1) });
const model = (): GPT2 => new GPT2(gpt2Fields({ d: 8, layers: 3, heads: 2, time }), { rng: random(2) });
const adapted = (model: GPT2) =>
  inject(model, { method: "lora", rank: 2, init: "random", target: "all-linear", seed: 3 });

checkpointed("the loss and every gradient are equal to the last bit", () => {
  const { ids, labels } = domain.batch(4, random(4));
  const gradients = (model: GPT2): Float32Array[] => {
    const { model: inner } = adapted(model);
    inner.loss(ids, labels).backward();
    return inner.parameters().flatMap(({ grad }) => (grad ? [grad.toArray()] : []));
  };
  const plain = gradients(model());
  assert.is(plain.length, 2 * 4 * 3); // A and B of four layers in three blocks
  const inside = adapted(model());
  const { model: inner } = inside;
  checkpointBlocks(inner);
  inner.loss(ids, labels).backward();
  assert.equal(
    inner.parameters().flatMap(({ grad }) => (grad ? [grad.toArray()] : [])),
    plain,
  );
});

checkpointed("fewer bytes are saved for backward", () => {
  const saved = (wrap: boolean): number => {
    const prepare = (model: GPT2) => {
      const module = adapted(model);
      if (wrap) checkpointBlocks(model);
      return { module, adapted: null, optimizer: adamW(module, 1e-3) };
    };
    return trainingMemory(model, prepare, { domain, rows: 4 }).memory.saved;
  };
  assert.ok(saved(true) < 0.6 * saved(false), `${saved(true)} of ${saved(false)}`);
});

checkpointed.run();
