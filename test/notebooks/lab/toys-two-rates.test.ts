/** @file The toy of two rates: following aᵀx and b alone gives what autograd gives with all n numbers of a. */

import { parameter, tensor } from "lowrank/autograd";
import { random, scope } from "lowrank/core";
import { SGD } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { finish, onLoops } from "../../../notebooks/lab/page/toys/training.ts";
import {
  AXIS,
  drawsOf,
  landscape,
  medianLoss,
  rateAt,
  train,
} from "../../../notebooks/lab/page/toys/two-rates.ts";

const ratesTests = suite("the landscape of two rates");

ratesTests("two numbers are enough: f after ten steps of SGD with a group for each rate", () => {
  const [n, rateA, rateB] = [50, 0.01, 0.4];
  const x = random(1).normal(n);
  const start = random(2).normal(n, 0, 1 / Math.sqrt(n));
  const f = onLoops(() =>
    scope(() => {
      const [a, b] = [parameter(tensor(start)), parameter(tensor([0]))];
      const output = () => a.mul(tensor(x)).sum().mul(b).sum();
      const optimizer = new SGD(
        [
          { params: [a], lr: rateA },
          { params: [b], lr: rateB },
        ],
        { lr: rateA },
      );
      for (let step = 0; step < 10; step++) {
        output().sub(1).square().mul(0.5).backward();
        optimizer.step();
        optimizer.zeroGrad();
      }
      return output().item();
    }),
  );
  let [ax, xx] = [0, 0];
  for (let i = 0; i < n; i++) {
    ax += start[i] * x[i];
    xx += x[i] * x[i];
  }
  // Autograd's numbers are float32: ten steps of some roundings of 2⁻²⁴ each, of numbers near 1.
  assert.ok(Math.abs(train({ ax, xx }, rateA, rateB, 10).f - f) < 1e-5, `${f}`);
});

ratesTests("the three terms add up to the change of f", () => {
  for (const draw of drawsOf(100)) {
    const [before, after] = [3, 4].map((steps) => train(draw, 0.005, 0.3, steps));
    const change = after.terms.reduce((sum, term) => sum + term, 0);
    assert.ok(Math.abs(after.f - before.f - change) < 1e-12);
  }
});

ratesTests("‖x‖² is about n, and no step is taken through a while b is zero", () => {
  for (const draw of drawsOf(800)) {
    assert.ok(Math.abs(draw.xx / 800 - 1) < 0.25); // five deviations of √(2/800)
    assert.is(Math.abs(train(draw, 0.1, 0.1, 1).terms[0]), 0);
  }
});

ratesTests("the map is that of its places, and large rates diverge", () => {
  const { losses, rows } = finish(landscape(25, 5));
  assert.is(rows, AXIS.count);
  assert.is(losses[AXIS.count - 1], Number.POSITIVE_INFINITY);
  const [a, b] = [10, 20];
  const at = (AXIS.count - 1 - b) * AXIS.count + a;
  assert.is(losses[at], medianLoss(drawsOf(25), rateAt(a), rateAt(b), 5));
  assert.ok(losses[at] < 0.5);
});

ratesTests.run();
