/** @file Generation, with a model whose probabilities are known. */

import { Tensor } from "lowrank/autograd";
import { ArgumentError, array, type IndexLike, indices, random, ShapeError } from "lowrank/core";
import { inject } from "lowrank/lora";
import {
  type DecodeOptions,
  GPT2,
  generate,
  type LanguageModel,
  Linear,
  Module,
  nextTokenLoss,
} from "lowrank/nn";
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

// What a model of one's own may return.

const ways = {
  greedy: {},
  sampled: { temperature: 1 },
  topK: { topK: 3 },
  topP: { topP: 0.9 },
  both: { topK: 3, topP: 0.9 },
};

for (const [way, options] of Object.entries(ways)) {
  test(`${way}: a logit of −∞ never comes, one of +∞ always, and all −∞ are refused`, () => {
    const { exp } = Math;
    const drawn = (logits: readonly number[], more: object = {}): number[] => {
      const model = new Bigram(logits.map(() => logits));
      const { data } = generate(model, [[0]], { maxNewTokens: 60, useCache: false, ...options, ...more });
      return [...new Set(data.subarray(1))].sort();
    };
    for (const T of way === "greedy" ? [undefined] : [undefined, 1e-300, 1e-3, 1e3, 1e300]) {
      const at = T === undefined ? {} : { temperature: T };
      assert.equal(drawn([0, 1, Infinity], at), [2]);
      assert.equal(drawn([-Infinity, -Infinity, -50, -Infinity], at), [2]);
      assert.equal(drawn([-Infinity, Infinity, 3, -Infinity], at), [1]);
      assert.ok(drawn([-Infinity, 1, 2], at).every((token) => token > 0));
      assert.throws(
        () => drawn([-Infinity, -Infinity], at),
        /expected a token that can be chosen; got logits "all of them −∞"/,
      );
    }
    if (way !== "greedy") assert.equal(drawn([exp(1), Infinity, Infinity]), [1, 2]);
    assert.throws(() => drawn([Infinity, Number.NaN]), /token 1 NaN/);
  });
}

test("logits of all positions, with a cache or without, are read at the last", () => {
  class All extends Bigram {
    override forward(ids: IndexLike): Tensor {
      return super.forward(ids);
    }
  }
  const all = new All(cycle.table);
  for (const useCache of [true, false])
    assert.equal([...generate(all, [[0, 1, 2]], { maxNewTokens: 4, useCache }).data], [0, 1, 2, 0, 1, 2, 0]);
});

test("anything but logits [batch, 1 or time, vocab] is refused", () => {
  class Returns extends Module {
    readonly contextLength = 10;
    readonly forward: () => never;
    constructor(forward: () => never) {
      super();
      this.forward = forward;
    }
  }
  const zeros = (...shape: number[]): Tensor =>
    new Tensor(array(new Float32Array(shape.reduce((a, b) => a * b)), shape));
  for (const wrong of [
    zeros(2, 3),
    zeros(1, 1, 3),
    zeros(2, 2, 3),
    zeros(2, 1, 0),
    zeros(2, 1, 3, 1),
    undefined,
  ])
    assert.throws(
      () =>
        generate(
          new Returns(() => wrong as never),
          [
            [0, 1, 2],
            [0, 1, 2],
          ],
          { maxNewTokens: 1 },
        ),
      (e: Error) => e instanceof ShapeError && /logits \[2, 1, vocab\] or \[2, 3, vocab\]/.test(e.message),
    );
  assert.throws(
    () => generate(new Returns(() => Promise.resolve(zeros(1, 1, 2)) as never), [[0]], { maxNewTokens: 1 }),
    (e: Error) => e instanceof ArgumentError && /a synchronous function/.test(e.message),
  );
});

test("a model with adapters generates and has a loss as itself", () => {
  const model = new GPT2(
    { model_type: "gpt2", n_embd: 8, n_layer: 1, n_head: 2, vocab_size: 11, n_positions: 12 },
    { rng: random(1) },
  );
  const options = { maxNewTokens: 6, temperature: 1, seed: 3 };
  const before = generate(model, [[1, 2]], options).data;
  const adapted = inject(model, { method: "lora", rank: 2, target: "all-linear", seed: 1 });
  assert.equal(generate(adapted, [[1, 2]], options).data, before);
  assert.equal(generate(adapted.model, [[1, 2]], options).data, before);
  adapted.eval();
  assert.is(nextTokenLoss(adapted, [[1, 2, 3]]).item(), nextTokenLoss(model, [[1, 2, 3]]).item());
  for (const none of [{}, null, new Linear(2, 2), { model: {} }]) {
    const refused = (e: Error): boolean => e instanceof ArgumentError && /a language model/.test(e.message);
    assert.throws(() => generate(none as never, [[1]], { maxNewTokens: 1 }), refused);
    assert.throws(() => nextTokenLoss(none as never, [[1, 2]]), refused);
  }
});

test("options that are misspelt or make no sense are refused, and ids out of the vocabulary", () => {
  const refused = (options: object, message: RegExp): void =>
    assert.throws(
      () => generate(cycle, [[0]], { maxNewTokens: 1, ...options } as never),
      (e: Error) => e instanceof ArgumentError && message.test(e.message),
    );
  refused({ max_new_tokens: 3 }, /expected maxNewTokens \(there is no option max_new_tokens here\)/);
  refused({ max_length: 3 }, /expected maxNewTokens, without the prompt/);
  refused({ top_k: 3 }, /expected topK/);
  refused({ topk: 3 }, /expected topK/);
  refused({ do_sample: true }, /expected temperature, topK or topP/);
  refused({ eos_token_id: 3 }, /expected stopTokens/);
  refused({ tempreature: 3 }, /expected temperature/);
  refused({ maxNewTokens: undefined }, /maxNewTokens a non-negative integer/);
  for (const temperature of [0, -1, Number.NaN, Infinity, "1"])
    refused({ temperature }, /temperature a positive number/);
  for (const topK of [0, -1, 1.5, Number.NaN]) refused({ topK }, /topK a positive integer/);
  for (const topP of [0, -0.1, 1.1, Number.NaN]) refused({ topP }, /0 < topP ≤ 1/);
  for (const stopTokens of [3, [-1], ["a"], "ab"]) refused({ stopTokens }, /stopTokens a list of token ids/);
  refused({ seed: 1, rng: random(1) }, /rng or seed, not both/);
  assert.throws(() => generate(cycle, [[0]], undefined as never), /maxNewTokens/);
  for (const ids of [[[7]], [[-1]], [[0, 3]]])
    assert.throws(
      () => generate(cycle, ids, { maxNewTokens: 1 }),
      (e: Error) => e instanceof Error,
    );
  class Lenient extends Bigram {
    override forward(): Tensor {
      return super.forward([[0]]);
    }
  }
  for (const ids of [[[3]], [[-1]]])
    assert.throws(
      () => generate(new Lenient(cycle.table), ids, { maxNewTokens: 1 }),
      (e: Error) =>
        e instanceof ArgumentError && /generate: ids: expected indices from 0 to 2/.test(e.message),
    );
  for (const ids of [[], [[]], [[], []], [0]])
    assert.throws(
      () => generate(cycle, ids, { maxNewTokens: 1 }),
      /ids \[batch, time\] with at least one token/,
    );
});

test("topK beyond the vocabulary is all of it; topP of next to nothing is the most probable token", () => {
  const logits = [0.1, 0.6, 0.3].map(Math.log);
  const model = new Bigram(logits.map(() => logits));
  const drawn = (options: object): number[] =>
    [
      ...new Set(generate(model, [[0]], { maxNewTokens: 200, useCache: false, ...options }).data.subarray(1)),
    ].sort();
  assert.equal(drawn({ topK: 1000 }), [0, 1, 2]);
  assert.equal(drawn({ topK: 1 }), [1]);
  assert.equal(drawn({ topP: 1e-300 }), [1]);
  assert.equal(drawn({ topP: 1 }), [0, 1, 2]);
  assert.equal(drawn({ temperature: 1e-300 }), [1]);
});

test.run();
