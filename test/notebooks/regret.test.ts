/** @file The plumbing of the page on *LoRA Without Regret*: best rates, first steps, counted operations, stored bits. */
import * as fc from "fast-check";
import { tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { Linear, Module } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as regret from "../../notebooks/papers/lora-without-regret/index.ts";
import { factRows } from "../../notebooks/support/data/facts.ts";
import { committedBase } from "../../notebooks/support/experiments/bases.ts";
import { VERDICTS } from "../../notebooks/support/notebook/session.ts";

const page = suite("LoRA Without Regret");

const close = (actual: number, expected: number, within = 1e-9): void =>
  assert.ok(
    Math.abs(actual - expected) <= within * Math.max(1, Math.abs(expected)),
    `${actual}, not ${expected}`,
  );

page(
  "the best rate of a parabola over the logarithm of the rate is its lowest point, on any grid around it",
  () => {
    const points = fc.record({
      bottom: fc.double({ min: -5, max: -3, noNaN: true }),
      left: fc.double({ min: 0.2, max: 1, noNaN: true }),
      right: fc.double({ min: 0.2, max: 1, noNaN: true }),
      offset: fc.double({ min: -0.09, max: 0.09, noNaN: true }),
    });
    fc.assert(
      fc.property(points, ({ bottom, left, right, offset }) => {
        const middle = bottom + offset;
        const curve = [middle - left, middle, middle + right].map((x) => ({
          rate: Math.exp(x),
          loss: 1 + (x - bottom) ** 2,
        }));
        const { rate, atEdge } = regret.bestRate(curve);
        assert.not(atEdge);
        close(Math.log(rate), bottom, 1e-6);
      }),
    );
  },
);

page(
  "a best rate at the end of the grid is marked, and a neighbour that diverged is no point of a parabola",
  () => {
    const curve = (losses: number[]) => losses.map((loss, i) => ({ rate: 2 ** i, loss }));
    assert.equal(regret.bestRate(curve([3, 2, 1])), { rate: 4, loss: 1, atEdge: true });
    assert.equal(regret.bestRate(curve([3, 1, Infinity])), { rate: 2, loss: 1, atEdge: false });
  },
);

const step: regret.FirstStep = (G, A, { optimizer, scaling }, alpha) => {
  const r = A.shape[0];
  const s = scaling === "α/r" ? alpha / r : alpha / Math.sqrt(r);
  const gradient = G.matmul(A.T).mul(s);
  return (optimizer === "Adam" ? gradient.sign() : gradient).mul(-1).matmul(A).mul(s);
};

page(
  "what the first step saves has the derived power of the rank, for every rule, and the wrong one is noticed",
  () => {
    const G = tensor(random(1).normal(24 * 16), [24, 16]);
    const options = { ranks: [1, 2, 4, 8], seeds: 6, draws: 40, alpha: 8 };
    const rows = regret.measureFirstSteps(step, G, options);
    const powerOf = (rule: regret.Rule, measured = rows): number => {
      const slopes = regret.slopes(measured, rule, "saved");
      return slopes.reduce((sum, slope) => sum + slope, 0) / slopes.length;
    };
    for (const rule of regret.RULES) close(powerOf(rule), regret.power(rule), 0.08);
    const planted: regret.FirstStep = (g, A, rule, alpha) => step(g, A, rule, alpha).mul(A.shape[0] ** 0.5);
    const wrong = regret.measureFirstSteps(planted, G, options);
    assert.ok(Math.abs(powerOf(regret.RULES[0], wrong)) > 0.4);
  },
);

class Net extends Module {
  layer = new Linear(12, 8, { bias: false, rng: random(2) });
  forward(x: ReturnType<typeof tensor>) {
    return this.layer.forward(x);
  }
}

page("multiply–adds of a linear layer are those of the formula, with LoRA and without", () => {
  const tokens = 5;
  const count = (rank: number): number => {
    const net = new Net();
    if (rank > 0) inject(net, { rank, target: "layer", seed: 1 });
    const x = tensor(random(3).normal(tokens * 12), [tokens, 12], { requiresGrad: true });
    return regret.multiplyAdds(() => net.forward(x).sum().backward());
  };
  assert.is(count(0), tokens * regret.perToken.full(12, 8));
  for (const rank of [1, 2, 4]) assert.is(count(rank), tokens * regret.perToken.lora(12, 8, rank));
  assert.is(
    regret.multiplyAdds(() => undefined),
    0,
  );
});

page("attention, MLPs and all layers train equally many numbers at the ranks of the page", () => {
  const size = (options: { rank: number; target: string[]; rankPattern?: Record<string, number> }): number =>
    inject(committedBase("declarations").copy(), { ...options, seed: 1 }).trainableParameters().trainable;
  const attention = size({ rank: 5, target: ["attn.c_attn", "attn.c_proj"] });
  assert.is(attention, 4 * 1920);
  assert.is(size({ rank: 3, target: ["mlp.c_fc", "mlp.c_proj"] }), attention);
  const all = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"];
  assert.is(size({ rank: 2, target: all, rankPattern: { "attn.c_proj": 1 } }), attention);
});

page("the base of facts recalls its own and none of others, and says its answers", () => {
  const base = committedBase("facts").copy();
  const own = factRows(256, 999);
  assert.ok(regret.bitsRecalled(base, own) > 0.95 * own.known.bits);
  assert.is(regret.bitsRecalled(base, factRows(64, 5)), 0);
  const { prompt, completion } = own.known.all[0];
  assert.is(regret.answer(base, prompt), completion.trim());
});

page("capacities take the most that each rank recalled, and grow with a power of the parameters", () => {
  const stored = [1, 2, 4].flatMap((rank) =>
    [32, 64].map((count) => {
      const bits = count * 10;
      return {
        rank,
        parameters: 1000 * rank,
        count,
        bits,
        seed: 0,
        recalled: Math.min(bits, 100 * rank ** 1.5),
      };
    }),
  );
  assert.equal(
    regret.capacities(stored.filter(({ rank }) => rank < 4)).map(({ bits }) => Math.round(bits)),
    [100, 283],
  );
  close(regret.growth(stored.map((one) => ({ ...one, recalled: 100 * one.rank ** 1.5 })))[0], 1.5);
});

page("the opening has a sentence for every verdict", () => {
  for (const verdict of VERDICTS) {
    const one = { verdict, why: "" };
    const judgements = {
      tenfold: one,
      firstUpdate: one,
      sameRate: one,
      batchWorse: one,
    };
    const numbers = { ratio: [0.5], perParameter: [0.4], large: 0.671, alpha: 32, rank: 8 };
    const places = [
      { name: "code", attention: 3, mlps: 2.9, all: 2.8 },
      { name: "style", attention: 0.1, mlps: 0.2, all: 0.3 },
    ];
    const means = { places, penalties: [[0.4], [0.6], [0.5]], extremes: [1, 32] };
    const said = regret.opening({ ...judgements, ...numbers, ...means });
    assert.not.match(said.toMime()["text/plain"], /undefined|NaN/);
    assert.match(
      said.toMime()["text/plain"],
      /learns less than the MLPs alone on code \(3\.00 against 2\.90 nats\), but more on style/,
    );
    assert.match(regret.placeNote(places), /^Lowest loss: all layers on code, attention on style\./);
  }
});

page.run();
