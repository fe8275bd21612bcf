/** @file compose, convert: new adapters from others, stated on ΔW. */

import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import { array, frobeniusNorm, type NDArray, random, svd } from "lowrank/core";
import { type AdaptedLayer, combine, compose, convert, inject, type Rule } from "lowrank/lora";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adaptedChain, Chain, ids, largestDifference, output, refuses, same } from "./support/models.ts";

const test = suite("compose and convert");

const delta = (layer: AdaptedLayer, name: string): Float32Array =>
  layer.adapters.has(name)
    ? noGrad(() => layer.delta(name)).toArray()
    : new Float32Array(layer.site.out * layer.site.in);

const three = () =>
  adaptedChain({
    a: { method: "lora" },
    b: { method: "adalora", rank: 3 },
    c: { method: "lora-fa", rank: 1 },
  });

const weight = fc.double({ min: -2, max: 2, noNaN: true });

/** At most 6 products a sum, |values| ≤ 2 · 3 · 3/2 · 3 = 27 (weights, ranks, α/r, three terms), some 2⁻²³ each. */
const atol = 40 * 27 * 2 ** -24;

for (const by of ["linear", "concat"] as const) {
  test(`${by}: ΔW = Σ w_i ΔW_i`, () => {
    const model = three();
    fc.assert(
      fc.property(weight, weight, weight, (a, b, c) => {
        compose(model, "sum", { a, b, c }, { by });
        for (const layer of model.layers.values()) {
          const [da, db, dc] = ["a", "b", "c"].map((name) => delta(layer, name));
          const expected = da.map((value, i) => a * value + b * db[i] + c * dc[i]);
          assert.ok(largestDifference(delta(layer, "sum"), expected) <= atol);
        }
        model.deleteAdapter("sum");
      }),
    );
  });
}

test("concat has rank Σ r_i, linear only as many as ΔW has", () => {
  const model = three();
  assert.equal(
    compose(model, "concat", { a: 1, b: 1 }, { by: "concat" }).map(({ rank }) => rank),
    [5, 5, 5],
  );
  assert.equal(
    compose(model, "nothing", { a: 1, concat: 0 }).map(({ rank }) => rank),
    [2, 2, 2],
  );
  assert.equal(
    compose(model, "linear", { a: 1, b: 1 }).map(({ rank, error }) => [rank, error < 1e-12]),
    [
      [4, true],
      [4, true],
      [3, true],
    ], // min(out, in) of embed, first, second
  );
});

test("svd is the nearest of its rank: what is lost is the rest of the spectrum, and energy counts it", () => {
  const model = three();
  for (const rank of [1, 2, 3]) {
    const made = compose(model, `rank${rank}`, { a: 1, b: -0.5 }, { by: "svd", rank });
    for (const { layer, error } of made) {
      const adapted = model.layers.get(layer) as AdaptedLayer;
      const [da, db] = ["a", "b"].map((name) => delta(adapted, name));
      const sum = da.map((value, i) => value - 0.5 * db[i]);
      const { S } = svd(sum, adapted.site.out, adapted.site.in);
      const lost = frobeniusNorm(S.subarray(rank)) / frobeniusNorm(S);
      assert.ok(Math.abs(error - lost) < 1e-5);
      const truly = frobeniusNorm(sum.map((value, i) => value - delta(adapted, `rank${rank}`)[i]));
      assert.ok(Math.abs(truly / frobeniusNorm(S) - lost) < 1e-5);
    }
  }
  for (const { error } of compose(model, "most", { a: 1, b: 1 }, { by: "svd", energy: 0.9 }))
    assert.ok(error ** 2 <= 0.1 + 1e-12);
});

const matrix = (...rows: number[][]): NDArray => array(rows);
const combined = (rule: Rule, density: number, ...deltas: NDArray[]): number[] =>
  Array.from(
    combine(
      rule,
      deltas.map((d) => ({ delta: d, weight: 1, density })),
      random(0),
    ).data,
  );

test("ties: trim, elect, average those that agree (the paper's figure 1, by hand)", () => {
  assert.equal(combined("ties", 0.5, matrix([4, -3, 0.1, 0.2])), [4, -3, 0, 0]);
  assert.equal(combined("ties", 1, matrix([4, 1, -2, 0]), matrix([2, -3, -2, 0])), [3, -3, -2, 0]);
  assert.equal(combined("ties", 1, matrix([1, 1]), matrix([1, -1])), [1, 0]); // a tied vote elects nobody
});

test("magnitude-prune keeps the largest; with everything kept it is linear", () => {
  assert.equal(combined("magnitude-prune", 0.5, matrix([1, -4], [3, 2])), [0, -4, 3, 0]);
  assert.equal(combined("magnitude-prune", 1, matrix([1, -4]), matrix([2, 2])), [3, -2]);
});

test("dare: entries are zero or divided by the density, their mean is ΔW's, and a seed fixes them", () => {
  const ones = array(new Float32Array(10_000).fill(1), [100, 100]);
  const dropped = combined("dare", 0.25, ones);
  assert.ok(dropped.every((value) => value === 0 || value === 4));
  const mean = dropped.reduce((sum: number, value) => sum + value, 0) / 10_000;
  assert.ok(Math.abs(mean - 1) < 5 * Math.sqrt(3 / 10_000)); // 5 standard errors: the variance is (1 − d)/d = 3
  assert.equal(combined("dare", 0.25, ones), dropped);
  assert.equal(combined("dare", 1, ones), [...ones.data]);
});

test("dare-ties is ties after dropping: of one adapter, what was kept", () => {
  const x = matrix([1, -2, 3, -4, 5, -6]);
  assert.equal(combined("dare-ties", 0.5, x), combined("dare", 0.5, x));
});

test("a negative weight takes an adapter away, also from the vote of ties", () => {
  const two = [matrix([3, -1]), matrix([2, -5])];
  const terms = two.map((d, i) => ({ delta: d, weight: i === 0 ? 1 : -1, density: 1 }));
  assert.equal(Array.from(combine("ties", terms, random(0)).data), [3, 5]);
});

test("sparsifying rules on a model: with rank to spare ΔW is the rule's", () => {
  const model = three();
  for (const by of ["ties", "dare", "dare-ties", "magnitude-prune"] as const) {
    const made = compose(model, by, { a: 1, b: 1 }, { by, density: { a: 0.5, b: 0.75 }, energy: 1 });
    assert.ok(made.every(({ error }) => error < 1e-12));
  }
});

for (const method of ["lora", "dora", "adalora", "lora-fa"] as const) {
  test(`convert: ${method} as LoRA computes the same`, () => {
    const model = adaptedChain({ a: { method } });
    convert(model, "a", "b");
    const before = output(model);
    model.activate("b");
    assert.ok(largestDifference(output(model), before) <= 1e-4 * Math.max(...before.map(Math.abs)));
    assert.is(model.config("b").method, "lora");
  });
}

test("convert: PiSSA, which took a part of W over, becomes LoRA on W itself", () => {
  const model = inject(new Chain(), { rank: 2, init: "pissa", target: "first", seed: 1, name: "a" });
  for (const parameter of model.parameters())
    if (parameter.requiresGrad) parameter.assign(parameter.toArray().map((x) => x * 1.5));
  const { rank } = convert(model, "a", "b")[0];
  assert.is(rank, 2); // 1.5² W₂ − W₂ has the same two directions
  const before = output(model);
  model.activate("b");
  assert.ok(largestDifference(output(model), before) <= 1e-5);
});

test("convert takes copies of base parameters along, and changes neither source nor base", () => {
  const model = inject(new Chain(), {
    rank: 1,
    target: "first",
    modulesToSave: "second",
    seed: 1,
    name: "a",
  });
  for (const { copy } of model.ownParameters("a")) copy.assign(copy.toArray().map((x) => x + 1));
  const before = output(model);
  convert(model, "a", "b", { rank: 1 });
  assert.ok(same(output(model), before));
  assert.ok(
    same(
      model.withAdapters("b", () => output(model)),
      before,
    ),
  );
  refuses(() => compose(model, "c", { a: 1, b: 1 }), /a brings its own second\.weight/);
});

test("bad input is refused, and no adapter is added", () => {
  const model = three();
  const refusals: [() => unknown, RegExp][] = [
    [() => compose(model, "x", {}), /at least one adapter/],
    [() => compose(model, "x", { nobody: 1 }), /^compose: expected one of a, b, c; got "nobody"/],
    [() => compose(model, "a", { b: 1 }), /not taken/],
    [() => compose(model, "x.y", { b: 1 }), /without dots/],
    [() => compose(model, "x", { a: Number.NaN }), /finite weight/],
    [() => compose(model, "x", { a: 1 }, { by: "svd", rank: 0 }), /positive integer/],
    [() => compose(model, "x", { a: 1 }, { by: "svd", energy: 1.5 }), /\(0, 1\]/],
    [() => compose(model, "x", { a: 1 }, { by: "svd", rank: 1, energy: 0.5 }), /got both/],
    [() => compose(model, "x", { a: 1 }, { by: "ties", density: 0 }), /density in \(0, 1\]/],
    [() => compose(model, "x", { a: 1, b: 1 }, { by: "dare", density: { a: 0.5 } }), /for b; got undefined/],
    [() => compose(model, "x", { a: 1 }, { by: "sum" as "svd" }), /by to be one of/],
    [() => compose(model, "x", { a: 1 }, { by: "linear", rank: 1 } as never), /exact/],
    [() => convert(model, "nobody", "x"), /got "nobody"/],
    [() => convert(model, "a", "b"), /not taken/],
    [() => convert(model, "a", "x", { rank: 1.5 }), /positive integer/],
    [() => combined("linear", 1, matrix([1]), matrix([1, 2])), /one shape; got \[1, 1\] and \[1, 2\]/],
  ];
  for (const [run, message] of refusals) refuses(run, message);
  assert.equal(model.names, ["a", "b", "c"]);
  assert.ok(same(output(model, ids), output(three(), ids)));
});

test.run();
