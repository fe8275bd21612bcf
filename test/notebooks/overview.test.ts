import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { timeLeft } from "../../notebooks/support/runner/overview.ts";

const times = suite("time left");

times("waiting notebooks start in order, each in the first free place", () => {
  assert.is(timeLeft([], [], 2), 0);
  assert.is(timeLeft([3], [], 2), 3);
  assert.is(timeLeft([3, 1], [5], 2), 6); // 5 after 1
  assert.is(timeLeft([3], [5, 1], 2), 5); // 5 at once, 1 after 3
  assert.is(timeLeft([1], [2, 3], 1), 6);
});

times("the time left is at least the longest notebook and the evenly divided work, at most the sum", () => {
  const seconds = fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), seconds, seconds, (atATime, all, waiting) => {
      const running = all.slice(0, atATime);
      const sum = [...running, ...waiting].reduce((total, one) => total + one, 0);
      const left = timeLeft(running, waiting, atATime);
      assert.ok(left >= Math.max(0, ...running, ...waiting) && left >= sum / atATime && left <= sum);
    }),
  );
});

times.run();
