/** @file DoRA's row: rows by hand are the equations', training reaches its target, measures are those of §3.2. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  byHand,
  changeOf,
  LENGTH,
  methods,
  STEPS,
  trainRow,
  turned,
  W0,
} from "../../../notebooks/lab/page/toys/row.ts";
import { finish } from "../../../notebooks/lab/page/toys/training.ts";

const rowTests = suite("DoRA's row");

const near = (a: number, b: number, bound: number): void => assert.ok(Math.abs(a - b) <= bound, `${a}, ${b}`);

rowTests("an update by hand: LoRA adds it, DoRA takes its direction alone", () => {
  const { lora, dora } = byHand([-0.5, 0.5], 2);
  near(lora[0], 0.5, 1e-6);
  near(lora[1], 1.25, 1e-6);
  near(Math.hypot(...dora), 2, 1e-6);
  near(dora[0] / dora[1], 0.5 / 1.25, 1e-6);
});

rowTests("no update and the row's own length: nothing has changed", () => {
  const { lora, dora } = byHand([0, 0], LENGTH);
  for (const [x, y] of [lora, dora]) {
    near(x, W0[0], 1e-6);
    near(y, W0[1], 1e-6);
  }
});

rowTests("where the update takes the whole row away, DoRA's row is zero and no NaN", () => {
  const { dora } = byHand([-W0[0], -W0[1]], 1);
  assert.equal(dora, [0, 0]);
  assert.equal(changeOf(dora), { magnitude: LENGTH, direction: 1 });
});

rowTests("a row that is turned changes in direction alone, one that is longer in magnitude alone", () => {
  const quarter = changeOf(turned(90, 1));
  near(quarter.magnitude, 0, 1e-12);
  near(quarter.direction, 1, 1e-12);
  const longer = changeOf(turned(0, 2));
  near(longer.magnitude, LENGTH, 1e-12);
  near(longer.direction, 0, 1e-12);
});

rowTests("every method starts at w0 and comes near its target", () => {
  const target = turned(50, 1.2);
  const paths = finish(trainRow(target));
  for (const method of methods) {
    assert.is(paths[method].length, STEPS + 1);
    near(paths[method][0][0], W0[0], 1e-6);
    const [x, y] = paths[method][STEPS];
    near(Math.hypot(x - target[0], y - target[1]), 0, 0.05);
  }
});

rowTests.run();
