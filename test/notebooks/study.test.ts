/** @file `study` compares fairly: what it refuses, by which runs it chooses a rate, on which rows it reports. */
import * as fc from "fast-check";
import { type Random, random } from "lowrank/core";
import { GPT2, SGD } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Batch, Domain } from "../../notebooks/support/data/domain.ts";
import { validationLoss } from "../../notebooks/support/experiments/evaluation.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";
import {
  type Arm,
  type ArmResult,
  apart,
  halfway,
  nextRate,
  onEachShift,
  reordered,
  type Shift,
  study,
} from "../../notebooks/support/experiments/study.ts";
import { lower } from "../../notebooks/support/experiments/verdicts.ts";

const studies = suite("studies");

const time = 4;
const rowOf = (first: number): Batch => {
  const ids = {
    data: Int32Array.from({ length: time + 1 }, (_, i) => (first + i) % 96),
    shape: [1, time + 1],
  };
  return { ids, labels: ids };
};
/** Training rows begin with 0 to 9, held-out ones as asked. */
function domainOf(held: readonly number[], seen: Random[] = []): Domain {
  return {
    name: "counting",
    hash: "",
    batch(_, source) {
      seen.push(source);
      return rowOf(source.integer(10));
    },
    validation: held.map(rowOf),
  };
}
const model = (): GPT2 => new GPT2(gpt2Fields({ d: 4, layers: 1, heads: 1, time }), { rng: random(2) });
const shift = (reported = [20, 21], choosing = [30]): Shift<GPT2> => ({
  base: "tiny",
  copy: model,
  domain: domainOf(reported),
  choosing: choosing.map(rowOf),
});
/** An arm that notes the rates and seeds of its runs. */
function noting(name: string, rates: readonly number[]) {
  const runs: { rate: number; seed: number }[] = [];
  const arm: Arm<GPT2, GPT2, number> = {
    name,
    rates,
    prepare(adapted, how) {
      runs.push(how);
      return { module: adapted, adapted, optimizer: new SGD(adapted.parameters(), { lr: how.rate }) };
    },
    read: (adapted) => validationLoss(adapted, domainOf([20, 21])),
  };
  return { arm, runs };
}
const options = { steps: 2, rows: 1, seeds: 2, search: 2 };

studies("search seeds are the same for all arms, reported ones too, and none is both", () => {
  const [a, b] = [noting("a", [0.01, 0.1]), noting("b", [0.02, 0.2])];
  study([a.arm, b.arm], [shift()], options);
  for (const { runs } of [a, b]) {
    assert.is(runs.length, 2 * 2 + 2);
    const [search, reported] = [runs.slice(0, 4), runs.slice(4)].map((some) => some.map(({ seed }) => seed));
    assert.equal(search, [0, 1, 0, 1]);
    assert.is(new Set([...search, ...reported]).size, 4);
  }
  assert.equal(
    a.runs.map(({ seed }) => seed),
    b.runs.map(({ seed }) => seed),
  );
});

studies("the rate is the best of the search on the choosing rows; the reported rows decide nothing", () => {
  const { arm } = noting("a", [1e-3, 0.03, 1]);
  const [one] = study([arm], [shift()], options);
  const [other] = study([arm], [shift([40, 41])], options);
  assert.equal(one.tried, other.tried);
  assert.is(one.rate, one.tried.reduce((best, now) => (now.loss < best.loss ? now : best)).rate);
  assert.not.equal(one.losses, other.losses);
  assert.equal(
    one.runs.map(({ read }) => read),
    one.losses,
    "the losses are those of the reported rows",
  );
  assert.not.equal(study([arm], [shift([20, 21], [50])], options)[0].tried, one.tried);
});

studies("a rate at the edge of its grid is marked, in whatever order the grid is", () => {
  const edges = [
    [1e-3, 1e-2, 0.1],
    [0.1, 1e-3, 1e-2],
  ].map((rates) => study([noting("a", rates).arm], [shift([20], [5])], { ...options, steps: 20 })[0]);
  for (const { rate, atEdge } of edges) {
    assert.is(rate, 0.1);
    assert.ok(atEdge);
  }
  const [single] = study([noting("a", [0.1]).arm], [shift()], options);
  assert.not.ok(single.atEdge);
  assert.equal(single.tried, []);
});

studies("a grid goes on, by its own factor, for as long as the best rate is at its edge", () => {
  const narrow = { ...options, steps: 20 };
  const place = shift([20], [5]);
  const [wide] = study([noting("a", [1e-3, 1e-2]).arm], [place], { ...narrow, widen: 4 });
  const rates = wide.tried.map(({ rate }) => rate);
  assert.ok(rates.length > 2 && !wide.atEdge, `${rates}`);
  for (const [i, rate] of rates.slice(1).entries()) assert.ok(Math.abs(rate / rates[i] - 10) < 1e-9);
  const [once] = study([noting("a", [1e-3, 1e-2]).arm], [place], { ...narrow, widen: 1 });
  assert.equal(once.tried, wide.tried.slice(0, 3));
  const at = (losses: readonly number[]) => nextRate(losses.map((loss, i) => ({ rate: 2 ** i, loss })));
  assert.is(at([1, 2, 3]), 0.5);
  assert.is(at([3, 2, 1]), 8);
  assert.is(at([2, 1, 3]), null);
  assert.is(at([2, 1, Number.POSITIVE_INFINITY]), null);
  assert.is(at([1]), null);
});

studies("a run is prepared with its number of steps", () => {
  const seen: number[] = [];
  const { arm } = noting("a", [1e-3, 1e-2]);
  const prepare: typeof arm.prepare = (model, how) => {
    seen.push(how.steps);
    return arm.prepare(model, how);
  };
  study([{ ...arm, prepare }], [shift()], { ...options, steps: 4, searchSteps: 2 });
  assert.equal(seen, [2, 2, 2, 2, 4, 4]);
});

studies("the search may take fewer steps, and is then the half of the runs", () => {
  const { arm } = noting("a", [1e-3, 1e-2]);
  const [half] = study([arm], [shift()], options);
  const [long] = study([arm], [shift()], { ...options, steps: 4, searchSteps: 2 });
  assert.equal(long.tried, half.tried);
  assert.ok(long.runs.every(({ losses }) => losses.length === 4));
  const [{ losses }] = halfway([long]);
  assert.equal(losses, [Math.min(...long.tried.map(({ loss }) => loss))]);
  assert.equal(halfway(study([noting("a", [1]).arm], [shift()], options)), []);
});

studies("a diverging rate is not chosen; an arm that diverges at every rate has the loss Infinity", () => {
  const rates = [1e-2, 1e30];
  const [mixed] = study([noting("a", rates).arm], [shift()], { ...options, steps: 6 });
  assert.is(mixed.rate, 1e-2);
  assert.is(mixed.tried[1].loss, Infinity);
  assert.ok(mixed.losses.every(Number.isFinite));
  const [lost] = study([noting("b", [1e29, 1e30]).arm], [shift()], { ...options, steps: 6 });
  assert.equal(lost.losses, [Infinity, Infinity]);
});

studies("another error than divergence is thrown", () => {
  const failing: Arm<GPT2, GPT2, null> = {
    name: "failing",
    rates: [1],
    prepare: (adapted) => ({
      module: adapted,
      adapted,
      optimizer: new SGD(adapted.parameters(), { lr: 1 }),
      beforeStep: () => {
        throw new Error("inside");
      },
    }),
  };
  assert.throws(() => study([failing], [shift()], options), "inside");
});

studies("unfair studies are refused: numbers of rates, fineness of grids, names, rows", () => {
  const refused = (grids: readonly (readonly number[])[], message: RegExp, on = shift()): void => {
    const arms = grids.map((rates, i) => noting(`arm ${i}`, rates));
    assert.throws(
      () =>
        study(
          arms.map(({ arm }) => arm),
          [on],
          options,
        ),
      message,
    );
    for (const { runs } of arms) assert.is(runs.length, 0);
  };
  refused([[1e-3, 1e-2], [1e-3]], /equally many rates.*2, 1/);
  refused([[], []], /equally many rates/);
  refused(
    [
      [1e-3, 1e-2],
      [1e-3, 1e-1],
    ],
    /equally fine.*arm 0: 10, arm 1: 100/,
  );
  refused([[1e-3, 1e-3]], /different positive rates/);
  refused([[0, 1e-3]], /different positive rates/);
  refused([[1e-3]], /other rows for choosing.*1 are both/, shift([20, 30], [30]));
  assert.throws(
    () => study([noting("a", [1]).arm, noting("a", [1]).arm], [shift()], options),
    /names of their own/,
  );
});

studies("apart gives away the last batches and keeps the others", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), fc.nat(), (count, seed) => {
      const batches = 1 + (seed % (count - 1));
      const whole = domainOf(Array.from({ length: count }, (_, i) => i));
      const { domain, choosing } = apart(whole, batches);
      assert.is(choosing.length, batches);
      assert.equal([...domain.validation, ...choosing], whole.validation);
    }),
  );
  for (const batches of [0, 2]) assert.throws(() => apart(domainOf([1, 2]), batches), /1 to 1 batches/);
});

const result = (arm: string, losses: number[], base = "a"): ArmResult<null> => ({
  ...{ arm, base, losses, domain: "d", rate: 1, tried: [], atEdge: false, runs: [] },
});

studies("reordered names the pairs that are exchanged by more than δ, both times", () => {
  const once = [result("A", [1, 1.2]), result("B", [2, 2.2]), result("C", [3, 3])];
  const doubled = [result("A", [1, 1]), result("B", [0.5, 0.7]), result("C", [2, 2])];
  assert.equal(reordered(once, doubled, { par: 0.1 }), ["A and B"]);
  assert.equal(reordered(once, doubled, { par: 0.5 }), []); // 0.4 apart after twice the steps
  assert.equal(reordered(doubled, once, { par: 0.1 }), ["A and B"]);
  assert.equal(reordered(once, once, { par: 0 }), []);
  assert.equal(reordered(once, doubled.slice(1), { par: 0.1 }), []); // A is not in both
});

studies("reordered compares means over all bases, and a diverged arm is last", () => {
  const once = [result("A", [1]), result("A", [5], "b"), result("B", [2]), result("B", [3], "b")];
  const doubled = [result("A", [1]), result("A", [1], "b"), result("B", [2]), result("B", [Infinity], "b")];
  assert.equal(reordered(once, doubled, { par: 0.1 }), ["A and B"]);
});

studies("arms are compared on each shift, and bases are not taken for seeds", () => {
  const noise = [0, 0.1, -0.1, 0.05];
  const arms = (offsets: readonly number[]) =>
    offsets.flatMap((offset, i) => [
      result(
        "A",
        noise.map((value) => 1 + value),
        `base ${i}`,
      ),
      result(
        "B",
        noise.map((value, s) => 1 + offset + value + s / 1000),
        `base ${i}`,
      ),
    ]);
  const judge = (offsets: readonly number[]) =>
    onEachShift(arms(offsets), "A", "B", (a, b) => lower(a, b, { par: 0 })).verdict;
  assert.is(judge([1, 1]), "supported");
  assert.is(judge([1, -1]), "contradicted");
  assert.is(judge([-1, -1]), "contradicted");
  assert.throws(() => onEachShift(arms([1]), "A", "C", (a, b) => lower(a, b, { par: 0 })), /no arm "C"/);
});

studies.run();
