import * as fc from "fast-check";
import { random } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  above,
  below,
  every,
  higher,
  interval,
  type Judgement,
  lower,
  noWorse,
} from "../../notebooks/support/experiments/verdicts.ts";
import { VERDICTS } from "../../notebooks/support/notebook/session.ts";

const verdicts = suite("verdicts from paired intervals");

/** `count` experiments of five seeds, whose pairs differ by `difference` in units of the noise. */
function judged(
  judge: (first: number[], second: number[]) => Judgement,
  difference: number,
  count: number,
): Judgement["verdict"][] {
  const rng = random(7);
  return Array.from({ length: count }, () => {
    const common = rng.normal(5); // both arms of a seed share their batches
    const [a, b] = [rng.normal(5), rng.normal(5)];
    const first = Array.from(common, (c, i) => 3 * c + a[i] + difference);
    return judge(
      first,
      Array.from(common, (c, i) => 3 * c + b[i]),
    ).verdict;
  });
}
const share = (found: readonly string[], verdict: string): number =>
  found.filter((one) => one === verdict).length / found.length;

verdicts("without a true difference, at most 5 % of the experiments say supported or contradicted", () => {
  // An interval of 95 % misses zero in 5 %. In 4,000 trials the share deviates by √(0.05 · 0.95 / 4000) = 0.0034.
  for (const judge of [lower, higher, noWorse]) {
    const found = judged((a, b) => judge(a, b, { par: 0 }), 0, 4000);
    const decided = share(found, "supported") + share(found, "contradicted");
    assert.ok(decided < 0.05 + 4 * 0.0034, `${decided}`);
    if (judge !== noWorse) assert.ok(decided > 0.05 - 4 * 0.0034, `${decided}`);
  }
});

verdicts("a large difference is found, on either side", () => {
  const decision = { par: 0.1 };
  for (const judge of [lower, noWorse]) {
    assert.ok(
      share(
        judged((a, b) => judge(a, b, decision), -8, 400),
        "supported",
      ) > 0.95,
    );
    assert.ok(
      share(
        judged((a, b) => judge(a, b, decision), 8, 400),
        "contradicted",
      ) > 0.95,
    );
  }
  assert.ok(
    share(
      judged((a, b) => higher(a, b, decision), 8, 400),
      "supported",
    ) > 0.95,
  );
});

verdicts("a small difference is on a par where δ allows it", () => {
  const found = judged((a, b) => lower(a, b, { par: 9 }), 0.5, 400);
  assert.ok(share(found, "on a par") > 0.95);
});

verdicts("the interval of five values, by hand", () => {
  const { mean, low, high } = interval([1, 2, 3, 4, 5]); // deviation √2.5, t = 2.776
  assert.is(mean, 3);
  assert.ok(Math.abs(high - 3 - (2.776 * Math.sqrt(2.5)) / Math.sqrt(5)) < 1e-12);
  assert.ok(Math.abs(low + high - 6) < 1e-12);
  assert.throws(() => interval([]), /at least one/);
});

verdicts("one seed decides nothing, unless the difference is none at all by δ", () => {
  assert.is(lower([1], [2], { par: 0 }).verdict, "cannot tell");
  assert.is(above([1], 0).verdict, "cannot tell");
});

verdicts("exchanging the arms exchanges supported and contradicted, and nothing else", () => {
  const pair = fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -50, max: 50 }));
  fc.assert(
    fc.property(fc.array(pair, { minLength: 2, maxLength: 8 }), fc.nat(20), (pairs, par) => {
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
      const [there, back] = [lower(a, b, { par }).verdict, higher(a, b, { par }).verdict];
      const swap = { supported: "contradicted", contradicted: "supported" } as Record<string, string>;
      assert.is(back, swap[there] ?? there);
      assert.is(lower(b, a, { par }).verdict, back);
    }),
  );
});

verdicts("a threshold is a second arm without spread", () => {
  assert.is(above([2, 2.1, 1.9], 1).verdict, "supported");
  assert.is(above([2, 2.1, 1.9], 3).verdict, "contradicted");
  assert.is(below([2, 2.1, 1.9], 3).verdict, "supported");
  assert.is(below([2, 2.1, 1.9], 2.05, { par: 0.5 }).verdict, "on a par");
});

verdicts("of several parts, the worst counts", () => {
  const parts = VERDICTS.map((verdict) => ({ verdict, why: verdict }));
  for (const [i, part] of parts.entries()) assert.is(every(parts.slice(0, i + 1)).verdict, part.verdict);
  assert.throws(() => every([]), RangeError);
});

verdicts("arms of different length are no pairs", () => {
  assert.throws(() => lower([1, 2], [1], { par: 0 }), /pairs/);
});

verdicts.run();
