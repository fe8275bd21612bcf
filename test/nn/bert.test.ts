/** @file BERT and RoBERTa: the formula written out, padding, positions, heads. */

import * as fc from "fast-check";
import { concat, crossEntropy, layerNorm, softmax, type Tensor, tensor } from "lowrank/autograd";
import { type Indices, indices, type Random, random } from "lowrank/core";
import { Bert, BertModel, type ConfigFields, layout } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("bert");

const VOCAB = 19;
const PAD = 1;

const sizes = {
  ...{
    vocab_size: VOCAB,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  },
  ...{
    max_position_embeddings: 12,
    pad_token_id: PAD,
    num_labels: 3,
    initializer_range: 0.3,
    layer_norm_eps: 0.3,
  },
} as const;
const bertFields = { model_type: "bert", ...sizes } as const satisfies ConfigFields<"bert">;
const robertaFields = { model_type: "roberta", ...sizes } as const satisfies ConfigFields<"roberta">;

const make = (fields: typeof bertFields | typeof robertaFields): Bert =>
  new Bert(fields, { rng: random(1) }).eval();

/** Tokens other than padding. */
const ids = (rng: Random, batch: number, time: number): Indices =>
  indices(
    Int32Array.from({ length: batch * time }, () => 2 + rng.integer(VOCAB - 2)),
    [batch, time],
  );

const distance = (a: Tensor, b: Tensor): number => a.sub(b).abs().max().item();

// Values near 1 from two layers of sums of at most 12 float32 terms.
const atol = 2e-5;

for (const fields of [bertFields, robertaFields]) {
  const name = fields.model_type;
  const model = make(fields);

  test(`${name}: parameters are those of its layout, with a head and without`, () => {
    for (const built of [model, new BertModel({ ...fields, num_labels: 0 } as ConfigFields<"bert">)]) {
      const expected = layout(built.config).flatMap(({ parameters }) =>
        parameters.map((p) => `${p.name} [${p.shape}]`),
      );
      const actual = Array.from(built.namedParameters(), ([path, { shape }]) => `${path} [${shape}]`);
      assert.equal(actual.sort(), expected.sort());
    }
  });

  test(`${name}: logits are the formula written out`, () => {
    const P = new Map(model.namedParameters());
    const of = (path: string): Tensor => P.get(path) as Tensor;
    const dense = (x: Tensor, path: string): Tensor =>
      x.matmul(of(`${path}.weight`).T).add(of(`${path}.bias`));
    const norm = (x: Tensor, path: string): Tensor =>
      layerNorm(x, of(`${path}.LayerNorm.weight`), of(`${path}.LayerNorm.bias`), model.config.layer_norm_eps);
    const row = [5, 3, 18, 7, 4];
    const types = [0, 0, 1, 1, 1];
    const positions = row.map((_, t) => (name === "bert" ? t : PAD + 1 + t));

    const table = (which: string, at: number[]): Tensor =>
      of(`${name}.embeddings.${which}_embeddings.weight`).takeRows(at);
    let h = norm(
      table("word", row).add(table("position", positions)).add(table("token_type", types)),
      `${name}.embeddings`,
    );
    for (let i = 0; i < 2; i++) {
      const layer = `${name}.encoder.layer.${i}`;
      const [q, k, v] = ["query", "key", "value"].map((part) => dense(h, `${layer}.attention.self.${part}`));
      const heads = [0, 4].map((from) => {
        const columns = (x: Tensor): Tensor => x.slice(1, from, from + 4);
        return softmax(columns(q).matmul(columns(k).T).div(Math.sqrt(4))).matmul(columns(v));
      });
      h = norm(
        h.add(dense(concat(heads, 1), `${layer}.attention.output.dense`)),
        `${layer}.attention.output`,
      );
      const inner = dense(h, `${layer}.intermediate.dense`).gelu();
      h = norm(h.add(dense(inner, `${layer}.output.dense`)), `${layer}.output`);
    }
    const first = h.slice(0, 0, 1);
    const logits =
      name === "bert"
        ? dense(dense(first, "bert.pooler.dense").tanh(), "classifier")
        : dense(dense(first, "classifier.dense").tanh(), "classifier.out_proj");
    assert.ok(distance(model.forward([row], { tokenTypes: [types] }), logits) <= atol);
  });

  test(`${name}: padding under the mask does not matter, be it much or little`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(5), fc.nat(10_000), (time, more, seed) => {
        const text = ids(random(seed), 1, time);
        const padded = indices([[...text.data, ...new Array<number>(more).fill(PAD)]]);
        const mask = indices([Array.from(padded.data, (id) => (id === PAD ? 0 : 1))]);
        assert.ok(distance(model.forward(padded, { attentionMask: mask }), model.forward(text)) <= atol);
      }),
      { numRuns: 30 },
    );
  });

  test(`${name}: rows of a batch do not see each other`, () => {
    const text = ids(random(3), 3, 6);
    const alone = indices(text.data.slice(6, 12), [1, 6]);
    assert.ok(distance(model.forward(text).slice(0, 1, 2), model.forward(alone)) <= atol);
  });

  test(`${name}: what is out of range is refused`, () => {
    const refused = (message: RegExp, run: () => unknown): void => assert.throws(run, message);
    refused(/ids.*0 to 18.*element 1 19/, () => model.forward([[1, 19]]));
    refused(/ids \[batch, time\]/, () => model.forward([1, 2]));
    refused(/max_position_embeddings/, () => model.forward(ids(random(1), 1, 13)));
    refused(/attentionMask \[batch, time\]/, () => model.forward([[1, 2]], { attentionMask: [[1]] }));
    refused(/attentionMask.*0 to 1/, () => model.forward([[1, 2]], { attentionMask: [[1, 2]] }));
    refused(/tokenTypes.*0 to 1/, () => model.forward([[1, 2]], { tokenTypes: [[0, 2]] }));
    refused(/tokenTypes \[time\]/, () => model.forward([[1, 2]], { tokenTypes: [[0]] }));
    refused(/num_labels from 1/, () => new Bert({ ...fields, num_labels: 0 } as ConfigFields<"bert">));
  });
}

test("roberta: padding stands at its own position, the text counts on behind it", () => {
  const model = new BertModel({ ...robertaFields, num_labels: 0 }, { rng: random(1) }).eval();
  const text = [[PAD, 4, PAD, 5, 6]];
  const given = model.forward(text, { positions: [[PAD, PAD + 1, PAD, PAD + 2, PAD + 3]] });
  assert.equal(model.forward(text).toArray(), given.toArray());
});

test("the loss is the cross-entropy of the labels, and every parameter that matters has a gradient", () => {
  const model = make(bertFields);
  const text = ids(random(2), 4, 5);
  const loss = model.loss(text, [0, 2, 1, 0]);
  assert.is(loss.item(), crossEntropy(model.forward(text), [0, 2, 1, 0]).item());
  loss.backward();
  for (const [name, { grad }] of model.namedParameters()) assert.ok(grad, name);
  assert.equal((model.classifier.parameters()[0].grad as Tensor).shape, [3, 8]);
});

test("a model without a pooler says so", () => {
  const model = new BertModel({ ...robertaFields, num_labels: 0 }, { pooler: false });
  assert.throws(() => model.pool(tensor([[[1, 2]]])), /a pooler/);
});

test.run();
