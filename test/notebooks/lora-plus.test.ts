/** @file The two toys of the LoRA+ page and the search for their best rates. */
import { tensor } from "lowrank/autograd";
import { random, withPrecision } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { equal } from "../../notebooks/papers/lora-plus/claims.ts";
import { hiddenLoss, hiddenToy, trainHidden } from "../../notebooks/papers/lora-plus/hidden-toy.ts";
import { exponent, linearToy, median } from "../../notebooks/papers/lora-plus/linear-toy.ts";
import { best, grouped, isEqual, searchWidth } from "../../notebooks/papers/lora-plus/rate-search.ts";

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

plus("the best cell is the one of lowest mean, and groups of four draws have the means of theirs", () => {
  const cells = [
    { etaA: 1, etaB: 1, losses: [1, 2, 3, 6, 0, 0, 0, 8] },
    { etaA: 1, etaB: 2, losses: [1, 1, 1, 1, 9, 9, 9, 9] },
  ];
  assert.is(best(cells), cells[0]);
  assert.equal(
    grouped(cells).map(({ losses }) => losses),
    [
      [3, 2],
      [1, 9],
    ],
  );
  assert.equal(cells.map(isEqual), [true, false]);
});

plus("a search gives every group a pair of its own, no worse for it than any single rate", () => {
  const { own, coarse, pairLosses, equalLosses } = searchWidth(8, 3, 8);
  assert.is(own.length, 2);
  assert.is(pairLosses.length, 2);
  assert.is(equalLosses.length, 2);
  assert.is(coarse.length, 16 ** 2);
  const groups = grouped(coarse);
  own.forEach(({ losses: [loss] }, g) => {
    assert.ok(groups.every((cell) => loss <= cell.losses[g]));
  });
});

plus("equal within δ: supported, contradicted, cannot tell", () => {
  assert.is(equal([0.99, 1.01, 1], 1, 0.1).verdict, "supported");
  assert.is(equal([0.99, 1.01, 1], 2, 0.1).verdict, "contradicted");
  assert.is(equal([0.5, 1.5, 1], 1, 0.1).verdict, "cannot tell");
});

plus.run();
