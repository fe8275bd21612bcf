/** @file What the qlora notebook computes with: data types, activations by formula, bfloat16 layers, Elo. */

import * as fc from "fast-check";
import { bfloat16, linear, type Parameter, type Tensor, tensor } from "lowrank/autograd";
import { array, random, roundToBfloat16 } from "lowrank/core";
import { GPT2 } from "lowrank/nn";
import { formats, qloraBytes, quantize, quantizedLayers } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  dataTypes,
  e2m1,
  e3m0,
  lossOf,
  roundTo,
  roundWeights,
} from "../../notebooks/papers/qlora/codebooks-compared.ts";
import { elo, eloInOrders, expectedScore, judge } from "../../notebooks/papers/qlora/elo.ts";
import { activationBytes, measureStep } from "../../notebooks/papers/qlora/memory.ts";
import { Bfloat16Linear, toFewBits, withLora } from "../../notebooks/papers/qlora/recipes.ts";
import { checkpointBlocks } from "../../notebooks/support/experiments/checkpointed.ts";

const test = suite("qlora notebook");

test("E2M1 and E3M0 are the open standards' values, divided by the largest", () => {
  const positive = (values: Float32Array, largest: number) => [...values.slice(0, 8)].map((v) => v * largest);
  const close = (a: number[], b: number[]) => assert.ok(a.every((x, i) => Math.abs(x - b[i]) < 1e-6));
  close(positive(e2m1.values, 6), [0, 0.5, 1, 1.5, 2, 3, 4, 6]);
  close(positive(e3m0.values, 16), [0, 0.25, 0.5, 1, 2, 4, 8, 16]);
  for (const { values } of [e2m1, e3m0])
    assert.ok(values.slice(8).every((value, i) => Object.is(value, -values[i])));
});

test("rounding to a data type equals quantize, with and without double quantization", () => {
  const x = random(1).normal(5000);
  for (const { name, book, doubleQuant } of dataTypes) {
    const format = formats.find((each) => name.toLowerCase().startsWith(each));
    if (!format) continue;
    const q = quantize(x, { format, blockSize: 64, doubleQuant });
    const { rounded, codes } = roundTo({ name, book, doubleQuant }, x, 64);
    assert.equal(rounded, q.toArray(), name);
    assert.equal(codes, q.codes(), name);
  }
});

test("the entropy of equally frequent codes is their number of bits", () => {
  const [int4] = dataTypes;
  const x = Float32Array.from({ length: 15 * 64 }, (_, i) => (i % 15) - 7); // fifteen values, each equally often
  const { entropy, mse } = lossOf(int4, x, 15 * 64);
  assert.ok(Math.abs(entropy - Math.log2(15)) < 1e-12);
  assert.ok(mse < 1e-12);
});

const SHAPE = { vocabulary: 96, layers: 2, heads: 4, rank: 8 };
const small = (d: number, heads: number, layers: number): GPT2 =>
  new GPT2(
    { model_type: "gpt2", vocab_size: 96, n_positions: 79, n_embd: d, n_layer: layers, n_head: heads },
    { rng: random(1) },
  );

test("rounding weights changes the linear layers of the blocks and nothing else", () => {
  const model = small(8, 2, 1);
  const before = new Map(Array.from(model.stateDict(), ([name, { data }]) => [name, [...data]]));
  const seen: number[] = [];
  roundWeights(model, (W) => {
    seen.push(W.length);
    return W.map((value) => 2 * value);
  });
  assert.equal(seen, [8 * 24, 8 * 8, 8 * 32, 8 * 32]);
  for (const [name, { data }] of model.stateDict()) {
    const factor = /h\..*(c_attn|c_proj|c_fc)\.weight/.test(name) ? 2 : 1;
    assert.equal(
      [...data],
      before.get(name)?.map((value) => factor * value),
      name,
    );
  }
});

test("the peak of a QLoRA step of a GPT-2 agrees with the formula within 5 %, with and without checkpointing", () => {
  const options = { format: "nf4", blockSize: 64, doubleQuant: true } as const;
  for (const [rows, time, d, heads, layers, rank] of [
    [8, 79, 64, 4, 2, 8],
    [1, 79, 64, 4, 4, 8],
    [4, 40, 32, 4, 2, 8],
    [2, 79, 64, 8, 2, 8],
    [1, 79, 64, 4, 2, 32],
  ]) {
    for (const checkpointed of [false, true]) {
      const data = new Int32Array(rows * (time + 1)).fill(3);
      const ids = { data, shape: [rows, time + 1] };
      let quantized: readonly (readonly number[])[] = [];
      const { peak, peakTotal, trained, frozen } = measureStep(
        () => {
          const model = small(d, heads, layers);
          // Without dropout, as the notebook's models.
          for (const [, module] of model.namedModules()) if ("p" in module) module.p = 0;
          toFewBits(model, options);
          quantized = Array.from(quantizedLayers(model), ([, layer]) => layer.packed.shape);
          withLora(model, { rank, seed: 1 });
          return checkpointed ? checkpointBlocks(model) : model;
        },
        { ids, labels: ids },
      );
      const shape = { ...SHAPE, rows, time, d, heads, layers, rank, checkpointed };
      const activations = activationBytes(shape);
      const { total, weights, workspace, ...exact } = qloraBytes({
        quantized,
        options,
        frozen,
        trained,
        activations,
      });
      for (const category of ["quantized", "adapters", "gradients", "optimizer"] as const)
        assert.is(peak[category], exact[category], category);
      assert.is(peak.weights, weights);
      assert.ok(Math.abs(peakTotal / total - 1) < 0.05, `${JSON.stringify(shape)}: ${peakTotal} of ${total}`);
      assert.ok(workspace > activations);
    }
  }
});

test("a bfloat16 layer is linear() with operands and result rounded", () => {
  const [W, x] = [random(1).normal(6), random(2).normal(8)];
  const layer = new Bfloat16Linear(array(W, [3, 2]), null);
  assert.equal(layer.weight.toArray(), roundToBfloat16(W.slice()));
  const rounded = (values: Float32Array, shape: number[]): Tensor => bfloat16(tensor(values, shape));
  const expected = bfloat16(linear(rounded(x, [4, 2]), rounded(W, [3, 2]) as Parameter));
  assert.equal(layer.forward(tensor(x, [4, 2])).toArray(), expected.toArray());
});

test("Elo: the sum of ratings is constant, a win against an equal gains K/2, the mean over orders approaches the strengths", () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.integer({ min: 2, max: 5 }), (seed, players) => {
      const judgements = judge(new Array(players).fill(1000), 5, random(seed));
      const sum = elo(players, judgements).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum - 1000 * players) < 1e-6);
    }),
  );
  assert.equal(elo(2, [{ first: 0, second: 1, score: 1 }]), [1016, 984]);
  assert.is(expectedScore(0), 0.5);
  assert.is(expectedScore(100).toFixed(3), "0.640");
  const strengths = [1200, 1000, 800];
  const ratings = eloInOrders(3, judge(strengths, 300, random(1)), { orders: 200, random: random(2) });
  const means = strengths.map((_, i) => ratings.reduce((sum, order) => sum + order[i], 0) / ratings.length);
  assert.ok(
    means.every((mean, i) => Math.abs(mean - strengths[i]) < 40),
    means.join(),
  );
});

test.run();
