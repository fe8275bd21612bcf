import * as fc from "fast-check";
import { type Random, random } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { studentQuantile, studentTail } from "../../notebooks/support/experiments/statistics.ts";
import {
  above,
  below,
  every,
  higher,
  interval,
  type Judgement,
  lower,
  noWorse,
  within,
} from "../../notebooks/support/experiments/verdicts.ts";
import { VERDICTS } from "../../notebooks/support/notebook/session.ts";

const verdicts = suite("verdicts from paired intervals");

/** Shapes of noise, each with a mean of 0 and a deviation of about 1. */
const noises: Readonly<Record<string, (rng: Random) => number>> = {
  normal: (rng) => rng.normal(1)[0],
  uniform: (rng) => Math.sqrt(12) * (rng.uniform(1)[0] - 0.5),
  "with long tails": (rng) => rng.normal(1)[0] / Math.sqrt((square(rng) + square(rng) + square(rng)) / 3),
  skewed: (rng) => -Math.log(1 - rng.uniform(1)[0]) - 1,
  "on a grid": (rng) => Math.round(2 * rng.normal(1)[0]) / 2,
  "seldom far out": (rng) => rng.normal(1)[0] * (rng.uniform(1)[0] < 0.1 ? 3 : 0.3),
};
const square = (rng: Random): number => rng.normal(1)[0] ** 2;

/** `count` experiments of `n` seeds, whose pairs differ by `difference` in units of the noise. */
function experiments(
  { noise, n, difference, count }: { noise: string; n: number; difference: number; count: number },
  seed = 7,
): (readonly [first: number[], second: number[]])[] {
  const rng = random(seed);
  const values = (): number[] => Array.from({ length: n }, () => noises[noise](rng));
  return Array.from({ length: count }, () => {
    const common = values(); // both arms of a seed share their batches
    const [a, b] = [values(), values()];
    return [common.map((c, i) => 3 * c + a[i] + difference), common.map((c, i) => 3 * c + b[i])] as const;
  });
}
const share = (found: readonly Judgement[], ...of: readonly string[]): number =>
  found.filter(({ verdict }) => of.includes(verdict)).length / found.length;

// Of 1,000 experiments a share of 5 % deviates by √(0.05 · 0.95 / 1000) = 0.007; four of these are allowed.
const COUNT = 1000;
const [MOST, LEAST] = [0.05 + 4 * 0.007, 0.05 - 4 * 0.007];
const judges = { lower, higher, noWorse };

for (const noise of Object.keys(noises))
  for (const n of [3, 5, 10])
    verdicts(
      `without a true difference, in 19 of 20 experiments nothing is decided: ${noise}, ${n} seeds`,
      () => {
        const trials = experiments({ noise, n, difference: 0, count: COUNT });
        for (const [name, judge] of Object.entries(judges))
          for (const par of [0, 0.3, 1, 3]) {
            const found = trials.map(([a, b]) => judge(a, b, { par }));
            const decided = share(found, "supported", "contradicted");
            assert.ok(decided < MOST, `${name}, δ = ${par}: ${decided}`);
            if (noise === "normal" && par === 0 && name !== "noWorse")
              assert.ok(decided > LEAST, `${name}: ${decided}`);
          }
      },
    );

verdicts("without a true difference from the threshold, in 19 of 20 experiments nothing is decided", () => {
  // One sample against a number: differences are symmetric only where the noise is.
  for (const noise of ["normal", "uniform", "with long tails", "seldom far out"])
    for (const n of [3, 5, 10])
      for (const par of [0, 1]) {
        const trials = experiments({ noise, n, difference: 0, count: COUNT });
        for (const judge of [above, below]) {
          const found = trials.map(([values]) => judge(values, 0, { par }));
          const decided = share(found, "supported", "contradicted");
          // Around a threshold, flat noise stays flat: Student's interval then misses the mean in up to 8 %.
          assert.ok(decided < MOST + (noise === "uniform" ? 0.03 : 0), `${noise}, ${n}, ${par}: ${decided}`);
        }
      }
});

verdicts("of several parts without a true difference, in 19 of 20 experiments nothing is decided", () => {
  for (const parts of [2, 5]) {
    const trials = experiments({ noise: "normal", n: 5, difference: 0, count: parts * COUNT });
    const found = Array.from({ length: COUNT }, (_, i) =>
      every(trials.slice(i * parts, (i + 1) * parts).map(([a, b]) => lower(a, b, { par: 0 }))),
    );
    const decided = share(found, "supported", "contradicted");
    assert.ok(decided < MOST, `${parts} parts: ${decided}`);
  }
});

verdicts("a clear difference is found, on either side, in every shape of noise", () => {
  for (const noise of Object.keys(noises)) {
    const [down, up] = [-6, 6].map((difference) => experiments({ noise, n: 5, difference, count: 300 }));
    const decision = { par: 0.1 };
    for (const judge of [lower, noWorse]) {
      const [better, worse] = [down, up].map((trials) => trials.map(([a, b]) => judge(a, b, decision)));
      assert.ok(share(better, "supported") > 0.9, `${noise}: ${share(better, "supported")}`);
      assert.ok(share(worse, "contradicted") > 0.9, `${noise}: ${share(worse, "contradicted")}`);
    }
    const higherUp = up.map(([a, b]) => higher(a, b, decision));
    assert.ok(share(higherUp, "supported") > 0.9);
  }
});

verdicts("a small difference is on a par where δ allows it", () => {
  for (const noise of Object.keys(noises)) {
    const trials = experiments({ noise, n: 5, difference: 0.5, count: 300 });
    for (const judge of [lower, higher, noWorse]) {
      const found = trials.map(([a, b]) => judge(a, b, { par: 20 }));
      assert.ok(share(found, "on a par") > 0.95, noise);
    }
  }
});

const finite = fc.integer({ min: -50, max: 50 });
const pairs = fc.array(fc.tuple(finite, finite), { minLength: 1, maxLength: 8 });
const arms = (list: readonly (readonly [number, number])[]): [number[], number[]] => [
  list.map(([x]) => x),
  list.map(([, y]) => y),
];

verdicts("worse values never make a verdict better", () => {
  const rank = { supported: 0, "on a par": 1, "cannot tell": 1, contradicted: 2 };
  fc.assert(
    fc.property(pairs, fc.nat(20), fc.nat(40), (list, par, shift) => {
      const [a, b] = arms(list);
      const worse = a.map((value) => value + shift);
      for (const judge of [lower, noWorse])
        assert.ok(rank[judge(worse, b, { par }).verdict] >= rank[judge(a, b, { par }).verdict]);
      assert.ok(rank[higher(worse, b, { par }).verdict] <= rank[higher(a, b, { par }).verdict]);
    }),
  );
});

verdicts("the unit, the order of the seeds and a common offset change nothing", () => {
  fc.assert(
    fc.property(pairs, fc.nat(20), (list, par) => {
      const [a, b] = arms(list);
      for (const judge of [lower, higher, noWorse]) {
        const { verdict } = judge(a, b, { par });
        const scaled = [a, b].map((values) => values.map((value) => value / 1024)); // exact
        assert.is(judge(scaled[0], scaled[1], { par: par / 1024 }).verdict, verdict);
        const moved = [a, b].map((values) => values.map((value, i) => value + 64 * i));
        assert.is(judge(moved[0], moved[1], { par }).verdict, verdict);
      }
    }),
  );
});

const broken = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY);
verdicts("an arm that diverges is worse, and never on a par; of two that diverge nothing can be told", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(finite, broken), { minLength: 3, maxLength: 8 }),
      fc.nat(200),
      (list, par) => {
        const [good, bad] = arms(list);
        for (const judge of [lower, noWorse, higher]) {
          assert.is(judge(bad, good, { par }).verdict, "contradicted");
          assert.is(judge(good, bad, { par }).verdict, "supported");
          assert.is(judge(bad, bad, { par }).verdict, "cannot tell");
          assert.match(judge(bad, good, { par }).why, /^diverged: (\d) of \1 against 0$/);
        }
      },
    ),
  );
});

verdicts("one diverged run of five decides nothing, four do", () => {
  const good = [1, 2, 3, 4, 5];
  const some = (count: number): number[] => good.map((value, i) => (i < count ? Number.NaN : value - 10));
  for (const judge of [lower, noWorse, higher]) {
    assert.is(judge(some(1), good, { par: 100 }).verdict, "cannot tell");
    assert.is(judge(some(4), good, { par: 100 }).verdict, "contradicted");
    assert.is(judge(good, some(4), { par: 100 }).verdict, "supported");
  }
});

verdicts("values that are not finite are neither above nor below", () => {
  for (const value of [Number.NaN, Infinity, -Infinity])
    for (const judge of [above, below]) assert.is(judge([1, 2, value], 0, { par: 5 }).verdict, "cannot tell");
});

verdicts("Student's quantiles are those of the printed tables", () => {
  const printed = { 1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 30: 2.042, 120: 1.98 };
  for (const [df, value] of Object.entries(printed))
    assert.ok(Math.abs(studentQuantile(0.975, Number(df)) - value) < 0.0006, df);
  assert.ok(Math.abs(studentTail(1, 1) - 1 / 4) < 1e-12); // Cauchy: ½ − arctan(1)/π
});

verdicts("the interval of five values, by hand", () => {
  const { mean, low, high } = interval([1, 2, 3, 4, 5]); // deviation √2.5, t = 2.776445
  assert.is(mean, 3);
  assert.ok(Math.abs(high - 3 - (2.776445 * Math.sqrt(2.5)) / Math.sqrt(5)) < 1e-6);
  assert.ok(Math.abs(low + high - 6) < 1e-12);
  assert.throws(() => interval([]), /at least one/);
});

verdicts("one seed decides nothing, whatever it shows", () => {
  const number = fc.oneof(finite, broken);
  fc.assert(
    fc.property(number, number, fc.nat(200), (x, y, par) => {
      for (const judge of [lower, higher, noWorse])
        assert.is(judge([x], [y], { par }).verdict, "cannot tell");
      for (const judge of [above, below]) assert.is(judge([x], 7, { par }).verdict, "cannot tell");
    }),
  );
});

verdicts("exchanging the arms exchanges supported and contradicted, and nothing else", () => {
  fc.assert(
    fc.property(pairs, fc.nat(20), (list, par) => {
      const [a, b] = arms(list);
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

verdicts("no worse: within δ above zero nothing is contradicted", () => {
  assert.is(noWorse([1.1, 1.11, 1.09], [1, 1, 1], { par: 0.2 }).verdict, "on a par");
  assert.is(noWorse([1.1, 1.3, 1.2], [1, 1, 1], { par: 0.21 }).verdict, "cannot tell");
  assert.is(noWorse([1.1, 1.11, 1.09], [1, 1, 1], { par: 0.05 }).verdict, "contradicted");
  assert.is(noWorse([0, 2.2, 1], [3, 3, 3], { par: 1 }).verdict, "on a par"); // not known to be better
});

verdicts("of several parts, the worst counts", () => {
  const parts = VERDICTS.map((verdict) => ({ verdict, why: verdict }));
  for (const [i, part] of parts.entries()) assert.is(every(parts.slice(0, i + 1)).verdict, part.verdict);
  assert.throws(() => every([]), RangeError);
});

verdicts("a part that is contradicted decides only if it is too far out for one of so many", () => {
  const supported: Judgement = { verdict: "supported", why: "", p: 0.01 };
  const against: Judgement = { verdict: "contradicted", why: "", p: 0.02 };
  assert.is(every([supported, against]).verdict, "contradicted");
  assert.is(every([supported, supported, against]).verdict, "cannot tell");
  assert.is(every([supported, supported, { ...against, p: 0.01 }]).verdict, "contradicted");
});

verdicts("arms of different length are no pairs", () => {
  assert.throws(() => lower([1, 2], [1], { par: 0 }), /pairs/);
});

verdicts("within a distance of a number, outside, or on both sides of the border", () => {
  const of = (center: number) => within([center - 0.1, center, center + 0.1], 1, { par: 0.5 }).verdict;
  assert.equal([1, 1.2, 0.8].map(of), ["supported", "supported", "supported"]);
  assert.equal([2, 0].map(of), ["contradicted", "contradicted"]);
  assert.equal([1.5, 0.5].map(of), ["cannot tell", "cannot tell"]);
  assert.is(within([1], 1, { par: 0.5 }).verdict, "cannot tell"); // one value says nothing of its spread
});

verdicts.run();
