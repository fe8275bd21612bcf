/** @file textLoss: every token is predicted once, from as many tokens before it as its window has; against direct sums. */

import * as fc from "fast-check";
import { logSoftmax, noGrad } from "lowrank/autograd";
import { ArgumentError, random, ShapeError, withDevice } from "lowrank/core";
import { byteTokenizer, GPT2, nextTokenLoss, textLoss } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("text loss");

const model = new GPT2(
  { model_type: "gpt2", vocab_size: 13, n_positions: 8, n_embd: 8, n_layer: 1, n_head: 2 },
  { rng: random(4) },
).eval();
for (const [, parameter] of model.namedParameters())
  parameter.assign(random(parameter.size).uniform(parameter.size, -0.6, 0.6));

/** −log p of tokens[at] from the tokens from `start` on. */
function direct(tokens: readonly number[], start: number, at: number): number {
  return noGrad(() => {
    const logits = model.forward([tokens.slice(start, at)], { lastOnly: true });
    return -logSoftmax(logits).toArray()[tokens[at]];
  });
}

test("each token but the first is scored once, with the context that its window leaves", () => {
  withDevice("reference", () =>
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 2, maxLength: 30 }),
        fc.integer({ min: 2, max: 8 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 4 }),
        (tokens, length, step, batch) => {
          const stride = Math.min(step, length - 1);
          const {
            losses,
            loss,
            standardError,
            perplexity,
            tokens: n,
          } = textLoss(model, tokens, { length, stride, batch });
          assert.is(n, tokens.length - 1);
          for (let at = 1; at < tokens.length; at++) {
            // The first window that reaches the token is the one that scores it.
            const window = Math.max(0, Math.ceil((at + 1 - length) / stride));
            const expected = direct(tokens, window * stride, at);
            assert.ok(
              Math.abs(losses[at - 1] - expected) < 1e-5,
              `token ${at}: ${losses[at - 1]} ${expected}`,
            );
          }
          const mean = losses.reduce((a, b) => a + b, 0) / n;
          assert.ok(Math.abs(loss - mean) < 1e-12);
          assert.is(perplexity, Math.exp(loss));
          const spread = Math.sqrt(losses.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, n - 1) / n);
          assert.ok(Math.abs(standardError - spread) < 1e-12);
        },
      ),
      { numRuns: 40 },
    ),
  );
});

test("a text that fits into the context has the loss of nextTokenLoss, and training mode stays", () => {
  const tokens = [3, 1, 4, 1, 5, 9, 2, 6];
  model.train();
  const { loss } = textLoss(model, tokens);
  assert.ok(model.training);
  model.eval();
  assert.ok(Math.abs(loss - nextTokenLoss(model, [tokens]).item()) < 1e-6);
  assert.ok(Math.abs(textLoss({ model }, tokens).loss - loss) < 1e-12);
});

test("progress counts windows to the last", () => {
  const seen: [number, number][] = [];
  textLoss(
    model,
    Array.from({ length: 21 }, (_, i) => i % 13),
    { length: 6, stride: 3, batch: 2, onProgress: (done, all) => seen.push([done, all]) },
  );
  assert.equal(seen, [
    [2, 6],
    [4, 6],
    [6, 6],
  ]);
});

test("what does not fit is refused by name", () => {
  assert.throws(
    () => textLoss(model, [1]),
    (e: Error) => e instanceof ShapeError && /at least 2 tokens/.test(e.message),
  );
  for (const [options, problem] of [
    [{ length: 9 }, /length a whole number from 2 to 8; got length 9/],
    [{ length: 1 }, /length/],
    [{ length: 4, stride: 4 }, /stride a whole number from 1 to 3/],
    [{ stride: 0 }, /stride/],
    [{ batch: 0 }, /batch/],
    [{ max_length: 3 }, /length/],
  ] as const)
    assert.throws(
      () => textLoss(model, [1, 2, 3], options as never),
      (e: Error) => e instanceof ArgumentError && problem.test(e.message),
    );
  assert.throws(() => textLoss(model, byteTokenizer.encode("no such ids")), /expected indices from 0 to 12/);
});

test.run();
