/** @file Generation, with a model whose probabilities are known. */

import { Tensor } from "lowrank/autograd";
import { array, type IndexLike, indices, random } from "lowrank/core";
import { type DecodeOptions, generate, type LanguageModel, Module } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("generate");

/** After token i comes token j with logit table[i][j]. */
class Bigram extends Module implements LanguageModel {
  readonly contextLength = 10_000;
  readonly table: readonly (readonly number[])[];
  trainedWhileGenerating = false;

  constructor(table: readonly (readonly number[])[]) {
    super();
    this.table = table;
  }

  forward(ids: IndexLike, { lastOnly = false }: DecodeOptions = {}): Tensor {
    this.trainedWhileGenerating ||= this.training;
    const { data, shape } = indices(ids);
    const [batch, time] = shape;
    const rows = Array.from({ length: batch }, (_, row) =>
      Array.from({ length: time }, (_, t) => this.table[data[row * time + t]]).slice(lastOnly ? -1 : 0),
    );
    return new Tensor(array(rows));
  }
}

const cycle = new Bigram([
  [0, 1, 0],
  [0, 0, 1],
  [1, 0, 0],
]);

test("greedy: the most probable token, the first of equals", () => {
  const text = generate(cycle, [[0], [1]], { maxNewTokens: 4, useCache: false });
  assert.equal(text.shape, [2, 5]);
  assert.equal([...text.data], [0, 1, 2, 0, 1, 1, 2, 0, 1, 2]);
  assert.equal([...generate(new Bigram([[5, 5]]), [[0]], { maxNewTokens: 1, useCache: false }).data], [0, 0]);
  assert.equal([...generate(cycle, [[2, 0]], { maxNewTokens: 0 }).data], [2, 0]);
});

test("a row ends at a stop token, and generation when all have", () => {
  const text = generate(cycle, [[0], [2]], { maxNewTokens: 6, stopTokens: [2], useCache: false });
  assert.equal(text.shape, [2, 4]); // 0 1 2 stops first; 2 0 1 2 last
  assert.equal([...text.data], [0, 1, 2, 2, 2, 0, 1, 2]);
});

/** How often each token follows 0 among n samples. */
function frequencies(logits: readonly number[], n: number, options: object): number[] {
  const model = new Bigram(logits.map(() => logits));
  const { data } = generate(model, [[0]], { maxNewTokens: n, seed: 1, useCache: false, ...options });
  const counts = logits.map(() => 0);
  for (const token of data.subarray(1)) counts[token]++;
  return counts.map((count) => count / n);
}

test("sampling follows the probabilities: softmax(logits / temperature), of the top k, of the top p", () => {
  const n = 1000;
  const logits = [0.5, 0.3, 0.15, 0.05].map(Math.log);
  const expect = (options: object, weights: readonly number[]): void => {
    const total = weights.reduce((sum, w) => sum + w, 0);
    const found = frequencies(logits, n, options);
    for (const [i, w] of weights.entries()) {
      const p = w / total;
      const deviation = Math.sqrt((p * (1 - p)) / n);
      assert.ok(Math.abs(found[i] - p) <= 5 * deviation, `token ${i}: ${found[i]}, expected ${p}`); // 0 stays 0
    }
  };
  expect({ temperature: 1 }, [0.5, 0.3, 0.15, 0.05]);
  expect({ temperature: 0.5 }, [0.25, 0.09, 0.0225, 0.0025]); // squares
  expect({ topK: 2 }, [0.5, 0.3, 0, 0]);
  expect({ topP: 0.7 }, [0.5, 0.3, 0, 0]); // 0.5 does not reach 0.7, 0.8 does
  expect({ topP: 0.4 }, [1, 0, 0, 0]);
  expect({ topK: 3, topP: 0.85 }, [0.5, 0.3, 0.15, 0]); // of the 0.95 that topK leaves, 0.8 is less than 0.85
});

test("the same seed gives the same text", () => {
  const model = new Bigram([
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ]);
  const sample = (options: object) =>
    generate(model, [[0], [0]], { maxNewTokens: 20, temperature: 1, useCache: false, ...options }).data;
  assert.equal(sample({ seed: 4 }), sample({ seed: 4 }));
  assert.equal(sample({ seed: 4 }), sample({ rng: random(4) }));
  assert.not.equal(sample({ seed: 4 }), sample({ seed: 5 }));
});

test("the model is in evaluation meanwhile, and afterwards as it was", () => {
  cycle.trainedWhileGenerating = false;
  cycle.train();
  generate(cycle, [[0]], { maxNewTokens: 2, useCache: false });
  assert.is(cycle.trainedWhileGenerating, false);
  assert.is(cycle.training, true);
});

test("options out of range are refused, and logits that are no numbers", () => {
  const refused = (options: object, message: RegExp): void =>
    assert.throws(() => generate(cycle, [[0]], { maxNewTokens: 1, ...options }), message);
  refused({ maxNewTokens: -1 }, /maxNewTokens/);
  refused({ maxNewTokens: 10_000 }, /at most 10000 tokens/);
  refused({ temperature: 0 }, /temperature/);
  refused({ topK: 0 }, /topK/);
  refused({ topP: 1.1 }, /topP/);
  assert.throws(() => generate(cycle, [0], { maxNewTokens: 1 }), /ids \[batch, time\]/);
  assert.throws(() => generate(new Bigram([[Number.NaN]]), [[0]], { maxNewTokens: 1 }), /token 0 NaN/);
});

test.run();
