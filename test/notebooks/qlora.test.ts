/** @file What the page on quantization computes with: data types, codebooks, stored models, memory by formula. */

import * as fc from "fast-check";
import { random } from "lowrank/core";
import { GPT2, type LanguageModel } from "lowrank/nn";
import { formats, nf4, qloraBytes, quantize, quantizedLayers } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bitsOf,
  dataTypes,
  e2m1,
  e3m0,
  equallyUsed,
  errorOf,
  leastSquared,
  normalFloat,
  plain,
  quotientsOf,
  roundTo,
  sharesOf,
} from "../../notebooks/papers/qlora/formats.ts";
import { activationBytes, llamas, measureStep, paged, total } from "../../notebooks/papers/qlora/memory.ts";
import {
  codesKept,
  exampleOf,
  lossesByRows,
  roundWeights,
  store,
  storedIn,
  toFewBits,
  withLora,
} from "../../notebooks/papers/qlora/models.ts";
import { PUBLISHED } from "../../notebooks/papers/qlora/paper.ts";
import { taskDomain } from "../../notebooks/support/data/domain.ts";
import { houseStyle } from "../../notebooks/support/data/house-style.ts";
import { validationLoss } from "../../notebooks/support/experiments/evaluation.ts";
import { checkpointBlocks } from "../../notebooks/support/methods/checkpointed.ts";

const test = suite("qlora notebook");

test("E2M1 and E3M0 are the open standards' values, divided by the largest", () => {
  const positive = (values: Float32Array, largest: number) => [...values.slice(0, 8)].map((v) => v * largest);
  const close = (a: number[], b: number[]) => assert.ok(a.every((x, i) => Math.abs(x - b[i]) < 1e-6));
  close(positive(e2m1.values, 6), [0, 0.5, 1, 1.5, 2, 3, 4, 6]);
  close(positive(e3m0.values, 16), [0, 0.25, 0.5, 1, 2, 4, 8, 16]);
  for (const { values } of [e2m1, e3m0])
    assert.ok(values.slice(8).every((value, i) => Object.is(value, -values[i])));
});

test("the construction of NF4 gives NF4 for four bits, and 2^k values with a zero for k", () => {
  const four = normalFloat(4).values;
  assert.ok(four.every((value, i) => Math.abs(value - nf4.values[i]) < 1e-6));
  assert.ok(PUBLISHED.every((value, i) => Math.abs(value - four[i]) < 1e-6));
  for (const k of [2, 3]) {
    const values = [...normalFloat(k).values];
    assert.is(values.length, 2 ** k);
    assert.equal([values[0], values.at(-1), values.includes(0)], [-1, 1, true]);
    assert.equal(
      values,
      [...values].sort((a, b) => a - b),
    );
  }
});

test("rounding to a data type equals quantize, with and without double quantization", () => {
  const x = random(1).normal(5000);
  for (const type of dataTypes) {
    const format = formats.find((each) => type.name.toLowerCase().startsWith(each));
    if (!format) continue;
    const q = quantize(x, { format, blockSize: 64, doubleQuant: type.doubleQuant });
    const { rounded, codes } = roundTo(type, x, 64);
    assert.equal(rounded, q.toArray(), type.name);
    assert.equal(codes, q.codes(), type.name);
  }
});

test("bits per weight are those that a large tensor takes", () => {
  const x = random(1).normal(1 << 18);
  for (const type of dataTypes.filter(({ book }) => book === nf4))
    for (const blockSize of [32, 64, 1024]) {
      const { bitsPerParameter } = quantize(x, { format: "nf4", blockSize, doubleQuant: type.doubleQuant });
      assert.ok(Math.abs(bitsPerParameter - bitsOf(type, blockSize)) < 2e-3, `${type.name}, ${blockSize}`);
    }
});

test("the entropy of equally frequent codes is their number of bits", () => {
  const [int4] = dataTypes;
  const x = Float32Array.from({ length: 15 * 64 }, (_, i) => (i % 15) - 7); // fifteen values, each equally often
  const { entropy, mse } = errorOf(int4, x, 15 * 64);
  assert.ok(Math.abs(entropy - Math.log2(15)) < 1e-12);
  assert.ok(mse < 1e-12);
  const shares = sharesOf(int4, x, 15 * 64);
  assert.ok(shares.slice(1).every((share) => Math.abs(share - 1 / 15) < 1e-12));
});

test("quotients lie in [-1, 1] in order, with one of magnitude 1 in each block", () => {
  fc.assert(
    fc.property(
      fc.nat(1000),
      fc.constantFrom(2, 32, 64),
      fc.integer({ min: 1, max: 5 }),
      (seed, size, blocks) => {
        const q = quotientsOf(random(seed).normal(size * blocks + 1), size);
        assert.is(q.length, size * blocks);
        assert.is(q.filter((value) => Math.abs(value) === 1).length, blocks);
        assert.ok(q.every((value, i) => Math.abs(value) <= 1 && (i === 0 || value >= q[i - 1])));
      },
    ),
    { numRuns: 30 },
  );
});

test("a codebook of equal use has 4 bits; that of least error has a smaller error than it and than NF4", () => {
  for (const size of [64, 1024]) {
    const x = random(2).normal(1 << 14);
    const q = quotientsOf(x, size);
    const [nf, equal, least] = [nf4, equallyUsed(q), leastSquared(q)].map((b) => errorOf(plain(b), x, size));
    assert.ok(equal.entropy > 3.99 && nf.entropy < 3.9, `${equal.entropy}, ${nf.entropy}`);
    assert.ok(least.mse < nf.mse && least.mse < equal.mse);
  }
});

const SHAPE = { vocabulary: 96, layers: 2, heads: 4, rank: 8 };
const small = (d: number, heads: number, layers: number): GPT2 => {
  const fields = {
    model_type: "gpt2",
    vocab_size: 96,
    n_positions: 79,
    n_embd: d,
    n_layer: layers,
    n_head: heads,
  };
  const none = { embd_pdrop: 0, attn_pdrop: 0, resid_pdrop: 0 };
  return new GPT2({ ...fields, ...none } as ConstructorParameters<typeof GPT2>[0], { rng: random(1) });
};
const house = taskDomain(houseStyle, { time: 79, test: 10, random: random(3) });

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

test("losses of a few rows each have the mean loss of the domain, however the rows are cut", () => {
  const model = small(8, 2, 1);
  const whole = validationLoss(model, house);
  const all = lossesByRows(model, house, 10);
  assert.is(all.length, 1);
  assert.ok(Math.abs(all[0] - whole) < 1e-5);
  assert.is(lossesByRows(model, house, 4).length, 3);
});

test("a model stored by quantizeModel has the loss of one whose weights are rounded", () => {
  const base = { name: "small", domain: house, copy: () => small(16, 2, 1) };
  const types = dataTypes.filter(({ name }) => ["Int4", "FP4", "NF4", "NF4 + DQ"].includes(name));
  const { loss, rows } = storedIn(base, house, types, 64);
  for (const { type, added } of rows) {
    const packed = lossesByRows(store(base.copy(), type, 64), house);
    const mean = packed.reduce((a, b) => a + b, 0) / packed.length;
    assert.ok(Math.abs(loss + added - mean) < 1e-5, type);
    assert.is.not(added, 0);
  }
  assert.throws(() => store(base.copy(), "NF5", 64), /expected a data type of this page; got NF5/);
});

test("an example is divided where its completion begins", () => {
  const { prompt, completion } = exampleOf(house);
  assert.match(prompt, /^\w+ \w+ \w+ \w+>$/);
  assert.match(completion, /^[^>\n]+\.$/);
});

test("codes stay where the adapters add nothing, and change where they add much", () => {
  const model: LanguageModel = toFewBits(small(16, 2, 1), { format: "nf4", blockSize: 64 });
  const adapted = withLora(model, { rank: 2, seed: 1 });
  assert.is(codesKept(model, adapted.toPlain()), 1); // B starts at zero
  for (const [name, { value }] of adapted.namedParameters())
    if (/\bB$|lora_B/.test(name)) (value.data as Float32Array).fill(10);
  assert.ok(codesKept(model, adapted.toPlain()) < 0.5);
});

test("LLaMA in training: QLoRA's base is smaller by what four bits save, all else is the same", () => {
  for (const { parameters, full, lora, qlora, saved } of llamas) {
    assert.is(full, 12 * parameters);
    assert.is(lora.base, 2 * parameters);
    assert.is(total(lora) - total(qlora), lora.base - qlora.base);
    assert.ok(qlora.base > (4.127 / 8) * 0.9 * parameters && qlora.base < 0.31 * lora.base);
    assert.ok(Math.abs(saved - (0.373046875 / 8) * parameters) < 1);
  }
});

test("paged AdamW takes the steps of AdamW within its budget", () => {
  const batches = [1, 2].map((seed) => house.batch(1, random(seed)));
  const { equal, resident, budget, state, moved } = paged(() => small(16, 2, 1), batches, 2);
  assert.ok(equal);
  assert.ok(resident <= budget && budget < state);
  assert.ok(moved > 0);
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
          const model = toFewBits(small(d, heads, layers), options);
          quantized = Array.from(quantizedLayers(model), ([, layer]) => layer.packed.shape);
          withLora(model, { rank, seed: 1 });
          return checkpointed ? checkpointBlocks(model) : model;
        },
        { ids, labels: ids },
      );
      const shape = { ...SHAPE, rows, time, d, heads, layers, rank, checkpointed };
      const activations = activationBytes(shape);
      const formula = qloraBytes({ quantized, options, frozen, trained, activations });
      const { total, weights, workspace, ...exact } = formula;
      for (const category of ["quantized", "adapters", "gradients", "optimizer"] as const)
        assert.is(peak[category], exact[category], category);
      assert.is(peak.weights, weights);
      assert.ok(Math.abs(peakTotal / total - 1) < 0.05, `${JSON.stringify(shape)}: ${peakTotal} of ${total}`);
      assert.ok(workspace > activations);
    }
  }
});

test.run();
