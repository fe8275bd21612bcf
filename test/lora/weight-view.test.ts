/** @file A site is a layer seen as one matrix, for every kind of layer; loralib's own forms on them. In double precision. */

import * as fc from "fast-check";
import { matmul, Tensor } from "lowrank/autograd";
import { AdapterError, array, random, withPrecision } from "lowrank/core";
import { LoRA, LoraConv, MergedLinear, viewWeight } from "lowrank/lora";
import { Conv1d, Conv2d, LayerNorm, Linear } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adapted, build, distance, drawn, draws, type Layer, merged, randomize } from "../support/sites.ts";

const sites = suite("sites");
const close = 1e-9; // 10⁶ roundings of what is computed
const rank = fc.integer({ min: 1, max: 4 });
const inDoubles = (fn: () => void) => () => withPrecision("float64", fn);

sites(
  "W x + b is what the layer computes; a layer with another W computes with that one",
  inDoubles(() => {
    fc.assert(
      fc.property(draws(), (draw) => {
        const { layer, site, input } = build(draw);
        assert.equal(site.weight().shape, [site.out, site.in]);
        assert.is(distance(site.addBias(site.project(input)), layer.forward(input)), 0);
        const twice = site.withWeight(site.weight().mul(2).value) as Layer["layer"];
        assert.ok(distance(viewWeight(twice).project(input), site.project(input).mul(2)) < close);
        assert.is(distance(viewWeight(twice).weight(), site.weight().mul(2)), 0);
      }),
    );
  }),
);

sites(
  "B (A x) = (B A) x, and g ∘ (W x) = (g ∘ W) x",
  inDoubles(() => {
    fc.assert(
      fc.property(draws(), rank, (draw, r) => {
        const { site, input } = build(draw);
        const A = new Tensor(drawn(draw.seed, [r, site.in], 0, 1));
        const B = new Tensor(drawn(draw.seed + 1, [site.out, r], 0, 1));
        const g = new Tensor(drawn(draw.seed + 2, [site.out], 0, 1));
        const holding = (W: Tensor): Tensor => viewWeight(site.withWeight(W.value)).project(input);
        assert.ok(distance(site.up(site.down(input, A), B), holding(matmul(B, A))) < close);
        const scaled = site.scaleOutput(site.project(input), g);
        assert.ok(distance(scaled, holding(site.weight().mul(g.reshape(site.out, 1)))) < close);
      }),
    );
  }),
);

sites(
  "LoRA: identity at first, merged equals adapted, dropout only in training",
  inDoubles(() => {
    fc.assert(
      fc.property(draws(), rank, (draw, r) => {
        const layer = build(draw);
        const adapter = new LoRA(layer.site, { rank: r, alpha: 3, dropout: 0.5, rng: random(draw.seed) });
        assert.is(distance(adapted(layer, adapter), layer.layer.forward(layer.input)), 0);
        randomize(adapter, draw.seed);
        adapter.eval();
        assert.ok(distance(adapted(layer, adapter), merged(layer, adapter)) < close);
      }),
    );
  }),
);

sites(
  "merged-linear: adapted slices have LoRA's update with their own A and B, the others none",
  inDoubles(() => {
    const slices = fc
      .array(fc.boolean(), { minLength: 1, maxLength: 4 })
      .map((list) => (list.includes(true) ? list : [...list, true]));
    fc.assert(
      fc.property(draws(["Linear", "Conv1D", "Embedding"]), rank, slices, (draw, r, slices) => {
        const layer = build({ ...draw, outer: draw.outer * slices.length });
        const { site } = layer;
        const adapter = new MergedLinear(site, { rank: r, alpha: 2, slices, rng: random(draw.seed) });
        assert.is(distance(adapted(layer, adapter), layer.layer.forward(layer.input)), 0);
        randomize(adapter, draw.seed);
        assert.ok(distance(adapted(layer, adapter), merged(layer, adapter)) < close);
        const delta = adapter.deltaWeight();
        let e = 0;
        for (const [j, on] of slices.entries()) {
          const rows = delta.slice(0, j * draw.outer, (j + 1) * draw.outer);
          const expected = on
            ? matmul(
                adapter.B.slice(0, e * draw.outer, (e + 1) * draw.outer),
                adapter.A.slice(0, e * r, (e + 1) * r),
              ).mul(2 / r)
            : new Tensor(array(new Float64Array(rows.size), rows.shape));
          if (on) e++;
          assert.ok(distance(rows, expected) < close);
        }
      }),
    );
  }),
);

sites(
  "lora-conv: ΔW is B A read as a kernel; on other layers it is LoRA",
  inDoubles(() => {
    fc.assert(
      fc.property(rank, rank, rank, fc.integer({ min: 1, max: 3 }), fc.nat(1000), (r, into, out, k, seed) => {
        const site = viewWeight(new Conv2d(into, out, k, { padding: 1 }));
        const layer = { site, input: new Tensor(drawn(seed, [2, into, 3, 3], 0, 1)) };
        const adapter = new LoraConv(site, { rank: r, rng: random(seed) });
        randomize(adapter, seed);
        assert.ok(distance(adapted(layer, adapter), merged(layer, adapter)) < close);
        const BA = matmul(adapter.B, adapter.A).value.data;
        assert.ok(adapter.deltaWeight(site).value.data.every((d, i) => Math.abs(d - BA[i]) < close));
      }),
    );
    const site = viewWeight(new Linear(4, 3));
    const options = { rank: 2, alpha: 6, rng: random(0) };
    const [conv, lora] = [new LoraConv(site, options), new LoRA(site, options)];
    for (const adapter of [conv, lora]) randomize(adapter, 1);
    assert.ok(distance(conv.deltaWeight(site), lora.deltaWeight()) < close);
  }),
);

sites("what cannot be adapted is refused", () => {
  const refused = (fn: () => unknown, words: RegExp): void =>
    assert.throws(fn, (error: Error) => error instanceof AdapterError && words.test(error.message));
  refused(() => viewWeight(new LayerNorm(3), "h.0.ln_1"), /h\.0\.ln_1/);
  const rng = random(0);
  const three = viewWeight(new Linear(3, 3));
  refused(() => new MergedLinear(three, { rank: 1, slices: [true, false], rng }), /divide/);
  refused(() => new MergedLinear(three, { rank: 1, slices: [false, false, false], rng }), /adapted/);
  refused(() => new MergedLinear(three, { rank: 1, slices: [], rng }), /adapted/);
  refused(() => new LoraConv(viewWeight(new Conv2d(2, 2, [1, 2])), { rank: 1, rng }), /square/);
  refused(() => new LoraConv(viewWeight(new Conv2d(2, 2, 2, { groups: 2 })), { rank: 1, rng }), /group/);
  refused(() => new LoraConv(viewWeight(new Conv1d(2, 2, 3)), { rank: 1, rng }), /square/);
});

sites.run();
