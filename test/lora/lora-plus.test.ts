/** @file LoRA+: which parameter goes into which group, and what its rate amounts to. */

import * as fc from "fast-check";
import type { Tensor } from "lowrank/autograd";
import { ArgumentError, random } from "lowrank/core";
import { inject, LoRA, loraPlus } from "lowrank/lora";
import { Adam, AdamW, Embedding, LayerNorm, Linear, Module, SGD } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adapted, build, draws, randomize } from "../support/sites.ts";

const plus = suite("lora-plus");

class Model extends Module {
  table = new Embedding(5, 4);
  inner = new Linear(4, 4);
  norm = new LayerNorm(4);
  head = new Linear(4, 2);

  forward(ids: readonly number[]): Tensor {
    return this.head.forward(this.norm.forward(this.inner.forward(this.table.forward(ids))));
  }
}

/** The names of the parameters in each group. */
function groupsOf(model: Module, options: Parameters<typeof loraPlus>[1]): Record<string, string[]> {
  const names = new Map(
    Array.from(model.namedParameters(), ([name, parameter]) => [
      parameter,
      name.replace(".adapters.default", ""),
    ]),
  );
  return Object.fromEntries(
    loraPlus(model, options).map(({ name, params }) => [
      name,
      Array.from(params, (parameter) => names.get(parameter) as string),
    ]),
  );
}

plus("every trainable parameter is in one group, by what it is", () => {
  const model = new Model();
  inject(model, { method: "dora", target: ["table", "inner"], rank: 2 });
  model.norm.requiresGrad_();
  model.head.requiresGrad_();
  const options = { lr: 1e-3, ratio: 16, weightDecay: 0.1 };
  assert.equal(groupsOf(model, options), {
    A: ["inner.A", "head.weight"],
    embedding: ["table.A", "table.B"],
    B: ["table.m", "inner.B", "inner.m"],
    "B, no decay": ["norm.weight", "norm.bias", "head.bias"],
  });
  assert.equal(
    loraPlus(model, options).map(({ lr, weightDecay }) => [lr, weightDecay]),
    [
      [1e-3, 0.1],
      [1e-6, 0.1],
      [16e-3, 0.1],
      [16e-3, 0],
    ],
  );
  assert.equal(groupsOf(model, { ...options, embeddingLr: null }).A, [
    "table.A",
    "table.B",
    "inner.A",
    "head.weight",
  ]);
});

plus("AdaLoRA's P is what B is in LoRA", () => {
  const model = new Model();
  inject(model, { method: "adalora", target: "inner", rank: 2 });
  assert.equal(groupsOf(model, { lr: 1, ratio: 2 }), {
    A: ["inner.lambda", "inner.Q"],
    B: ["inner.P"],
  });
});

plus("any optimizer whose groups have a rate takes them", () => {
  const model = new Model();
  inject(model, { target: "inner", rank: 2 });
  for (const Optimizer of [AdamW, Adam, SGD]) {
    const { groups } = new Optimizer(loraPlus(model, { lr: 0.5, ratio: 4, weightDecay: 0.1 }), { lr: 9 });
    assert.equal(
      groups.map(({ lr, weightDecay }) => [lr, weightDecay]),
      [
        [0.5, 0.1],
        [2, 0.1],
      ],
    );
  }
});

/**
 * Adam's step does not depend on the scale of the gradient. With B = λ B' and the update λ s B' A, the gradient of B' is
 * λ times B's, its step is the same η, and B moves λ η: LoRA+. λ a power of two and ε = 0 make it exact in float32.
 */
plus("is Adam at one rate on B' = B/λ", () => {
  fc.assert(
    fc.property(draws(["Linear", "Conv1D", "Conv2d"]), fc.integer({ min: 0, max: 5 }), (draw, power) => {
      const ratio = 2 ** power;
      const layer = build(draw);
      const [one, other] = [1, ratio].map(
        (alpha) => new LoRA(layer.site, { rank: 1, alpha, rng: random(draw.seed) }),
      );
      for (const adapter of [one, other]) randomize(adapter, draw.seed);
      other.B.assign(other.B.mul(1 / ratio).value);
      const settings = { betas: [0.9, 0.999] as const, eps: 0 };
      const optimizers = [
        new Adam(loraPlus(one, { lr: 0.01, ratio }), settings),
        new Adam(other.parameters(), { ...settings, lr: 0.01 }),
      ];
      for (let step = 0; step < 3; step++) {
        for (const adapter of [one, other]) adapted(layer, adapter).square().sum().backward();
        for (const optimizer of optimizers) {
          optimizer.step();
          optimizer.zeroGrad();
        }
      }
      assert.equal(one.A.toArray(), other.A.toArray());
      assert.equal(one.B.toArray(), other.B.mul(ratio).toArray());
    }),
  );
});

plus("refuses negative rates", () => {
  const model = new Model();
  inject(model, { target: "inner", rank: 2 });
  for (const wrong of [{ lr: -1 }, { ratio: -1 }, { weightDecay: Number.NaN }, { embeddingLr: -1 }])
    assert.throws(
      () => loraPlus(model, { lr: 1, ratio: 1, ...wrong }),
      (error: Error) => error instanceof ArgumentError,
    );
});

plus.run();
