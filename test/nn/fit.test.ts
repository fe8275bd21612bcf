/** @file Training: optimizers against their formulas, resume bit for bit, refusals. Numbers of PyTorch: the oracles. */

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { dropout, mseLoss, parameter, type Tensor, tensor } from "lowrank/autograd";
import { ArgumentError, CheckpointError, makeTemporaryFolder, type Random, random } from "lowrank/core";
import {
  AdamW,
  clipGradientNorm,
  constant,
  cosine,
  fit,
  gradientNorm,
  Linear,
  linearDecay,
  Module,
  SGD,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filled, seed, values } from "../support/arbitraries.ts";

const training = suite("training");

/** Two layers with dropout between, whose generator is part of the state. */
class Net extends Module {
  first: Linear;
  second: Linear;
  readonly rng: Random;

  constructor(from: number) {
    super();
    this.first = new Linear(4, 8, { rng: random(from) });
    this.second = new Linear(8, 2, { rng: random(from + 1) });
    this.rng = random(from + 2);
  }

  forward(x: Tensor): Tensor {
    const h = this.first.forward(x).tanh();
    return this.second.forward(this.training ? dropout(h, 0.3, this.rng) : h);
  }
}

const folder = makeTemporaryFolder("lowrank-fit");
training.after(() => rmSync(folder, { recursive: true }));

const batchOf = (step: number): { x: Tensor; y: Tensor } => ({
  x: tensor(random(step).normal(12, 0, 1), [3, 4]),
  y: tensor(random(step + 1000).normal(6, 0, 1), [3, 2]),
});

function run(net: Net, steps: number, path?: string): number[] {
  const optimizer = new AdamW(
    [{ params: net.first.parameters(), lr: 0.02 }, { params: net.second.parameters() }],
    { lr: 0.01 },
  );
  const { losses } = fit(net, {
    steps,
    optimizer,
    batch: batchOf,
    loss: ({ x, y }) => mseLoss(net.forward(x), y),
    schedule: linearDecay({ warmup: 3, total: 20 }),
    maxGradNorm: 1,
    progress: false,
    checkpoint: path === undefined ? undefined : { path, every: 5 },
  });
  return [...losses];
}

const weights = (net: Net): Float32Array[] => net.parameters().map((p) => p.toArray());

training("a run cut after k steps and resumed is the uninterrupted run, bit for bit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 11 }), seed, (cut, from) => {
      const whole = new Net(from);
      const losses = run(whole, 12);
      const path = join(folder, `${cut}-${from}.safetensors`);
      run(new Net(from), cut, path);
      const resumed = new Net(from + 5); // other weights: all must come from the file
      if (cut === 0) return void assert.not(existsSync(path));
      assert.equal(run(resumed, 12, path), losses);
      assert.equal(weights(resumed), weights(whole));
      rmSync(path);
    }),
    { numRuns: 40 },
  );
});

training("a checkpoint of another run, or cut short, is refused and changes nothing", () => {
  const path = join(folder, "other.safetensors");
  run(new Net(1), 5, path);
  class Wider extends Net {
    readonly third = new Linear(2, 2, { rng: random(9) });
  }
  const wider = new Wider(1);
  const before = weights(wider);
  assert.throws(
    () => run(wider, 6, path),
    (e: Error) => e instanceof CheckpointError && /missing: third.weight/.test(e.message),
  );
  assert.equal(weights(wider), before);
  writeFileSync(path, new Uint8Array([1, 2, 3]));
  assert.throws(
    () => run(new Net(1), 6, path),
    (e: Error) => e instanceof CheckpointError,
  );
});

training("SGD without momentum is w − η (g + λ w), exactly for dyadic numbers", () => {
  fc.assert(
    fc.property(fc.integer({ min: -64, max: 64 }), fc.integer({ min: -64, max: 64 }), (w, g) => {
      const p = parameter(tensor([w]));
      p.mul(g).sum().backward();
      new SGD([p], { lr: 0.25, weightDecay: 0.5 }).step();
      assert.is(p.item(), w - 0.25 * (g + 0.5 * w));
    }),
  );
});

training(
  "AdamW's first step moves each weight by the rate, against the sign of its gradient, after decay",
  () => {
    fc.assert(
      fc.property(filled(2), seed, (shape, from) => {
        const p = parameter(values(shape, from, 0.5, 1));
        const [before, g] = [p.toArray(), values(shape, from + 1, 0.5, 1)];
        p.mul(g).sum().backward();
        new AdamW([p], { lr: 0.1, weightDecay: 0.5, eps: 0 }).step();
        // m̂/√v̂ = g/|g| at t = 1. Three float32 operations on numbers below 2.
        p.toArray().forEach((w, i) => {
          const expected = before[i] * (1 - 0.1 * 0.5) - 0.1 * Math.sign(g.toArray()[i]);
          assert.ok(Math.abs(w - expected) <= 6 * 2 ** -24 * 2, `${w} is not ${expected}`);
        });
      }),
    );
  },
);

training("clipping scales to the given norm, or not at all", () => {
  fc.assert(
    fc.property(filled(2), seed, fc.double({ min: 0.01, max: 10, noNaN: true }), (shape, from, most) => {
      const p = parameter(values(shape, from, 0.1, 1));
      p.mul(values(shape, from + 1, 0.1, 1))
        .sum()
        .backward();
      const before = (p.grad as Tensor).toArray();
      const norm = clipGradientNorm([p], most);
      if (norm + 1e-6 <= most) assert.equal((p.grad as Tensor).toArray(), before);
      else assert.ok(Math.abs(gradientNorm([p]) - most) <= most * 1e-4); // the 1e-6 in the factor, norms ≥ 0.01
    }),
  );
});

training("schedules start at their warm-up, pass 1, and end at 0", () => {
  for (const make of [linearDecay, cosine]) {
    const at = make({ warmup: 4, total: 20 });
    assert.equal(
      [0, 2, 4, 20].map((step) => at(step)),
      [0, 0.5, 1, 0],
    );
    for (let step = 4; step < 20; step++) assert.ok(at(step + 1) < at(step));
  }
  assert.is(linearDecay({ total: 20 })(25), 0);
  assert.equal([0, 1, 2, 99].map(constant({ warmup: 2 })), [0, 0.5, 1, 1]);
  assert.throws(() => cosine({ warmup: 5, total: 4 }), /0 ≤ warmup ≤ total/);
});

training("optimizers refuse what would train nothing or anything wrong", () => {
  const p = parameter(tensor([1]));
  assert.throws(
    () => new AdamW([]),
    (e: Error) => e instanceof ArgumentError && /at least one parameter/.test(e.message),
  );
  assert.throws(() => new AdamW([p], { lr: -1 }), /lr ≥ 0/);
  assert.throws(() => new AdamW([p], { betas: [0.9, 1] }), /betas, two numbers in \[0, 1\)/);
  assert.throws(() => new AdamW([p, p]), /each parameter in one group/);
  p.requiresGrad = false;
  assert.throws(() => new SGD([p], { lr: 1 }), /requires a gradient/);
});

training("fit stops at a loss that is no number, naming the step", () => {
  const net = new Net(1);
  assert.throws(
    () =>
      fit(net, {
        steps: 3,
        optimizer: new SGD(net.parameters(), { lr: 1 }),
        batch: (step) => step,
        loss: (step) =>
          net
            .forward(batchOf(step).x)
            .sum()
            .mul(step === 1 ? Number.NaN : 1),
        progress: false,
      }),
    /the loss of step 1 is NaN/,
  );
});

training.run();
