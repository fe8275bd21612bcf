/** @file DoRA's own laws, on every kind of layer. In double precision: 1e-9 is 10⁶ roundings of what is computed. */

import * as fc from "fast-check";
import { checkGradients, dropout, matmul, noGrad, Parameter, type Tensor } from "lowrank/autograd";
import { array, random, rowNorms, withPrecision } from "lowrank/core";
import { DoRA, viewWeight } from "lowrank/lora";
import { Linear } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adapted, build, distance, drawn, draws, type Layer, merged, randomize } from "../support/sites.ts";

const dora = suite("dora");
const close = 1e-9;
const rank = fc.integer({ min: 1, max: 4 });
const inDoubles = (fn: () => void) => () => withPrecision("float64", fn);

/** A layer and a DoRA on it whose A, B and m are drawn: |ΔV| ≤ 1/2 < 1 ≤ |W0|, so that no ‖V'‖ is small. */
function stirred(layer: Layer, r: number, seed: number, options = {}): DoRA {
  const adapter = new DoRA(layer.site, { rank: r, alpha: 2 * r, rng: random(seed), ...options });
  randomize(adapter, seed);
  return adapter;
}

dora("at first the layer computes what it did, to the last bit, in training with dropout too", () => {
  fc.assert(
    fc.property(draws(), rank, fc.boolean(), (draw, r, normGradient) => {
      const layer = build(draw);
      const adapter = new DoRA(layer.site, { rank: r, dropout: 0.5, normGradient, rng: random(draw.seed) });
      const before = layer.layer.forward(layer.input);
      assert.is(distance(adapted(layer, adapter), before), 0);
    }),
  );
});

dora(
  "the rows of the merged weight have the norms |m|",
  inDoubles(() => {
    fc.assert(
      fc.property(draws(), rank, (draw, r) => {
        const { site, ...layer } = build(draw);
        const adapter = stirred({ site, ...layer }, r, draw.seed);
        const W = site.weight().add(adapter.deltaWeight(site));
        const norms = array(rowNorms(W.value.data, site.out, site.in));
        assert.ok(distance(norms, adapter.m.abs()) < close);
      }),
    );
  }),
);

dora(
  "merged equals adapted",
  inDoubles(() => {
    fc.assert(
      fc.property(draws(), rank, (draw, r) => {
        const layer = build(draw);
        const adapter = stirred(layer, r, draw.seed);
        assert.ok(distance(adapted(layer, adapter), merged(layer, adapter)) < close);
      }),
    );
  }),
);

dora(
  "gradients are those of m V'/c with c = ‖V'‖ held constant",
  inDoubles(() => {
    fc.assert(
      fc.property(draws(["Linear"]), rank, (draw, r) => {
        const layer = build(draw);
        const { site } = layer;
        const adapter = stirred(layer, r, draw.seed);
        adapted(layer, adapter).square().sum().backward();
        const [A, B, m] = [adapter.A, adapter.B, adapter.m].map((parameter) => {
          const copy = parameter.clone();
          copy.requiresGrad = true;
          return copy;
        });
        const V = site.weight().add(matmul(B, A).mul(adapter.scaling));
        const c = V.detach().norm(1);
        const W = V.mul(m.div(c).reshape(site.out, 1));
        const y = site.addBias(matmul(layer.input as Tensor, W.T));
        y.square().sum().backward();
        for (const [ours, theirs] of [
          [adapter.A, A],
          [adapter.B, B],
          [adapter.m, m],
        ])
          assert.ok(distance(ours.grad as Tensor, theirs.grad as Tensor) < close * 100);
      }),
    );
  }),
);

dora("with normGradient they are those of m V'/‖V'‖", () => {
  fc.assert(
    fc.property(draws(["Linear", "Embedding", "Conv2d"]), fc.integer({ min: 1, max: 2 }), (draw, r) => {
      withPrecision("float64", () => {
        const layer = build({ ...draw, rows: 1 });
        const adapter = stirred(layer, r, draw.seed, { normGradient: true });
        checkGradients(
          (A, B, m) => {
            Object.assign(adapter, { A, B, m });
            return adapted(layer, adapter);
          },
          [adapter.A, adapter.B, adapter.m],
        );
      });
    }),
    { numRuns: 25 },
  );
});

dora("dropout acts on x in both terms: y = W0 x + (g − 1) W0 x̃ + g s B A x̃", () => {
  const layer = build({ kind: "Linear", inner: 5, outer: 4, groups: 1, stride: 1, rows: 3, seed: 1 });
  const { site } = layer;
  const x = layer.input as Tensor;
  const adapter = new DoRA(site, { rank: 2, dropout: 0.5, rng: random(7) });
  randomize(adapter, 3);
  const { A, B, scaling } = adapter;
  const dropped = dropout(x, 0.5, random(7).split("dropout"));
  const g = adapter.gain(site);
  const BAx = matmul(matmul(dropped, A.T), B.T).mul(scaling);
  const expected = site
    .project(x)
    .add(site.project(dropped).mul(g.sub(1)))
    .add(BAx.mul(g));
  assert.ok(distance(adapted(layer, adapter), site.addBias(expected)) < 1e-5); // |y| ≤ 30, float32
  adapter.eval();
  assert.ok(distance(adapted(layer, adapter), merged(layer, adapter)) < 1e-5);
});

dora("a row of zeros stays finite, starts as the identity, and learns", () => {
  const layer = new Linear(3, 2, { bias: false });
  layer.weight.assign([0, 0, 0, 1, 2, 3]);
  layer.requiresGrad_(false);
  const site = viewWeight(layer);
  const input = new Parameter(drawn(1, [4, 3], 0, 1));
  const adapter = new DoRA(site, { rank: 1, rng: random(0) });
  assert.is(distance(adapted({ site, input }, adapter), layer.forward(input)), 0);
  const train = (): void => {
    adapter.zeroGrad();
    adapted({ site, input }, adapter).sub(1).square().sum().backward();
    for (const { grad } of adapter.parameters()) assert.ok((grad as Tensor).toArray().every(Number.isFinite));
    for (const parameter of adapter.parameters())
      parameter.assign(parameter.sub((parameter.grad as Tensor).mul(0.1)).value);
  };
  train();
  assert.is.not(adapter.B.value.data[0], 0);
  train();
  assert.is.not(adapter.m.value.data[0], 0);
});

dora("‖V'‖ of a matrix that is worked on in blocks of rows", () => {
  const [out, into] = [6, 2 ** 18]; // four rows to a block
  const layer = new Linear(into, out, { bias: false }).requiresGrad_(false);
  const powers = Array.from({ length: out }, (_, i) => 2 ** i);
  layer.weight.assign(
    Float32Array.from({ length: out * into }, (_, i) => powers[Math.floor(i / into)] / 512),
  );
  const adapter = new DoRA(viewWeight(layer), { rank: 1, rng: random(0) });
  assert.equal([...adapter.m.toArray()], powers); // sums of powers of two: exact
});

dora("outside training too, ‖V'‖ follows every change of W0, A and B", () => {
  const layer = build({ kind: "Linear", inner: 4, outer: 3, groups: 1, stride: 1, rows: 2, seed: 5 });
  const adapter = stirred(layer, 2, 1);
  noGrad(() => {
    for (const changed of [adapter.A, adapter.B, layer.layer.weight]) {
      adapted(layer, adapter);
      changed.assign(drawn(9, changed.shape, 1, 2));
      const V = adapter.direction(layer.site);
      const expected = adapter.m.div(V.norm(1));
      assert.is(distance(adapter.gain(layer.site), expected), 0);
    }
  });
});

dora.run();
