import * as fc from "fast-check";
import { random } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { deviation } from "../../notebooks/papers/dora/magnitude-direction.ts";
import { leastSquares, mean } from "../../notebooks/support/experiments/statistics.ts";

const statistics = suite("statistics of the notebooks");
const close = (a: number, b: number, scale = 1): void =>
  assert.ok(Math.abs(a - b) <= 1e-12 * scale, `${a} is not ${b}`);

/** Different integers, so that no spread is zero and nothing is rounded much. */
const integers = fc.uniqueArray(fc.integer({ min: -100, max: 100 }), { minLength: 3, maxLength: 12 });

statistics("points on a line give that line and a correlation of ±1", () => {
  fc.assert(
    fc.property(integers, fc.integer({ min: 1, max: 9 }), fc.boolean(), (x, steepness, down) => {
      const slope = down ? -steepness : steepness;
      const line = leastSquares(
        x,
        x.map((value) => 7 + slope * value),
      );
      close(line.slope, slope, 100);
      close(line.intercept, 7, 1e4);
      close(line.correlation, Math.sign(slope));
    }),
  );
});

statistics("residuals of the line sum to zero and are orthogonal to x", () => {
  fc.assert(
    fc.property(integers, fc.nat(1000), (x, seed) => {
      const y = [...random(seed).normal(x.length)];
      const { slope, intercept } = leastSquares(x, y);
      const errors = y.map((value, i) => value - intercept - slope * x[i]);
      close(mean(errors), 0, 1e3);
      close(mean(errors.map((error, i) => error * x[i])), 0, 1e5);
    }),
  );
});

statistics("the correlation of four points, by hand", () => {
  close(leastSquares([1, 2, 3, 4], [1, 3, 2, 4]).correlation, 0.8);
  assert.throws(() => leastSquares([1], [1]), /two or more/);
});

const matrices = fc.record({
  out: fc.integer({ min: 1, max: 6 }),
  into: fc.integer({ min: 1, max: 6 }),
  seed: fc.nat(1000),
});

statistics("a scaled weight has changed in magnitude only, by the mean of the norms", () => {
  fc.assert(
    fc.property(matrices, ({ out, into, seed }) => {
      const W0 = random(seed).normal(out * into);
      const norms = Array.from({ length: out }, (_, n) => Math.hypot(...W0.slice(n * into, (n + 1) * into)));
      const { magnitude, direction } = deviation(
        W0,
        W0.map((w) => 2 * w),
        into,
      );
      close(magnitude, mean(norms), 10);
      close(direction, 0);
    }),
  );
});

statistics("turned rows have changed in direction only: by 2 when reversed, by 1 at a right angle", () => {
  assert.equal(deviation([1, 0, 0, 2], [-1, 0, 0, -2], 2), { magnitude: 0, direction: 2 });
  assert.equal(deviation([1, 0, 0, 2], [0, 1, 0, 2], 2), { magnitude: 0, direction: 0.5 });
  assert.equal(deviation([0, 0], [3, 4], 2), { magnitude: 5, direction: 0 }); // a row of zeros has no direction
  assert.throws(() => deviation([1, 2, 3], [1, 2, 3], 2), /rows of 2/);
});

statistics.run();
