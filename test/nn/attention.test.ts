/** @file Attention: masks, heads, cache, rotary positions. */

import * as fc from "fast-check";
import {
  causalSoftmax,
  checkGradients,
  concat,
  noGrad,
  reshape,
  softmax,
  Tensor,
  tensor,
} from "lowrank/autograd";
import { AutogradError, array, random, type Shape, ShapeError, sizeOf, withDevice } from "lowrank/core";
import {
  KeyValueCache,
  type Llama3RopeScaling,
  MultiHeadAttention,
  Rotary,
  scaledDotProductAttention,
  splitHeads,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("attention");

const normal = (shape: Shape, seed: number): Tensor => tensor(random(seed).normal(sizeOf(shape)), shape);

/** Largest |a − b|. */
function distance(a: Tensor, b: Tensor): number {
  assert.equal(a.shape, b.shape);
  const B = b.toArray();
  return a.toArray().reduce((worst, x, i) => Math.max(worst, Math.abs(x - B[i])), 0);
}

// Weighted means of values below 6 from a few dozen float32 operations each: errors near 2⁻²⁴ · 6 · 32 ≈ 1e-5.
const atol = 2e-5;

/** 0 where key ≤ query + (keys − queries), −∞ elsewhere. */
const causalMask = (queries: number, keys: number): Tensor =>
  tensor(
    Float32Array.from({ length: queries * keys }, (_, i) =>
      (i % keys) - Math.floor(i / keys) <= keys - queries ? 0 : -Infinity,
    ),
    [queries, keys],
  );

const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  groups: fc.integer({ min: 1, max: 3 }),
  perGroup: fc.integer({ min: 1, max: 3 }),
  time: fc.integer({ min: 1, max: 6 }),
  earlier: fc.nat(4), //                                       keys before the first query
  d: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(10_000),
});

for (const device of ["reference", "cpu"] as const) {
  test(`${device}: causal attention is attention under a mask of −∞ above the diagonal`, () => {
    fc.assert(
      fc.property(sizes, ({ batch, groups, perGroup, time, earlier, d, seed }) => {
        withDevice(device, () => {
          const q = normal([batch, groups * perGroup, time, d], seed);
          const k = normal([batch, groups, time + earlier, d], seed + 1);
          const v = normal([batch, groups, time + earlier, d], seed + 2);
          const causal = scaledDotProductAttention(q, k, v, { causal: true });
          const masked = scaledDotProductAttention(q, k, v, { mask: causalMask(time, time + earlier) });
          assert.ok(distance(causal, masked) <= atol);
        });
      }),
      { numRuns: 50 },
    );
  });
}

test("grouped queries are heads whose keys and values are repeated", () => {
  fc.assert(
    fc.property(sizes, ({ batch, groups, perGroup, time, d, seed }) => {
      const q = normal([batch, groups * perGroup, time, d], seed);
      const k = normal([batch, groups, time, d], seed + 1);
      const v = normal([batch, groups, time, d], seed + 2);
      const repeated = (x: Tensor): Tensor =>
        reshape(
          concat(
            Array.from({ length: perGroup }, () => reshape(x, [batch, groups, 1, time, d])),
            2,
          ),
          q.shape,
        );
      const grouped = scaledDotProductAttention(q, k, v, { causal: true });
      assert.ok(
        distance(grouped, scaledDotProductAttention(q, repeated(k), repeated(v), { causal: true })) <= atol,
      );
    }),
    { numRuns: 50 },
  );
});

test("what a mask hides does not matter", () => {
  const [q, k, v] = [1, 2, 3].map((seed) => normal([2, 2, 4, 3], seed));
  const mask = tensor([0, 0, -Infinity, 0], [1, 1, 1, 4]);
  const other = (x: Tensor): Tensor => concat([x.slice(2, 0, 2), normal([2, 2, 1, 3], 9), x.slice(2, 3)], 2);
  const before = scaledDotProductAttention(q, k, v, { mask });
  assert.equal(scaledDotProductAttention(q, other(k), other(v), { mask }).toArray(), before.toArray());
});

test("the gradient of causal attention is its derivative", () => {
  const [q, k, v] = [
    [1, 4, 3, 2],
    [1, 2, 5, 2],
    [1, 2, 5, 3],
  ].map((shape, i) => normal(shape, i));
  checkGradients((...xs) => scaledDotProductAttention(xs[0], xs[1], xs[2], { causal: true }), [q, k, v]);
});

test("causal softmax is softmax of the part that is seen", () => {
  const x = normal([3, 2, 5], 4); //                                     2 queries, 5 keys: the first sees 4
  const y = causalSoftmax(x);
  assert.equal(y.slice(1, 1).toArray(), softmax(x.slice(1, 1)).toArray());
  const first = concat([softmax(x.slice(1, 0, 1).slice(2, 0, 4)), tensor(new Float32Array(3), [3, 1, 1])], 2);
  assert.ok(distance(y.slice(1, 0, 1), first) <= 1e-6);
  assert.throws(
    () => causalSoftmax(normal([3, 2], 1)),
    (e: unknown) => e instanceof ShapeError,
  );
});

test("a layer with a cache gives position by position what it gives at once", () => {
  fc.assert(
    fc.property(sizes, fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }), (size, steps) => {
      const { batch, groups, perGroup, seed } = size;
      const rotary = new Rotary(4);
      const layer = new MultiHeadAttention(6, groups * perGroup, {
        ...{ kvHeads: groups, headDim: 4, causal: true, rotary, rng: random(seed) },
      });
      const time = steps.reduce((sum, step) => sum + step, 1);
      const x = normal([batch, time, 6], seed + 1);
      const [whole, parts] = noGrad(() => {
        const cache = new KeyValueCache();
        let at = 0;
        const outputs = [1, ...steps].map((step) => layer.forward(x.slice(1, at, (at += step)), { cache }));
        assert.is(cache.length, time);
        return [layer.forward(x), concat(outputs, 1)];
      });
      assert.ok(distance(whole, parts) <= atol);
    }),
    { numRuns: 30 },
  );
});

test("a cache refuses gradients and another batch", () => {
  const layer = new MultiHeadAttention(4, 2, { causal: true, rng: random(1) });
  const cache = new KeyValueCache();
  assert.throws(
    () => layer.forward(normal([1, 2, 4], 1), { cache }),
    (e: unknown) => e instanceof AutogradError,
  );
  noGrad(() => {
    layer.forward(normal([1, 2, 4], 1), { cache });
    assert.throws(
      () => layer.forward(normal([2, 1, 4], 1), { cache }),
      (e: unknown) => e instanceof ShapeError,
    );
  });
});

test("heads that do not divide are refused", () => {
  assert.throws(() => new MultiHeadAttention(6, 4), /headDim/);
  assert.throws(() => new MultiHeadAttention(8, 4, { kvHeads: 3 }), /multiple of kvHeads/);
  const q = normal([1, 3, 2, 2], 1);
  const k = normal([1, 2, 2, 2], 1);
  assert.throws(() => scaledDotProductAttention(q, k, k), /heads a multiple/);
});

const rotarySizes = fc.record({
  d: fc.integer({ min: 1, max: 8 }).map((half) => 2 * half),
  m: fc.nat(500),
  n: fc.nat(500),
  seed: fc.nat(10_000),
});

/** R_m x for one vector. */
const turned = (rotary: Rotary, x: Tensor, m: number): Tensor =>
  rotary.turn(reshape(x, [1, 1, 1, x.size]), rotary.angles([m])).reshape(x.size);

const dot = (a: Tensor, b: Tensor): number => a.mul(b).sum().item();

// Coordinates below 6.4, at most 16 of them, angles exact to 2⁻²⁴: 16 · 6.4² · 3 · 2⁻²⁴ ≈ 1.2e-4.
const rotaryAtol = 2e-4;

test("rotary: ⟨R_m q, R_n k⟩ depends on m − n only", () => {
  fc.assert(
    fc.property(rotarySizes, fc.nat(500), ({ d, m, n, seed }, shift) => {
      const rotary = new Rotary(d);
      const [q, k] = [normal([d], seed), normal([d], seed + 1)];
      const here = dot(turned(rotary, q, m), turned(rotary, k, n));
      const there = dot(turned(rotary, q, m + shift), turned(rotary, k, n + shift));
      assert.ok(Math.abs(here - there) <= rotaryAtol, `${here} is not ${there}`);
    }),
  );
});

test("rotary: ‖R_m x‖ = ‖x‖, and R_0 = 1", () => {
  fc.assert(
    fc.property(rotarySizes, ({ d, m, seed }) => {
      const rotary = new Rotary(d);
      const x = normal([d], seed);
      const y = turned(rotary, x, m);
      assert.ok(Math.abs(dot(y, y) - dot(x, x)) <= rotaryAtol);
      assert.equal(turned(rotary, x, 0).toArray(), x.toArray());
    }),
  );
});

test("rotary: widths that have no pairs are refused", () => {
  for (const d of [0, -2, 1, 3, 2.5, Number.NaN])
    assert.throws(() => new Rotary(d), /Rotary: expected an even d/);
});

test("rotary: positions may differ from row to row of a batch", () => {
  const rotary = new Rotary(4);
  const x = normal([2, 3, 2, 4], 1);
  const both = rotary.turn(
    x,
    rotary.angles([
      [5, 6],
      [0, 9],
    ]),
  );
  const row = (i: number, at: number[]): Tensor => rotary.turn(x.slice(0, i, i + 1), rotary.angles(at));
  assert.equal(both.toArray(), concat([row(0, [5, 6]), row(1, [0, 9])]).toArray());
  assert.throws(() => rotary.turn(x, rotary.angles([1, 2, 3])), /rotate/);
  checkGradients(
    (y) =>
      rotary.turn(
        y,
        rotary.angles([
          [5, 6],
          [0, 9],
        ]),
      ),
    [x],
  );
});

test("rotary: Llama 3.1 stretches long wavelengths, keeps short ones, and goes over between them", () => {
  const scaling: Llama3RopeScaling = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const plain = new Rotary(128, { base: 500000 }).frequencies;
  const stretched = new Rotary(128, { base: 500000, scaling }).frequencies;
  const ratios = Array.from(stretched, (theta, i) => theta / plain[i]);
  // Wavelengths 2π 500000^(i/64): below 8192/4 up to i = 28, above 8192 from i = 35.
  for (const [i, ratio] of ratios.entries()) {
    if (i <= 28) assert.is(ratio, 1);
    else if (i >= 35) assert.ok(Math.abs(ratio - 1 / 8) < 1e-12);
    else assert.ok(ratio < ratios[i - 1] && ratio > 1 / 8);
  }
  // Those between, by the formula of transformers' _compute_llama3_parameters, worked out apart in Python.
  const between = [0.8281684118, 0.6437431331, 0.4935071227, 0.3711222795, 0.2714254771, 0.1902107436];
  for (const [i, ratio] of between.entries()) {
    assert.ok(
      Math.abs(ratios[29 + i] - ratio) < 1e-9,
      `pair ${29 + i}: ${ratios[29 + i]}, expected ${ratio}`,
    );
  }
});

test("splitHeads is a view", () => {
  const x = new Tensor(array(random(1).normal(24), [1, 2, 12]));
  assert.is(splitHeads(x, 3).value.storage, x.value.storage);
});

test.run();
