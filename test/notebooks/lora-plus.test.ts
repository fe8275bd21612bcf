/** @file The two toys of the LoRA+ page and the search for their best rates. */
import { tensor } from "lowrank/autograd";
import { random, withPrecision } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aboveBy, equal } from "../../notebooks/papers/lora-plus/claims.ts";
import { hiddenLoss, hiddenToy, trainHidden } from "../../notebooks/papers/lora-plus/hidden-toy.ts";
import { exponent, linearToy, median } from "../../notebooks/papers/lora-plus/linear-toy.ts";
import {
  best,
  center,
  growth,
  judged,
  lossOf,
  ratioOf,
  searchWidth,
  stableRates,
  valley,
  type Width,
} from "../../notebooks/papers/lora-plus/rate-search.ts";

const plus = suite("lora-plus notebook");

plus("a step of the linear toy changes f by the sum of its three terms", () => {
  const { change, terms } = withPrecision("float64", () =>
    linearToy(16, [0.0625, 0.125], [0.25, 0.5], { steps: 3, rng: random(1) }),
  );
  change.forEach((Δf, i) => {
    const sum = terms.reduce((total, term) => total + term[i], 0);
    assert.ok(Math.abs(Δf - sum) < 1e-12 && Math.abs(Δf) > 1e-6, `${Δf} and ${sum}`);
  });
});

plus("the exponent of a power law, and the median", () => {
  assert.ok(Math.abs(exponent([1, 2, 4], [3, 12, 48]) - 2) < 1e-12);
  assert.is(median([5, 1, 9]), 5);
  assert.is(median([5, 1, 9, 7]), 6);
});

plus(
  "pairs of rates that train side by side come to what each comes to alone; too large ones diverge",
  () => {
    const toy = hiddenToy(12, 1);
    const pairs = [
      { etaA: 0.01, etaB: 0.3 },
      { etaA: 0.05, etaB: 0.05 },
      { etaA: 100, etaB: 100 },
    ];
    const together = trainHidden(toy, pairs, 6);
    const alone = pairs.map((pair) => trainHidden(toy, [pair], 6)[0]);
    assert.ok(together.slice(0, 2).every((loss, i) => Math.abs(loss - alone[i]) < 1e-5));
    assert.equal([together[2], alone[2]], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    const untrained = hiddenLoss(toy, toy.test, tensor(toy.A, [1, 4, 12]), tensor(toy.B, [1, 12, 4])).item();
    assert.ok(Math.abs(trainHidden(toy, [{ etaA: 0, etaB: 0 }], 6)[0] - untrained) < 1e-6);
    assert.ok(together[0] < untrained);
  },
);

/** One width whose draws have these losses at (etaA, etaB). */
const width = (n: number, cells: readonly (readonly [number, number, readonly number[]])[]): Width => ({
  n,
  pairs: cells.map(([etaA, etaB, losses]) => ({ etaA, etaB, losses })),
  single: [],
  fine: [],
});

plus(
  "a diverged draw counts as 1; the valley is what is within a quarter of the best, and has a middle",
  () => {
    const { pairs } = width(4, [
      [1, 1, [0.2, 0.2]],
      [1, 100, [0.2, 0.3]],
      [10, 100, [0.1, Number.POSITIVE_INFINITY]],
      [0.1, 1, [0.4, 0.4]],
    ]);
    assert.ok(Math.abs(lossOf(pairs[2]) - 0.55) < 1e-12);
    assert.is(lossOf(pairs[2], [0]), 0.1);
    assert.is(best(pairs), pairs[0]);
    assert.is(best(pairs, [0, 0]), pairs[2]);
    assert.equal(valley(pairs), pairs.slice(0, 2));
    assert.ok(Math.abs(ratioOf(center(pairs)) - 10) < 1e-9);
    assert.equal(judged(pairs), [0.2, 1]); // each by the pair that is best for the other draw
    assert.equal(
      stableRates(
        width(4, [
          [1, 1, [0, 0]],
          [10, 1, [0, Number.POSITIVE_INFINITY]],
          [1, 10, [0, 0]],
        ]),
      ),
      {
        etaA: [10, 1],
        etaB: [10, 10],
      },
    );
  },
);

plus(
  "the ratio of a valley that moves with the width has its exponent; without a valley none is told",
  () => {
    const moving = [10, 100].map((n) =>
      width(n, [
        [1 / n, 1, [0.1, 0.1, 0.1]],
        [1, 1, [0.9, 0.9, 0.9]],
      ]),
    );
    const grown = growth(moving, ratioOf);
    assert.ok(Math.abs(grown.value - 1) < 1e-9 && Math.abs(grown.low - 1) < 1e-9);
    assert.is(aboveBy(grown, 0).verdict, "supported");
    assert.is(aboveBy(grown, 2).verdict, "contradicted");
    assert.is(aboveBy({ value: 1, low: -1, high: 3 }, 0).verdict, "cannot tell");
  },
);

plus("a search tries all pairs and a finer diagonal on every draw", () => {
  const { pairs, single, fine } = searchWidth(8, 2, 2);
  assert.is(pairs.length, 16 ** 2);
  assert.is(single.length, 46);
  assert.is(fine.length, 15);
  const [{ losses }] = fine.filter(
    (cell) => Math.abs(Math.log(cell.etaA / best(pairs).etaA)) < 1e-9 && cell.etaB === best(pairs).etaB,
  );
  assert.ok(losses.every((loss, i) => Math.abs(loss - best(pairs).losses[i]) < 1e-5));
  assert.ok([...pairs, ...single].every(({ losses }) => losses.length === 2));
  assert.ok(single.every(({ etaA, etaB }) => etaA === etaB));
});

plus("equal within δ: supported, contradicted, cannot tell", () => {
  assert.is(equal([0.99, 1.01, 1], 1, 0.1).verdict, "supported");
  assert.is(equal([0.99, 1.01, 1], 2, 0.1).verdict, "contradicted");
  assert.is(equal([0.5, 1.5, 1], 1, 0.1).verdict, "cannot tell");
});

plus.run();
