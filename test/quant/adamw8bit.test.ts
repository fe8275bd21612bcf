/** @file AdamW8bit against AdamW: steps, state, bounds of updates, and what is refused. */

import * as fc from "fast-check";
import { mseLoss, type Parameter, parameter, tensor } from "lowrank/autograd";
import {
  ArgumentError,
  array,
  CheckpointError,
  liveBytes,
  type NDArray,
  QuantizationError,
  random,
  scope,
} from "lowrank/core";
import { AdamW, type OptimizerState } from "lowrank/nn";
import { AdamW8bit, dequantizeBlocks, dynamic8, dynamic8Unsigned, quantizeBlocks } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("AdamW8bit");

const normal = (seed: number, shape: number[]) =>
  tensor(random(seed).normal(shape.reduce((n, length) => n * length, 1)), shape);
const zeros = (size: number): Parameter => parameter(array(new Float32Array(size), [size]));

const steps = (optimizer: AdamW, all: readonly Parameter[], from: number, to: number): void => {
  for (let step = from; step < to; step++) {
    all.forEach((each, i) => {
      each.grad = normal(10 * step + i, [...each.shape]);
    });
    optimizer.step();
  }
};

test("the first step is AdamW's bit for bit: it starts from exact zeros and quantizes after it", () => {
  // A size that fills neither the last block nor the last chunk; one of exactly a chunk.
  for (const size of [16384, 20001]) {
    const [a, b] = [zeros(size), zeros(size)];
    steps(new AdamW([a], { lr: 0.1 }), [a], 0, 1);
    steps(new AdamW8bit([b], { lr: 0.1 }), [b], 0, 1);
    assert.equal(b.toArray(), a.toArray());
  }
});

test("on a regression, weights stay within 5 % of AdamW's over 100 steps, and the loss falls alike", () => {
  const [rows, n] = [128, 64];
  const X = normal(1, [rows, n]);
  const Y = X.matmul(normal(2, [n, n]));
  const train = (make: (w: Parameter) => AdamW) => {
    const w = parameter(array(new Float32Array(n * n), [n, n]));
    const optimizer = make(w);
    const losses = Array.from({ length: 100 }, () =>
      scope(() => {
        const loss = mseLoss(X.matmul(w), Y);
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
        return loss.item();
      }),
    );
    return { w: w.toArray(), losses };
  };
  const settings = { lr: 0.05, weightDecay: 0 };
  const exact = train((w) => new AdamW([w], settings));
  const eight = train((w) => new AdamW8bit([w], settings));
  const norm = (x: Float32Array): number => Math.hypot(...x);
  const distance = norm(eight.w.map((value, i) => value - exact.w[i])) / norm(exact.w);
  assert.ok(distance > 1e-4 && distance < 0.05, `${distance}`);
  assert.ok(exact.losses[99] < 0.1 * exact.losses[0]);
  for (let i = 0; i < 100; i++) {
    const ratio = eight.losses[i] / exact.losses[i];
    assert.ok(ratio > 0.9 && ratio < 1.25, `step ${i}: ${ratio}`);
  }
});

test("the state takes a quarter of AdamW's bytes, in arrays and on the meter", () => {
  const [large, small] = [zeros(65536), zeros(1000)];
  const before = liveBytes().optimizer;
  const optimizer = new AdamW8bit([large, small]);
  steps(optimizer, [large, small], 0, 2);
  // Two codes a parameter and two float32 for every 256; the small one has two float32 a parameter.
  const bytes = 2 * (65536 + (65536 / 256) * 4) + 2 * 4 * 1000;
  assert.is(optimizer.stateBytes, bytes);
  assert.is(liveBytes().optimizer - before, bytes);
});

test("small parameters train as with AdamW", () => {
  const [a, b] = [zeros(4095), zeros(4095)];
  steps(new AdamW([a]), [a], 0, 3);
  steps(new AdamW8bit([b]), [b], 0, 3);
  assert.equal(b.toArray(), a.toArray());
  const c = zeros(4095);
  steps(new AdamW8bit([c], { min8bitSize: 1 }), [c], 0, 3);
  assert.not.equal(c.toArray(), a.toArray());
});

test("a saved state continues bit for bit", () => {
  const sizes = [5000, 10];
  const whole = sizes.map(zeros);
  steps(new AdamW8bit(whole), whole, 0, 6);

  const parts = sizes.map(zeros);
  const first = new AdamW8bit(parts);
  steps(first, parts, 0, 3);
  const second = new AdamW8bit(parts);
  second.loadStateDict(first.stateDict());
  steps(second, parts, 3, 6);
  assert.equal(
    parts.map((each) => each.toArray()),
    whole.map((each) => each.toArray()),
  );
});

test("AdamW's state loads, quantized, and training continues from it", () => {
  const [a, b] = [zeros(8192), zeros(8192)];
  const exact = new AdamW([a], { lr: 0.01 });
  steps(exact, [a], 0, 5);
  b.assign(a);
  const eight = new AdamW8bit([b], { lr: 0.01 });
  eight.loadStateDict(exact.stateDict());
  steps(exact, [a], 5, 6);
  steps(eight, [b], 5, 6);
  const [p, q] = [a.toArray(), b.toArray()];
  // Step sizes are at most about lr; the moments' codes are off by some percent.
  assert.ok(p.every((value, i) => Math.abs(value - q[i]) < 0.01));
  assert.ok(p.some((value, i) => value !== q[i]));
});

test("states that do not fit are refused, and the optimizer is unchanged", () => {
  const w = zeros(5000);
  const optimizer = new AdamW8bit([w]);
  steps(optimizer, [w], 0, 2);
  const good = optimizer.stateDict();
  const refuses = (change: (arrays: Map<string, NDArray>) => void): void => {
    const arrays = new Map(good.arrays);
    change(arrays);
    const state: OptimizerState = { steps: good.steps, arrays };
    assert.throws(
      () => optimizer.loadStateDict(state),
      (error: Error) => error instanceof CheckpointError,
    );
    assert.equal(
      [...optimizer.stateDict().arrays.values()].map(({ data }) => data),
      [...good.arrays.values()].map(({ data }) => data),
    );
  };
  refuses((arrays) => arrays.delete("0.exp_avg.absmax"));
  refuses((arrays) => arrays.delete("0.exp_avg_sq.codes"));
  refuses((arrays) => arrays.set("0.exp_avg.absmax", array(new Float32Array(19), [19])));
  refuses((arrays) => arrays.set("0.exp_avg.codes", array(new Float32Array(5000).fill(0.5), [5000])));
  refuses((arrays) => arrays.set("0.exp_avg.codes", array(new Float32Array(4999), [4999])));
  refuses((arrays) => arrays.set("1.exp_avg.codes", array(new Float32Array(5000), [5000])));
});

test("AMSGrad, and gradients that 8 bits cannot hold, are refused", () => {
  const w = zeros(5000);
  assert.throws(
    () => new AdamW8bit([{ params: [w], amsgrad: true }]),
    (error: Error) => error instanceof ArgumentError,
  );
  const optimizer = new AdamW8bit([w]);
  steps(optimizer, [w], 0, 1);
  const [before, state] = [w.toArray(), optimizer.stateDict()];
  w.grad = tensor(new Float32Array(5000).fill(1).fill(Number.NaN, 4000, 4001), [5000]);
  assert.throws(
    () => optimizer.step(),
    (error: Error) => error instanceof QuantizationError,
  );
  assert.equal(w.toArray(), before);
  assert.equal(optimizer.stateDict().steps, state.steps);
});

/** Gradients of very different sizes side by side, some of them only now and then: what rounds v to zero. */
const wild = (step: number, from: number, size: number): Float32Array => {
  const [g, power, rare] = ["g", "power", "rare"].map((name) => random(from).split(name).split(step));
  const sizes = power.uniform(size, -12, 3);
  const often = rare.uniform(size);
  return g.normal(size).map((value, i) => (often[i] < 0.4 ? 0 : value * 10 ** sizes[i]));
};

test("no update is larger than AdamW's can be: η C √(1 − β₂ᵗ)/(1 − β₁ᵗ)", () => {
  const betas = fc.tuple(fc.constantFrom(0, 0.5, 0.9, 0.95), fc.constantFrom(0.9, 0.99, 0.999));
  fc.assert(
    fc.property(betas, fc.nat(1000), ([beta1, beta2], from) => {
      const [w, lr, size] = [zeros(600), 0.1, 600];
      const optimizer = new AdamW8bit([w], { lr, betas: [beta1, beta2], weightDecay: 0, min8bitSize: 0 });
      const q = beta1 ** 2 / beta2; // where it is 1 or more, the sum grows with the steps
      for (let t = 1; t <= 12; t++) {
        const before = w.toArray();
        w.grad = tensor(wild(t, from, size), [size]);
        optimizer.step();
        const sum = q < 1 ? 1 / (1 - q) : Array.from({ length: t }, (_, k) => q ** k).reduce((a, b) => a + b);
        const C = ((1 - beta1) / Math.sqrt(1 - beta2)) * Math.sqrt(sum);
        const most = (lr * C * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
        w.toArray().forEach((after, i) => {
          const moved = Math.abs(after - before[i]);
          assert.ok(
            moved <= most * (1 + 1e-5) + 1e-6,
            `step ${t}, weight ${i}: moved ${moved}, at most ${most}`,
          );
        });
      }
    }),
    { numRuns: 30 },
  );
});

test("without the bound: AdamW on moments that are quantized after each step, bit for bit, and far away where v is 0", () => {
  const size = 512;
  const stepped = (boundUpdates: boolean, gradient: (t: number) => Float32Array): Float32Array => {
    const w = zeros(size);
    const optimizer = new AdamW8bit([w], { lr: 0.1, weightDecay: 0, min8bitSize: 0, boundUpdates });
    for (let t = 1; t <= 4; t++) {
      w.grad = tensor(gradient(t), [size]);
      optimizer.step();
    }
    return w.toArray();
  };
  const byHand = (gradient: (t: number) => Float32Array): Float32Array => {
    const w = zeros(size);
    const exact = new AdamW([w], { lr: 0.1, weightDecay: 0 });
    for (let t = 1; t <= 4; t++) {
      w.grad = tensor(gradient(t), [size]);
      exact.step();
      const { arrays } = exact.state(w);
      for (const [name, codebook] of [
        ["exp_avg", dynamic8] as const,
        ["exp_avg_sq", dynamic8Unsigned] as const,
      ]) {
        const data = arrays[name].storage.write() as Float32Array;
        const { packed, absmax } = quantizeBlocks(codebook, data, 256);
        dequantizeBlocks(codebook, packed, absmax, 256, data, 0, size);
      }
    }
    return w.toArray();
  };
  const far = (t: number): Float32Array =>
    new Float32Array(size).map((_, i) => (t > 1 ? 0 : i % 256 === 0 ? 1 : 1e-4));
  assert.equal(stepped(false, far), byHand(far));
  assert.ok(Math.max(...stepped(false, far).map(Math.abs)) > 100);
  assert.ok(Math.max(...stepped(true, far).map(Math.abs)) < 1);
  // Where all moments round well, the bound changes nothing.
  const plain = (t: number): Float32Array => random(t).uniform(size, 0.5, 1);
  assert.equal(stepped(true, plain), byHand(plain));
  assert.equal(stepped(false, plain), byHand(plain));
});

test("a gradient that is not finite stops the step before any parameter changes", () => {
  const [a, b] = [zeros(5000), zeros(5000)];
  const optimizer = new AdamW8bit([a, b]);
  [a.grad, b.grad] = [normal(1, [5000]), tensor(new Float32Array(5000).fill(Number.NaN))];
  assert.throws(
    () => optimizer.step(),
    (error: Error) => error instanceof QuantizationError,
  );
  assert.equal(a.toArray(), new Float32Array(5000));
  assert.equal(optimizer.stateDict().steps, [0, 0]);
});

test.run();
