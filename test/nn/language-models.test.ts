/** @file GPT2 and Llama: their parameters, causality, cache, loss, generation, refusals. */

import * as fc from "fast-check";
import { crossEntropy, noGrad, type Tensor } from "lowrank/autograd";
import { type Indices, indices, liveBytes, type Random, random, scope } from "lowrank/core";
import { type ConfigFields, GPT2, generate, KeyValueCache, Llama, layout, parameterCount } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("language models");

const gpt2Fields = {
  ...{ model_type: "gpt2", vocab_size: 23, n_positions: 12, n_embd: 12, n_layer: 2, n_head: 3 },
  initializer_range: 0.3, // large enough for attention to matter
} as const satisfies ConfigFields<"gpt2">;

const llamaFields = {
  ...{
    model_type: "llama",
    vocab_size: 23,
    max_position_embeddings: 12,
    hidden_size: 12,
    intermediate_size: 20,
  },
  ...{ num_hidden_layers: 2, num_attention_heads: 6, num_key_value_heads: 2, initializer_range: 0.3 },
} as const satisfies ConfigFields<"llama">;

const models = [
  ["GPT2", () => new GPT2(gpt2Fields, { rng: random(1) }).eval()],
  ["Llama", () => new Llama(llamaFields, { rng: random(1) }).eval()],
  ["Llama, tied", () => new Llama({ ...llamaFields, tie_word_embeddings: true }, { rng: random(1) }).eval()],
] as const;

const VOCAB = 23;
const LONGEST = 12;

const ids = (rng: Random, batch: number, time: number): Indices =>
  indices(
    Int32Array.from({ length: batch * time }, () => rng.integer(VOCAB)),
    [batch, time],
  );

const text = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    time: fc.integer({ min: 2, max: LONGEST }),
    seed: fc.nat(10_000),
  })
  .map(({ batch, time, seed }) => ids(random(seed), batch, time));

/** Largest |a − b|. */
const distance = (a: Tensor, b: Tensor): number => a.sub(b).abs().max().item();

// Logits below 10 after two layers of sums of at most 48 float32 terms: errors near 100 · 10 · 2⁻²⁴ = 6e-5.
const atol = 1e-4;

for (const [name, make] of models) {
  const model = make();

  test(`${name}: parameters are those of its layout, in name, shape and number`, () => {
    const expected = layout(model.config).flatMap(({ parameters }) => parameters);
    const owned = expected.filter(({ tiedTo }) => !tiedTo).map((p) => [p.name, [...p.shape]] as const);
    const actual = Array.from(model.namedParameters(), ([name, p]) => [name, [...p.shape]] as const);
    const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1);
    assert.equal(actual.sort(byName), owned.sort(byName));
    const size = model.parameters().reduce((sum, parameter) => sum + parameter.size, 0);
    assert.is(size, parameterCount(layout(model.config)));
  });

  test(`${name}: a later token never changes earlier logits, bit for bit`, () => {
    noGrad(() =>
      fc.assert(
        fc.property(text, fc.nat(100), fc.nat(VOCAB - 1), (tokens, place, other) => {
          const [batch, time] = tokens.shape;
          const at = 1 + (place % (time - 1));
          const changed = indices(tokens.data.slice(), tokens.shape);
          for (let row = 0; row < batch; row++) changed.data[row * time + at] = other;
          const before = (x: Indices): Float32Array => model.forward(x).slice(1, 0, at).toArray();
          assert.equal(before(changed), before(tokens));
        }),
        { numRuns: 30 },
      ),
    );
  });

  test(`${name}: with a cache, logits come in pieces and are the same`, () => {
    noGrad(() =>
      fc.assert(
        fc.property(text, fc.nat(100), (tokens, place) => {
          const [batch, time] = tokens.shape;
          const cut = 1 + (place % (time - 1));
          const columns = (from: number, to: number): Indices =>
            indices(
              Array.from({ length: batch }, (_, row) => [
                ...tokens.data.subarray(row * time + from, row * time + to),
              ]),
            );
          const cache = new KeyValueCache();
          model.forward(columns(0, cut), { cache });
          const rest = model.forward(columns(cut, time), { cache });
          assert.ok(distance(rest, model.forward(tokens).slice(1, cut)) <= atol);
          assert.is(cache.length, time);
        }),
        { numRuns: 30 },
      ),
    );
  });

  test(`${name}: lastOnly gives the last of all logits, positions may be given`, () => {
    const tokens = ids(random(4), 2, 5);
    const all = model.forward(tokens);
    assert.ok(distance(model.forward(tokens, { lastOnly: true }), all.slice(1, 4)) <= atol);
    assert.equal(model.forward(tokens, { positions: [0, 1, 2, 3, 4] }).toArray(), all.toArray());
    const moved = model.forward(tokens, {
      positions: [
        [0, 1, 2, 3, 4],
        [3, 4, 5, 6, 8],
      ],
    });
    assert.equal(moved.slice(0, 0, 1).toArray(), all.slice(0, 0, 1).toArray());
    assert.not.equal(moved.slice(0, 1).toArray(), all.slice(0, 1).toArray());
  });

  test(`${name}: the loss is the cross-entropy of each position with the next token`, () => {
    const tokens = ids(random(5), 2, 6);
    const labels = indices(
      Int32Array.from(tokens.data, (id, i) => (i % 4 === 0 ? -100 : id)),
      [2, 6],
    );
    const next = indices([...labels.data.subarray(1, 6), ...labels.data.subarray(7, 12)], [2, 5]);
    const expected = crossEntropy(model.forward(tokens).slice(1, 0, 5), next).item();
    assert.ok(Math.abs(model.loss(tokens, labels).item() - expected) <= 1e-5);
    assert.ok(model.loss(ids(random(6), 1, LONGEST + 1)).item() > 0); // the last token is only predicted
  });

  test(`${name}: generation with a cache and without choose the same tokens`, () => {
    const prompt = ids(random(7), 3, 4);
    for (const options of [{}, { temperature: 0.8, seed: 3 }, { topK: 5, seed: 4 }, { topP: 0.7, seed: 5 }]) {
      const cached = generate(model, prompt, { maxNewTokens: 8, ...options });
      assert.equal(cached.shape, [3, 12]);
      assert.equal(
        cached.data,
        generate(model, prompt, { maxNewTokens: 8, useCache: false, ...options }).data,
      );
    }
  });

  test(`${name}: token ids, lengths and positions out of range are refused`, () => {
    const refused = (message: RegExp, run: () => unknown): void => assert.throws(run, message);
    refused(/ids.*0 to 22.*element 1 23/, () => model.forward([[1, 23]]));
    refused(/ids.*element 0 -1/, () => model.forward([[-1, 2]]));
    refused(/ids \[batch, time\]/, () => model.forward([1, 2]));
    refused(/ids \[batch, time\]/, () => model.forward(indices([], [1, 0])));
    refused(/at most 12 tokens/, () => model.forward(ids(random(1), 1, 13)));
    refused(/positions \[time\]/, () => model.forward([[1, 2]], { positions: [1] }));
    refused(/at least 2 tokens/, () => model.loss([[1]]));
    refused(/at most 12 tokens/, () => generate(model, [[1, 2]], { maxNewTokens: 11 }));
  });
}

test("a step with a cache frees what it made, and the cache is freed with the last reference", () => {
  const model = models[0][1]();
  const before = liveBytes().workspace;
  const cache = new KeyValueCache();
  for (let i = 0; i < LONGEST; i++) scope(() => void noGrad(() => model.forward([[i]], { cache })));
  const held = [...cache.storages()].reduce((bytes, storage) => bytes + storage.bytes, 0);
  assert.is(liveBytes().workspace - before, held);
});

test("tied weights are one parameter and collect both gradients", () => {
  const model = new GPT2(gpt2Fields, { rng: random(1) }).eval();
  assert.is(model.getModule("lm_head").parameters()[0], model.transformer.wte.weight);
  const untied = new GPT2({ ...gpt2Fields, tie_word_embeddings: false }, { rng: random(2) }).eval();
  untied.loadStateDict(
    new Map([...model.stateDict(), ["lm_head.weight", model.transformer.wte.weight.value]]),
  );
  const tokens = ids(random(8), 2, 6);
  model.loss(tokens).backward();
  untied.loss(tokens).backward();
  const head = untied.getModule("lm_head").parameters()[0].grad as Tensor;
  const both = (untied.transformer.wte.weight.grad as Tensor).add(head);
  assert.ok(distance(model.transformer.wte.weight.grad as Tensor, both) <= 1e-5);
});

test("initial weights: N(0, 0.02²), projections into the residual stream by 1/√(2 layers) smaller", () => {
  const model = new GPT2({
    model_type: "gpt2",
    vocab_size: 50,
    n_positions: 8,
    n_embd: 96,
    n_layer: 8,
    n_head: 4,
  });
  const spread = (name: string): number => {
    const parameter = new Map(model.namedParameters()).get(name) as Tensor;
    return Math.sqrt(parameter.square().mean().item());
  };
  // A deviation estimated from n normal values is itself off by 1/√(2n): at most 0.01 for 4800 of them; five times that.
  assert.ok(Math.abs(spread("transformer.wte.weight") / 0.02 - 1) <= 0.05);
  assert.ok(Math.abs(spread("transformer.h.3.attn.c_attn.weight") / 0.02 - 1) <= 0.05);
  assert.ok(Math.abs(spread("transformer.h.3.mlp.c_proj.weight") / (0.02 / 4) - 1) <= 0.05);
  assert.is(spread("transformer.h.3.mlp.c_proj.bias"), 0);
});

test("the same seed gives the same model, and dropout its own draws", () => {
  const [a, b] = [0, 1].map(() => new GPT2(gpt2Fields, { rng: random(5) }));
  assert.equal(
    a.transformer.h[1].mlp.parameters()[0].toArray(),
    b.transformer.h[1].mlp.parameters()[0].toArray(),
  );
  const tokens = ids(random(1), 1, 5);
  const first = a.forward(tokens).toArray();
  assert.not.equal(a.forward(tokens).toArray(), first); //   dropout is active in a new model
  assert.equal(b.forward(tokens).toArray(), first);
});

test("configurations that no model can have are refused", () => {
  assert.throws(() => new GPT2({ ...gpt2Fields, n_head: 5 }), /multiple of n_head/);
  assert.throws(
    () => new Llama({ ...llamaFields, num_key_value_heads: 4 }),
    /multiple of num_key_value_heads/,
  );
});

test.run();
