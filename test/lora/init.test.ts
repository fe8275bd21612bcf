/** @file First values: which leave the layer as it is, which divide W, and what each is best at. */

import * as fc from "fast-check";
import { matmul, Tensor, tensor } from "lowrank/autograd";
import { AdapterError, frobeniusNorm, type NDArray, random, svd, withPrecision } from "lowrank/core";
import {
  DoRA,
  type FirstValues,
  firstValues,
  type Init,
  type InitOptions,
  inject,
  viewWeight,
} from "lowrank/lora";
import { cloneModule, Linear, Module } from "lowrank/nn";
import { QuantizedLinear, quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { build, distance, drawn, draws } from "../support/sites.ts";

const init = suite("init");
const options = (rank: number, from: number, more: Partial<InitOptions> = {}): InitOptions => ({
  rank,
  scaling: 2,
  rng: random(from),
  ...more,
});
const product = ({ A, B }: Pick<FirstValues, "A" | "B">, s = 2): Tensor =>
  matmul(new Tensor(B), new Tensor(A)).mul(s);
const dividing: Init[] = ["pissa", "olora"];

init("B A = 0, to the last bit for those with a zero factor", () => {
  fc.assert(
    fc.property(draws(), fc.integer({ min: 1, max: 2 }), (draw, half) => {
      const { site } = build(draw);
      for (const name of ["kaiming", "gaussian", "orthogonal"] as const) {
        const first = firstValues(site, options(2 * half, draw.seed, { init: name }));
        assert.equal(first.A.shape, [2 * half, site.in]);
        assert.equal(first.B.shape, [site.out, 2 * half]);
        assert.is(first.remainder, null);
        const largest = product(first).abs().max().item();
        if (name === "orthogonal") {
          for (const factor of [first.A, first.B]) assert.ok(factor.data.some((x: number) => x !== 0));
          // |A| and |B| up to 1 each: 4 products, a rounding of 2⁻²⁴ each, before and in B A.
          assert.ok(largest < 1e-5);
        } else assert.is(largest, 0);
      }
    }),
  );
});

init("the drawn factor has the deviation that is said", () => {
  const site = viewWeight(new Linear(400, 300));
  const deviation = ({ data }: NDArray): number => frobeniusNorm(data) / Math.sqrt(data.length);
  const near = (got: number, expected: number): void => assert.ok(Math.abs(got / expected - 1) < 0.05);
  near(deviation(firstValues(site, options(8, 0)).A), 1 / Math.sqrt(3 * 400)); // uniform on ±1/√in
  near(deviation(firstValues(site, options(8, 0, { init: "gaussian" })).A), 1 / 8);
});

init("pissa and olora: R + s B A = W", () => {
  withPrecision("float64", () => {
    fc.assert(
      fc.property(draws(), fc.constantFrom(...dividing), (draw, name) => {
        const { site } = build(draw);
        const rank = Math.min(site.out, site.in, 3);
        const first = firstValues(site, options(rank, draw.seed, { init: name }));
        const W = new Tensor(first.remainder as NDArray).add(product(first));
        assert.ok(distance(W, site.weight()) < 1e-12); // |W| < 2
      }),
    );
  });
});

/** √Σ of the squares of the singular values from the r-th on: how near to W a matrix of rank r can come. */
function best(W: NDArray, r: number): number {
  const { S } = svd(W.data, W.shape[0], W.shape[1]);
  return frobeniusNorm(S.subarray(r));
}

init("pissa leaves the least that a rank r can, exactly for small W, and shares it out evenly", () => {
  withPrecision("float64", () => {
    fc.assert(
      fc.property(draws(["Linear", "Conv2d"]), fc.integer({ min: 1, max: 3 }), (draw, rank) => {
        const { site } = build(draw);
        const r = Math.min(rank, site.out, site.in);
        const { A, B, remainder } = firstValues(site, options(r, draw.seed, { init: "pissa" }));
        assert.ok(
          Math.abs(frobeniusNorm((remainder as NDArray).data) - best(site.weight().value, r)) < 1e-10,
        );
        const [AA, BB] = [new Tensor(A), new Tensor(B).T].map((M) => matmul(M, M.T));
        assert.ok(distance(AA, BB) < 1e-10); // A Aᵀ = S/s = Bᵀ B
      }),
    );
  });
});

init("pissa by subspace iteration leaves hardly more than the least", () => {
  const W = drawn(3, [150, 140], 0, 1);
  const layer = new Linear(140, 150);
  layer.weight.assign(W);
  const { remainder } = firstValues(viewWeight(layer), options(6, 0, { init: "pissa" }));
  const left = frobeniusNorm((remainder as NDArray).data);
  const least = best(W, 6);
  assert.ok(left >= least * (1 - 1e-5) && left <= least * 1.001, `${left} ${least}`); // a flat spectrum: the hardest
});

init("olora's B has orthonormal columns", () => {
  const { site } = build({ kind: "Linear", inner: 5, outer: 4, groups: 1, stride: 1, rows: 1, seed: 3 });
  const B = new Tensor(firstValues(site, options(2, 0, { init: "olora" })).B);
  assert.ok(distance(matmul(B.T, B), tensor([1, 0, 0, 1], [2, 2])) < 1e-6);
});

class Two extends Module {
  first = new Linear(64, 48);
  second = new Linear(48, 32);

  forward(x: Tensor): Tensor {
    return this.second.forward(this.first.forward(x).tanh());
  }
}

init(
  "a model with pissa, olora on it computes what it did, with LoRA and with DoRA, also when disabled",
  () => {
    for (const method of ["lora", "dora"] as const) {
      for (const name of dividing) {
        const model = new Two();
        const x = new Tensor(drawn(1, [5, 64], 0, 1));
        const before = model.forward(x);
        const adapted = inject(model, { method, target: "all-linear", rank: 4, alpha: 2, init: name });
        assert.ok(distance(adapted.forward(x), before) < 1e-5); // |y| < 10, float32
        assert.is(
          adapted.disabled(() => distance(adapted.forward(x), before)),
          0,
        );
      }
    }
  },
);

/** ‖W − (q(R) + s B A)‖_F. */
function loftqError(W: Linear, quantized: QuantizedLinear, iterations: number): number {
  const first = firstValues(
    viewWeight(quantized),
    options(8, 0, { init: "loftq", loftq: { original: W.weight.value, iterations } }),
  );
  const Q = quantized.withWeight(first.remainder as NDArray).denseWeight();
  return frobeniusNorm(W.weight.sub(Q).sub(product(first)).value.data);
}

init(
  "loftq brings a quantized layer nearer to W than quantization alone, and more so with more iterations",
  () => {
    const W = new Linear(64, 48);
    const quantized = QuantizedLinear.from(W);
    const alone = frobeniusNorm(W.weight.sub(quantized.denseWeight()).value.data);
    const [one, five] = [1, 5].map((iterations) => loftqError(W, quantized, iterations));
    assert.ok(one < 0.9 * alone && five < one, `${alone} ${one} ${five}`);
  },
);

init("loftq through inject takes the originals from the model before quantization", () => {
  const original = new Two();
  const model = cloneModule(original);
  quantizeModel(model);
  const x = new Tensor(drawn(1, [20, 64], 0, 1));
  const error = (): number => frobeniusNorm(model.forward(x).sub(original.forward(x)).value.data);
  const quantized = error();
  inject(model, { target: "all-linear", rank: 16, init: "loftq", loftq: { original } });
  assert.ok(error() < 0.7 * quantized, `${quantized} ${error()}`);
});

init("DoRA starts as the identity from a random B too: m = ‖V'‖", () => {
  const { site } = build({ kind: "Linear", inner: 5, outer: 4, groups: 1, stride: 1, rows: 1, seed: 3 });
  const dora = new DoRA(site, { rank: 2, init: "random", rng: random(1) });
  assert.ok(
    dora
      .gain(site)
      .toArray()
      .every((g) => g === 1),
  );
});

init("refuses what does not fit", () => {
  const site = viewWeight(new Linear(4, 3));
  const refused = (more: Partial<InitOptions>, words: RegExp): void =>
    assert.throws(
      () => firstValues(site, options(2, 0, more)),
      (error: Error) => error instanceof AdapterError && words.test(error.message),
    );
  refused({ init: "pisa" as Init }, /kaiming.*pisa/);
  refused({ init: "orthogonal", rank: 3 }, /even rank; got 3/);
  refused({ init: "pissa", rank: 4 }, /rank up to 3/);
  refused({ init: "olora", scaling: 0 }, /alpha > 0/);
  refused({ init: "loftq" }, /\[3, 4\] before quantization/);
  refused({ init: "loftq", loftq: { original: drawn(1, [3, 4], 0, 1) } }, /quantized layer/);
  refused({ init: "loftq", loftq: { original: drawn(1, [4, 3], 0, 1) } }, /got \[4, 3\]/);
});

init.run();
