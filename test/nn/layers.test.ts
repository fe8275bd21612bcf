/** @file Norms, dropout, feed-forward layers, metrics. */

import * as fc from "fast-check";
import { type Tensor, tensor } from "lowrank/autograd";
import { random, type Shape, sizeOf, withPrecision } from "lowrank/core";
import {
  accuracy,
  Dropout,
  Embedding,
  LayerNorm,
  Linear,
  MLP,
  perplexity,
  RMSNorm,
  SwiGLU,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("layers");

const normal = (shape: Shape, seed: number, std = 1): Tensor =>
  tensor(random(seed).normal(sizeOf(shape), 0, std), shape);

const rows = fc.record({ n: fc.integer({ min: 2, max: 40 }), seed: fc.nat(10_000) });

/** Half an ulp of 1: what one rounding to float32 costs, relatively. */
const u = 2 ** -24;

test("layer norm: each row has mean 0 and variance 1", () => {
  const eps = 1e-12;
  fc.assert(
    fc.property(rows, ({ n, seed }) => {
      const x = normal([3, n], seed).mul(5).add(2);
      const y = new LayerNorm(n, { eps }).forward(x);
      const largest = x.abs().max(-1).toArray();
      const spread = withPrecision("float64", () => x.variance(-1).sqrt()).toArray();
      const means = y.mean(-1).toArray();
      const variances = y.variance(-1).toArray();
      for (let i = 0; i < 3; i++) {
        // The mean is off by at most n roundings of the largest number, which counts for more the less the row spreads.
        const shift = (n * u * largest[i]) / spread[i];
        const roundings = (2 * n + 8) * u;
        assert.ok(Math.abs(means[i]) <= shift + roundings, `mean ${means[i]}, allowed ${shift + roundings}`);
        const allowed = shift ** 2 + eps / spread[i] ** 2 + 2 * roundings;
        assert.ok(Math.abs(variances[i] - 1) <= allowed, `variance ${variances[i]}, allowed 1 ± ${allowed}`);
      }
    }),
  );
});

test("RMS norm: each row has mean square 1, and scaling the input changes nothing", () => {
  const eps = 1e-12;
  fc.assert(
    fc.property(rows, ({ n, seed }) => {
      const layer = new RMSNorm(n, { eps });
      const x = normal([3, n], seed);
      const y = layer.forward(x);
      const scaled = layer.forward(x.mul(8)); // 8: exact in float32
      const squares = x.square().mean(-1).toArray();
      const meanSquares = y.square().mean(-1).toArray();
      const differences = y.sub(scaled).abs().max(-1).toArray();
      for (let i = 0; i < 3; i++) {
        const allowed = eps / squares[i] + (2 * n + 8) * u;
        assert.ok(Math.abs(meanSquares[i] - 1) <= allowed, `mean square ${meanSquares[i]}, 1 ± ${allowed}`);
        assert.ok(differences[i] <= allowed * Math.sqrt(n), `${differences[i]} > ${allowed} √${n}`); // |y| ≤ √n
      }
    }),
  );
});

test("dropout keeps the mean, and drops a share p", () => {
  const n = 100_000;
  const x = tensor(new Float32Array(n).fill(1), [n]);
  for (const p of [0.1, 0.5, 0.9]) {
    const y = new Dropout(p, { rng: random(1) }).forward(x).toArray();
    const dropped = y.filter((value) => value === 0).length / n;
    const deviation = Math.sqrt((p * (1 - p)) / n); // of the share
    assert.ok(Math.abs(dropped - p) <= 5 * deviation);
    const mean = y.reduce((sum, value) => sum + value, 0) / n;
    assert.ok(Math.abs(mean - 1) <= (5 * deviation) / (1 - p));
    assert.ok(y.every((value) => value === 0 || value === Math.fround(1 / (1 - p))));
  }
});

test("dropout does nothing in evaluation, draws anew each time, and has a stream of its own", () => {
  const rng = random(3);
  const [a, b] = [new Dropout(0.5, { rng }), new Dropout(0.5, { rng })];
  const x = tensor(new Float32Array(64).fill(1), [64]);
  const first = a.forward(x).toArray();
  assert.not.equal(a.forward(x).toArray(), first);
  assert.not.equal(b.forward(x).toArray(), first);
  assert.equal(new Dropout(0.5, { rng: random(3) }).forward(x).toArray(), first);
  assert.is(a.eval().forward(x), x);
  assert.is(new Dropout(0).forward(x), x);
  for (const p of [-0.1, 1, Number.NaN]) assert.throws(() => new Dropout(p), /0 ≤ p < 1/);
});

test("MLP and SwiGLU are their formulas", () => {
  const x = normal([2, 3, 4], 1);
  const mlp = new MLP(4, 6, { activation: "relu", rng: random(1) });
  const [fc1, fc2] = [mlp.fc1, mlp.fc2] as [Linear, Linear];
  const hidden = x
    .matmul(fc1.weight.T)
    .add(fc1.bias as Tensor)
    .relu();
  close(mlp.forward(x), hidden.matmul(fc2.weight.T).add(fc2.bias as Tensor));
  const glu = new SwiGLU(4, 6, { rng: random(1) });
  const [gate, up, down] = [glu.gate_proj, glu.up_proj, glu.down_proj] as Linear[];
  const g = x.matmul(gate.weight.T);
  close(glu.forward(x), g.mul(g.sigmoid()).mul(x.matmul(up.weight.T)).matmul(down.weight.T));
});

/** Values near 1 from sums of at most 6 terms. */
function close(a: Tensor, b: Tensor): void {
  assert.equal(a.shape, b.shape);
  assert.ok(a.sub(b).abs().max().item() <= 1e-6);
}

test("std gives a linear layer N(0, std²) weights and no bias", () => {
  const layer = new Linear(200, 100, { std: 0.02, rng: random(5) });
  const spread = Math.sqrt(layer.weight.square().mean().item());
  assert.ok(Math.abs(spread / 0.02 - 1) <= 5 / Math.sqrt(2 * 20_000)); // five of its own deviations
  assert.is(layer.bias?.abs().max().item(), 0);
});

test("a linear layer around another's parameter shares it", () => {
  const embedding = new Embedding(5, 3, { rng: random(1) });
  const head = Linear.of(embedding.weight);
  assert.is(head.weight, embedding.weight);
  assert.equal(head.forward(normal([2, 3], 1)).shape, [2, 5]);
});

test("accuracy counts the labels that count; perplexity is e to the loss", () => {
  const logits = tensor([
    [0, 2, 1],
    [3, 0, 0],
    [0, 0, 1],
    [1, 0, 0],
  ]);
  assert.is(accuracy(logits, [1, 0, 1, -100]), 2 / 3);
  assert.ok(Number.isNaN(accuracy(logits, [-1, -1, -1, -1], { ignoreIndex: -1 })));
  assert.throws(() => accuracy(logits, [1, 2]), /accuracy/);
  assert.is(perplexity(Math.log(7)), Math.exp(Math.log(7)));
  assert.is(perplexity(tensor(0, [])), 1);
});

test.run();
