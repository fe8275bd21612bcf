/** @file Models on disk: Hugging Face's layout in its dialects; what does not fit is refused. */

import {
  ArgumentError,
  CheckpointError,
  listFolder,
  loadSafetensors,
  makeTemporaryFolder,
  random,
  readFile,
  removeFile,
  type Shape,
  saveSafetensors,
  sizeOf,
  tensorBytes,
  writeFileAtomic,
} from "lowrank/core";
import {
  Bert,
  BertModel,
  type ConfigFields,
  GPT2,
  Linear,
  Llama,
  loadPretrained,
  type PretrainedModel,
  savePretrained,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("pretrained");

let folder = "";
test.before.each(() => {
  folder = makeTemporaryFolder("pretrained-");
});
test.after.each(() => removeFile(folder));

const gpt2 = {
  model_type: "gpt2",
  vocab_size: 11,
  n_positions: 6,
  n_embd: 4,
  n_layer: 1,
  n_head: 2,
} as const;
const llama = {
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 4, intermediate_size: 6, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 8 },
} as const satisfies ConfigFields<"llama">;
const encoder = {
  ...{ vocab_size: 11, hidden_size: 4, intermediate_size: 6, num_hidden_layers: 1, num_attention_heads: 2 },
  ...{ max_position_embeddings: 8, pad_token_id: 1 },
} as const;
const bert = { model_type: "bert", ...encoder } as const;
const roberta = { model_type: "roberta", ...encoder } as const;

const rng = () => random(1);
const models: readonly (readonly [string, () => PretrainedModel])[] = [
  ["GPT2", () => new GPT2(gpt2, { rng: rng() })],
  ["GPT2, untied", () => new GPT2({ ...gpt2, tie_word_embeddings: false }, { rng: rng() })],
  ["Llama", () => new Llama(llama, { rng: rng() })],
  ["Llama, tied", () => new Llama({ ...llama, tie_word_embeddings: true }, { rng: rng() })],
  ["BERT", () => new BertModel(bert, { rng: rng() })],
  ["BERT classifier", () => new Bert({ ...bert, num_labels: 3 }, { rng: rng() })],
  ["RoBERTa", () => new BertModel(roberta, { rng: rng() })],
  ["RoBERTa classifier", () => new Bert({ ...roberta, num_labels: 2 }, { rng: rng() })],
];

const weights = (model: PretrainedModel) =>
  Array.from(model.namedParameters(), ([name, parameter]) => [name, parameter.toArray()]);

type Change = (name: string, shape: Shape, values: Float32Array) => [string, Shape, ArrayLike<number>][];

/** Writes the model's file again with other names or tensors. */
function rewrite(change: Change): void {
  const path = `${folder}/model.safetensors`;
  const entries = [...loadSafetensors(path).tensors.values()].flatMap((tensor) =>
    change(tensor.name, tensor.shape, tensor.floats() as Float32Array),
  );
  saveSafetensors(
    path,
    entries.map(([name, shape, values]) => [name, tensorBytes("F32", shape, values)] as const),
  );
}

const add =
  (...more: [string, Shape][]): Change =>
  (name, shape, values) => {
    const first = !added;
    added = true;
    const others = more.map(([n, s]): [string, Shape, Float32Array] => [n, s, new Float32Array(sizeOf(s))]);
    return [[name, shape, values], ...(first ? others : [])];
  };
let added = false;
test.before.each(() => {
  added = false;
});

const readJson = (path: string) => JSON.parse(new TextDecoder().decode(readFile(path)));
const writeText = (name: string, text: string): void =>
  writeFileAtomic(`${folder}/${name}`, new TextEncoder().encode(text));

for (const [name, make] of models) {
  test(`${name}: saved and loaded, it is the same`, () => {
    const model = make();
    savePretrained(model, `${folder}/a/b`);
    assert.equal(listFolder(`${folder}/a/b`), ["config.json", "model.safetensors"]);
    const again = loadPretrained(`${folder}/a/b`);
    assert.is(again.constructor, model.constructor);
    assert.equal(again.config, model.config);
    assert.equal(weights(again), weights(model));
    assert.ok(again.parameters().every(({ requiresGrad }) => requiresGrad));
  });
}

test("names of a bare GPT-2, its mask buffers and a stored tied head", () => {
  const model = new GPT2(gpt2, { rng: rng() });
  savePretrained(model, folder);
  rewrite((name, shape, values) => [[name.replace("transformer.", ""), shape, values]]);
  rewrite(add(["h.0.attn.bias", [1, 1, 6, 6]], ["h.0.attn.masked_bias", []]));
  rewrite((name, shape, values) => [
    [name, shape, values],
    ...(name === "wte.weight" ? [["lm_head.weight", shape, values] as [string, Shape, Float32Array]] : []),
  ]);
  assert.equal(weights(loadPretrained(folder)), weights(model));
});

test("names of a bare Llama, and its rotary buffers", () => {
  const model = new Llama({ ...llama, tie_word_embeddings: true }, { rng: rng() });
  savePretrained(model, folder);
  rewrite((name, shape, values) => [[name.replace(/^model\./, ""), shape, values]]);
  rewrite(add(["layers.0.self_attn.rotary_emb.inv_freq", [1]]));
  assert.equal(weights(loadPretrained(folder)), weights(model));
});

test("BERT as pretrained: prefixed, gamma and beta, heads of its own", () => {
  const model = new BertModel(bert, { rng: rng() });
  savePretrained(model, folder);
  rewrite((name, shape, values) => {
    const old = name
      .replace("LayerNorm.weight", "LayerNorm.gamma")
      .replace("LayerNorm.bias", "LayerNorm.beta");
    return [[`bert.${old}`, shape, values]];
  });
  rewrite(add(["cls.predictions.bias", [11]], ["bert.embeddings.position_ids", [1, 8]]));
  assert.equal(weights(loadPretrained(folder)), weights(model));
});

test("numLabels puts a new classifier on a bare encoder, or takes one off", () => {
  for (const fields of [bert, roberta]) {
    const bare = new BertModel(fields, { rng: rng() });
    savePretrained(bare, folder);
    const classifier = loadPretrained(folder, { numLabels: 5, rng: random(2) }) as Bert;
    assert.is(classifier.config.num_labels, 5);
    assert.equal(classifier.forward([[1, 2, 3]]).shape, [1, 5]);
    const values = new Map(weights(classifier) as [string, Float32Array][]);
    for (const [name, value] of weights(bare) as [string, Float32Array][]) {
      if (name.startsWith("pooler.") && fields.model_type === "roberta") continue;
      assert.equal(values.get(`${fields.model_type}.${name}`), value);
    }
    assert.ok(
      classifier.classifier
        .parameters()
        .every((p) => (p.shape.length === 1) === (p.abs().max().item() === 0)),
    );

    savePretrained(classifier, folder);
    assert.is((loadPretrained(folder) as Bert).config.num_labels, 5);
    if (fields.model_type === "bert") assert.instance(loadPretrained(folder, { numLabels: 0 }), BertModel);
    assert.throws(() => loadPretrained(folder, { numLabels: 4 }), /misshapen: classifier/);
  }
});

test("numLabels is a count, and encoders only have it", () => {
  const refused = (message: RegExp, options: object): void => {
    const error = caught(() => loadPretrained(folder, options));
    assert.instance(error, ArgumentError);
    assert.match(error.message, message);
  };
  for (const model of [
    new GPT2(gpt2),
    new Llama(llama),
    new BertModel(bert),
    new Bert({ ...bert, num_labels: 3 }),
  ]) {
    savePretrained(model, folder);
    for (const numLabels of [-1, 1.5, Number.NaN, Infinity, "3", null, true])
      refused(/^loadPretrained: expected numLabels a non-negative integer; got numLabels /, { numLabels });
    if (model instanceof GPT2 || model instanceof Llama) {
      for (const numLabels of [0, 3])
        refused(/no numLabels: only BERT and RoBERTa .*; got numLabels \d, model_type/, { numLabels });
      loadPretrained(folder, { numLabels: undefined });
    } else assert.instance(loadPretrained(folder, { numLabels: 0 }), BertModel);
  }
});

test("what does not fit together is refused, each parameter named", () => {
  const refused = (message: RegExp): void => {
    const error = caught(() => loadPretrained(folder));
    assert.instance(error, CheckpointError);
    assert.match(error.message, message);
  };
  const fresh = (): void => savePretrained(new GPT2(gpt2), folder);
  refused(/no config\.json; the folder /);

  fresh();
  rewrite((name, shape, values) => (name.endsWith("ln_f.bias") ? [] : [[name, shape, values]]));
  refused(/missing: transformer\.ln_f\.bias$/);

  fresh();
  rewrite(add(["h.0.extra", [1]]));
  refused(/unexpected: transformer\.h\.0\.extra$/);

  fresh();
  const config = readJson(`${folder}/config.json`);
  writeText("config.json", JSON.stringify({ ...config, n_positions: 7 }));
  refused(/misshapen: transformer\.wpe\.weight \(expected \[7, 4\], got \[6, 4\]\)$/);

  writeText("config.json", JSON.stringify({ ...config, n_layer: 10 ** 12 }));
  refused(/config\.json: .*n_layer to be at most 65536/);
  writeText("config.json", JSON.stringify({ ...config, n_head: 3 }));
  refused(/config\.json: .*multiple of n_head/);
  writeText("config.json", JSON.stringify({ ...config, model_type: "bart" }));
  refused(/config\.json: there is no model for model_type "bart"/);
  writeText("config.json", JSON.stringify({ ...config, model_type: "toString" }));
  refused(/config\.json: .*model_type .*expected one of/);
  for (const text of ["", "[1]", "null", '{"model_type": ']) {
    writeText("config.json", text);
    refused(/config\.json: /);
  }
  writeFileAtomic(`${folder}/config.json`, Uint8Array.of(0x7b, 0xff, 0x7d));
  refused(/config\.json: /);

  fresh();
  const bytes = readFile(`${folder}/model.safetensors`);
  writeFileAtomic(`${folder}/model.safetensors`, bytes.subarray(0, bytes.length - 1));
  refused(/model\.safetensors/);
});

test("a model that is not what its configuration says is not saved, and nothing is written", () => {
  const model = new GPT2(gpt2);
  model.replaceModule("transformer.h.0.attn.c_proj", new Linear(4, 4, { bias: false }));
  assert.throws(() => savePretrained(model, folder), /missing: transformer\.h\.0\.attn\.c_proj\.bias/);
  assert.equal(listFolder(folder), []);
});

function caught(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

test.run();
