import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import { random } from "lowrank/core";
import { countParameters, inject } from "lowrank/lora";
import { type Conv1D, GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { distanceToPlanted } from "../../notebooks/papers/lora/planted-update.ts";
import {
  amplification,
  captured,
  overlap,
  projectionDistance,
  randomBasis,
  singularVectors,
  updatesOf,
} from "../../notebooks/papers/lora/subspaces.ts";
import {
  arithmetic,
  glueCounts,
  gpt2Counts,
  gpt3Counts,
  printedAs,
  table1,
} from "../../notebooks/papers/lora/tables.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/base-model.ts";
import { prefixEmbedding, prefixLayer } from "../../notebooks/support/experiments/baselines.ts";
import { corner } from "../../notebooks/support/experiments/latency.ts";

const test = suite("support of the lora notebook");

const seed = fc.nat(10_000);

test("each printed count is the exact one, rounded or cut off, or a reason is given", () => {
  const all = [...gpt3Counts, ...gpt2Counts, ...glueCounts];
  for (const row of all) assert.ok(printedAs(row) !== "no" || row.why, `${row.model}, ${row.method}`);
  for (const { figure, agrees, why } of arithmetic) assert.ok(agrees || why, figure);
  assert.is(printedAs({ exact: 18_874_368, paper: "18.8" }), "cut off");
  assert.is(printedAs({ exact: 18_874_368, paper: "18.9" }), "rounded");
  assert.is(printedAs({ exact: 18_874_368, paper: "19.0" }), "no");
});

test("table 1: the printed percentages are those of its milliseconds", () => {
  for (const { base, adapterL, adapterH, printed } of table1)
    assert.equal(
      [adapterL, adapterH].map((ms) => (100 * (ms / base - 1)).toFixed(1)),
      printed.map((percent) => percent.toFixed(1)),
    );
});

test("prefixes train as many parameters as their formulae say and keep the number of positions", () => {
  const sizes = fc.record({
    layers: fc.integer({ min: 1, max: 3 }),
    tokens: fc.integer({ min: 1, max: 4 }),
    seed,
  });
  fc.assert(
    fc.property(sizes, ({ layers, tokens, seed }) => {
      const config = gpt2Fields({ d: 4, layers, heads: 2, time: 6 });
      const ids = [[1, 2, 3, 4, 5, 6]];
      for (const [make, method] of [
        [prefixEmbedding, "prefix-embedding"],
        [prefixLayer, "prefix-layer"],
      ] as const) {
        const model = make(new GPT2(config, { rng: random(seed) }), { tokens, rng: random(seed + 1) });
        const trained = model.parameters().filter(({ requiresGrad }) => requiresGrad);
        const { trainable } = countParameters(method, { config, prefix: tokens });
        assert.is(
          trained.reduce((sum, { size }) => sum + size, 0),
          trainable,
        );
        assert.equal(
          noGrad(() => model.forward(ids).shape),
          [1, 6, 96],
        );
        model.loss(ids).backward();
        for (const parameter of trained) assert.ok(parameter.grad?.toArray().some((value) => value !== 0));
      }
    }),
    { numRuns: 15 },
  );
});

test("later tokens do not change the outputs of a prefixed model at earlier positions; the prefix does", () => {
  const config = gpt2Fields({ d: 4, layers: 2, heads: 2, time: 6 });
  const model = prefixLayer(new GPT2(config, { rng: random(1) }), { tokens: 3, rng: random(2) });
  const first = (ids: number[]) => noGrad(() => model.forward([ids]).toArray()).slice(0, 2 * 96);
  assert.equal(first([5, 6, 7]), first([5, 6, 90]));
  const before = first([5, 6, 7]);
  const [prefix] = model.parameters().filter(({ requiresGrad }) => requiresGrad);
  prefix.assign(random(3).normal(prefix.size, 0, 1));
  assert.not.equal(first([5, 6, 7]), before);
});

test("φ is 1 within one span, max(i, j)/n on average by chance, and 1 − d²/p of the distance d", () => {
  fc.assert(
    fc.property(seed, (s) => {
      const [U, V] = ["U", "V"].map((name) => randomBasis(12, 4, random(s).split(name)));
      for (const { i, j, phi } of overlap(U, U, [4, 4])) assert.ok(Math.abs(phi - 1) < 1e-12, `${i}, ${j}`);
      const phi = overlap(U, V, [4, 4])[15].phi;
      assert.ok(Math.abs(phi - (1 - projectionDistance(U, V) ** 2 / 4)) < 1e-12);
    }),
    { numRuns: 20 },
  );
  const many = Array.from({ length: 2000 }, (_, s) => {
    const [U, V] = ["U", "V"].map((name) => randomBasis(12, 4, random(s).split(name)));
    return overlap(U, V, [2, 4])[7].phi;
  });
  const mean = many.reduce((sum, phi) => sum + phi, 0) / many.length;
  assert.ok(Math.abs(mean - 4 / 12) < 0.02); // its standard error is about 0.003
});

test("updates are read from a model as ΔW = (α/r) B A; the directions of a matrix capture all of it", () => {
  const model = new GPT2(gpt2Fields({ d: 8, layers: 1, heads: 2, time: 4 }), { rng: random(4) });
  const adapted = inject(model, { method: "lora", rank: 2, alpha: 6, target: "attn.c_proj", seed: 5 });
  for (const parameter of adapted.parameters())
    if (parameter.requiresGrad) parameter.assign(random(6).normal(parameter.size, 0, 1));
  const [[path, update]] = updatesOf(model);
  assert.is(path, "transformer.h.0.attn.c_proj");
  const merged = (adapted.toPlain().transformer.h[0].attn.c_proj as Conv1D).weight.transpose(0, 1).toArray();
  for (const [i, value] of merged.entries())
    assert.ok(Math.abs(value - update.W.values[i] - update.delta.values[i]) < 1e-5);
  const { left, right } = singularVectors(update.W);
  const all = captured(update.W, left, right);
  const { normW, byW, byDelta, factor, normDelta } = amplification(update, 2, random(7));
  assert.ok(Math.abs(all - normW) < 1e-10 && byW <= normW && byDelta <= byW + 1e-10);
  assert.is(factor, normDelta / byDelta);
});

test("a planted update of rank 2 is learned at rank 2 and not below", () => {
  const distance = (r: number) => distanceToPlanted(r, { width: 8, planted: 2, steps: 200 });
  assert.ok(distance(1) >= 0.5 - 1e-6);
  assert.ok(distance(2) < 1e-3);
});

test("corner takes the first rows and columns of a batch", () => {
  const ids = { data: Int32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] };
  assert.equal(corner(ids, 2, 2), { data: Int32Array.of(1, 2, 4, 5), shape: [2, 2] });
});

test.run();
