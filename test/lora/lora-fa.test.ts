/** @file LoRA-FA's own laws: A is never trained, x is not kept, and what the gradient correction is. */

import * as fc from "fast-check";
import { matmul, Parameter, savedBytes, Tensor } from "lowrank/autograd";
import { random, withPrecision } from "lowrank/core";
import { LoRA, LoraFA, LoraFAAdamW, viewWeight } from "lowrank/lora";
import { AdamW, Linear } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adapted, build, distance, drawn, draws } from "../support/sites.ts";

const fa = suite("lora-fa");
const size = fc.integer({ min: 1, max: 6 });
const seed = fc.nat(1_000_000);

/** What backward through an adapted layer keeps, less the parameters that stay anyway. */
function kept(
  Method: typeof LoRA | typeof LoraFA,
  draw: { n: number; i: number; o: number; r: number },
  xNeeds: boolean,
) {
  const { n, i, o, r } = draw;
  const site = viewWeight(new Linear(i, o).requiresGrad_(false));
  const adapter: LoRA | LoraFA = new Method(site, { rank: r, rng: random(0) });
  const input = new Parameter(drawn(1, [n, i], 0, 1));
  input.requiresGrad = xNeeds;
  const frozen = xNeeds ? [site.weight(), adapter.A, adapter.B] : [];
  return savedBytes(adapted({ site, input }, adapter)) - bytes(frozen);
}
const bytes = (tensors: readonly Tensor[]): number => 4 * tensors.reduce((sum, { size }) => sum + size, 0);

fa("backward keeps r values per token, where LoRA keeps in + r", () => {
  fc.assert(
    fc.property(fc.record({ n: size, i: size, o: size, r: size }), fc.boolean(), (draw, xNeeds) => {
      const { n, i, r } = draw;
      assert.is(kept(LoraFA, draw, xNeeds), 4 * n * r);
      // A's gradient needs x, and B to come through; B is kept for x's gradient too.
      assert.is(kept(LoRA, draw, xNeeds), 4 * n * (i + r) + (xNeeds ? 0 : 4 * draw.o * r));
    }),
  );
});

fa("at first the layer computes what it did, on every kind of layer, and B can learn", () => {
  fc.assert(
    fc.property(draws(), size, (draw, r) => {
      const layer = build(draw);
      const adapter = new LoraFA(layer.site, { rank: r, rng: random(draw.seed) });
      const y = adapted(layer, adapter);
      assert.is(distance(y, layer.layer.forward(layer.input)), 0);
      y.sum().backward();
      assert.ok(adapter.B.grad?.toArray().some((g) => g !== 0));
      assert.is(adapter.A.grad, null);
    }),
  );
});

fa("training leaves A as it was, whatever is made trainable", () => {
  const layer = build({ kind: "Linear", inner: 4, outer: 3, groups: 1, stride: 1, rows: 5, seed: 1 });
  const adapter = new LoraFA(layer.site, { rank: 2, rng: random(0) });
  const before = adapter.A.toArray();
  adapter.requiresGrad_(false).requiresGrad_();
  const optimizer = new LoraFAAdamW(adapter, { correctGradient: true, lr: 0.1 });
  for (let step = 0; step < 5; step++) {
    adapted(layer, adapter).square().sum().backward();
    optimizer.step();
    optimizer.zeroGrad();
  }
  assert.equal(adapter.A.toArray(), before);
  assert.ok(adapter.B.toArray().every((b) => b !== 0));
});

fa("the corrected gradient moves W by ∂L/∂W projected onto the rows of A", () => {
  withPrecision("float64", () => {
    fc.assert(
      fc.property(size, size, size, seed, fc.boolean(), (i, o, n, from, rankStabilized) => {
        const r = Math.min(2, i);
        const layer = new Linear(i, o, { bias: false });
        const site = viewWeight(layer);
        const adapter = new LoraFA(site, { rank: r, alpha: 3, rankStabilized, rng: random(from) });
        // A = [I 0] + a small part: its rows are independent, and the 10⁻⁸ on the diagonal is a relative error of 10⁻⁸.
        const A = drawn(from, [r, i], 0, 0.1).data.map((a, at) => a + (at % (i + 1) === 0 ? 1 : 0));
        adapter.A.assign(A);
        stirB(adapter, from);
        const input = new Tensor(drawn(from, [n, i], 0, 1));
        adapted({ site, input }, adapter).square().sum().backward();
        adapter.correctGradient();
        const G = layer.weight.grad as Tensor;
        const moved = matmul(adapter.B.grad as Tensor, adapter.A).mul(adapter.scaling);
        // The rest of G is orthogonal to A's rows.
        const rest = matmul(G.sub(moved), adapter.A.T).abs().max().item();
        assert.ok(rest <= 1e-6 * (1 + G.abs().max().item()), `${rest}`);
      }),
    );
  });
});

const stirB = (adapter: LoraFA, from: number): void =>
  void adapter.B.assign(drawn(from + 1, adapter.B.shape, 0, 0.25));

fa("LoraFAAdamW without options is AdamW on what is trainable", () => {
  fc.assert(
    fc.property(draws(["Linear", "Conv1D"]), (draw) => {
      const layer = build(draw);
      const [ours, theirs] = [0, 1].map(() => new LoraFA(layer.site, { rank: 2, rng: random(draw.seed) }));
      const optimizers = [new LoraFAAdamW(ours, { lr: 0.1 }), new AdamW([theirs.B], { lr: 0.1 })];
      for (let step = 0; step < 3; step++) {
        for (const adapter of [ours, theirs]) adapted(layer, adapter).square().sum().backward();
        for (const optimizer of optimizers) {
          optimizer.step();
          optimizer.zeroGrad();
        }
      }
      assert.is(distance(ours.B, theirs.B), 0);
    }),
  );
});

fa.run();
