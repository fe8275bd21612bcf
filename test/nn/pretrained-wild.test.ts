/** @file Model folders in the forms in which they are found: shards, tied heads, missing poolers, other formats. */

import { renameSync, symlinkSync } from "node:fs";
import {
  CheckpointError,
  listFolder,
  loadSafetensors,
  makeFolder,
  makeTemporaryFolder,
  openSafetensors,
  random,
  readFile,
  removeFile,
  type SafeTensor,
  saveSafetensors,
  serializeSafetensors,
  tensorBytes,
  writeFileAtomic,
} from "lowrank/core";
import {
  Bert,
  BertModel,
  cloneModule,
  GPT2,
  Llama,
  loadPretrained,
  type PretrainedModel,
  savePretrained,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("pretrained folders as they are found");

let folder = "";
test.before.each(() => {
  folder = makeTemporaryFolder("pretrained-wild-");
});
test.after.each(() => removeFile(folder));

const sizes = {
  vocab_size: 11,
  num_hidden_layers: 1,
  hidden_size: 4,
  intermediate_size: 6,
  num_attention_heads: 2,
};
const gpt2 = {
  model_type: "gpt2",
  vocab_size: 11,
  n_positions: 6,
  n_embd: 4,
  n_layer: 1,
  n_head: 2,
} as const;
const llama = { model_type: "llama", ...sizes, num_key_value_heads: 1, max_position_embeddings: 8 } as const;
const bert = { model_type: "bert", ...sizes, max_position_embeddings: 8, pad_token_id: 0 } as const;
const rng = () => random(1);

const writeText = (name: string, text: string): void =>
  writeFileAtomic(`${folder}/${name}`, new TextEncoder().encode(text));
const readJson = (path: string) => JSON.parse(new TextDecoder().decode(readFile(path)));
const same = (tensor: SafeTensor) => tensorBytes("F32", tensor.shape, tensor.floats());
const weights = (model: PretrainedModel) =>
  Array.from(model.namedParameters(), ([name, parameter]) => [name, parameter.toArray()]);

/** The tensors of the folder's file under other names; those whose name becomes null are left out. */
function rename(name: (name: string) => string | null): void {
  const path = `${folder}/model.safetensors`;
  const tensors = [...loadSafetensors(path).tensors.values()].flatMap((tensor) => {
    const other = name(tensor.name);
    return other === null ? [] : [[other, same(tensor)] as const];
  });
  saveSafetensors(path, tensors);
}

function changeConfig(fields: object): void {
  writeText("config.json", JSON.stringify({ ...readJson(`${folder}/config.json`), ...fields }));
}

function refused(message: RegExp, options = {}): void {
  try {
    loadPretrained(folder, options);
  } catch (error) {
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, message);
    return;
  }
  throw new Error(`expected a refusal ${message}`);
}

test("a loaded model is in evaluation mode, every module of it", () => {
  for (const model of [
    new GPT2(gpt2, { rng: rng() }),
    new Bert({ ...bert, num_labels: 2 }, { rng: rng() }),
  ]) {
    savePretrained(model, folder);
    const loaded = loadPretrained(folder);
    assert.ok([...loaded.namedModules()].every(([, { training }]) => !training));
    assert.equal(loaded.forward([[1, 2, 3]]).toArray(), loaded.forward([[1, 2, 3]]).toArray());
  }
});

for (const [Model, fields, table] of [
  [GPT2, gpt2, "transformer.wte.weight"],
  [Llama, { ...llama, tie_word_embeddings: true }, "model.embed_tokens.weight"],
] as const) {
  test(`${Model.name}, tied: the one matrix under either name`, () => {
    const model = new Model(fields as never, { rng: rng() });
    savePretrained(model, folder);
    rename((name) => (name === table ? "lm_head.weight" : name));
    assert.equal(weights(loadPretrained(folder)), weights(model));
    changeConfig({ tie_word_embeddings: false });
    refused(new RegExp(`missing: ${table}`));
  });
}

test("two different matrices are not tied in silence", () => {
  savePretrained(new GPT2({ ...gpt2, tie_word_embeddings: false }, { rng: rng() }), folder);
  changeConfig({ tie_word_embeddings: true });
  refused(/wte\.weight and lm_head\.weight differ, but tie_word_embeddings is true/);
});

test("one parameter under two names is refused", () => {
  const model = new Llama(llama, { rng: rng() });
  savePretrained(model, folder);
  const path = `${folder}/model.safetensors`;
  const tensors = [...loadSafetensors(path).tensors.values()].map(
    (tensor) => [tensor.name, same(tensor)] as const,
  );
  const [, norm] = tensors.find(([name]) => name === "model.norm.weight")!;
  saveSafetensors(path, [...tensors, ["norm.weight", norm]]);
  refused(/model\.norm\.weight and norm\.weight|norm\.weight and model\.norm\.weight/);
});

for (const model_type of ["bert", "roberta"] as const) {
  test(`${model_type} without a pooler is read, and written again, without one`, () => {
    const model = new BertModel({ ...bert, model_type }, { rng: rng() });
    savePretrained(model, folder);
    rename((name) => (name.startsWith("pooler.") ? null : `${model_type}.${name}`));
    const loaded = loadPretrained(folder) as BertModel;
    assert.is(loaded.pooler, null);
    assert.equal(
      loaded.forward([[3, 4, 5]]).toArray(),
      model
        .eval()
        .forward([[3, 4, 5]])
        .toArray(),
    );
    savePretrained(loaded, `${folder}/again`);
    assert.equal(weights(loadPretrained(`${folder}/again`)), weights(loaded));
    rename((name) => (name.endsWith("embeddings.word_embeddings.weight") ? "pooler.dense.bias" : name));
    refused(/missing: .*pooler\.dense\.weight/);
  });
}

test("a part of a classifier is refused, unless it is to be left out", () => {
  savePretrained(new Bert({ ...bert, num_labels: 3 }, { rng: rng() }), folder);
  const whole = readFile(`${folder}/model.safetensors`);
  for (const part of ["classifier.weight", "classifier.bias"]) {
    writeFileAtomic(`${folder}/model.safetensors`, whole);
    rename((name) => (name === part ? null : name));
    refused(
      part === "classifier.weight"
        ? /classifier\.bias without the classifier's weight/
        : /missing: classifier\.bias/,
    );
    refused(/classifier/, { numLabels: 3 });
    assert.instance(loadPretrained(folder, { numLabels: 0 }), BertModel);
  }
});

/** The folder's model in shards, the tensors dealt out in turn. */
function shard(count: number): void {
  const { tensors } = loadSafetensors(`${folder}/model.safetensors`);
  const weight_map: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const file = `model-0000${i + 1}-of-0000${count}.safetensors`;
    const part = [...tensors.values()].filter((_, k) => k % count === i);
    saveSafetensors(
      `${folder}/${file}`,
      part.map((tensor) => [tensor.name, same(tensor)] as const),
    );
    for (const { name } of part) weight_map[name] = file;
  }
  writeText("model.safetensors.index.json", JSON.stringify({ metadata: { total_size: 0 }, weight_map }));
  removeFile(`${folder}/model.safetensors`);
}

test("shards are one model; what is wrong with one is named", () => {
  const model = new Llama(llama, { rng: rng() });
  savePretrained(model, folder);
  shard(3);
  assert.equal(weights(loadPretrained(folder)), weights(model));

  const index = readJson(`${folder}/model.safetensors.index.json`);
  const put = (weight_map: unknown): void =>
    writeText("model.safetensors.index.json", JSON.stringify({ weight_map }));
  put({ ...index.weight_map, "model.norm.weight": "../elsewhere.safetensors" });
  refused(/expected names of safetensors files in this folder; got "\.\.\/elsewhere/);
  put({ ...index.weight_map, "model.extra": "model-00001-of-00003.safetensors" });
  refused(/model-00001-of-00003\.safetensors does not hold model\.extra/);
  const { "model.norm.weight": _, ...fewer } = index.weight_map;
  put(fewer);
  refused(/holds model\.norm\.weight, for which the index names no file/);
  for (const nothing of [null, [], "x", { a: 1 }]) {
    put(nothing);
    refused(/index\.json: expected weight_map/);
  }
  put(index.weight_map);
  removeFile(`${folder}/model-00002-of-00003.safetensors`);
  refused(/the shard model-00002-of-00003\.safetensors is missing: expected all 3/);
});

for (const [file, message] of [
  ["pytorch_model.bin", /but pytorch_model\.bin, a pickle of PyTorch: convert it .*safe_serialization/],
  ["pytorch_model.bin.index.json", /pytorch_model\.bin\.index\.json, a pickle/],
  ["tf_model.h5", /tf_model\.h5, which is another format/],
  ["adapter_model.safetensors", /but adapter_model\.safetensors: a model's file has the name/],
  ["README.md", /the folder holds (README\.md, config\.json|config\.json, README\.md)/],
] as const) {
  test(`a folder with ${file} and no model.safetensors says what to do`, () => {
    writeText("config.json", JSON.stringify(gpt2));
    writeText(file, "");
    refused(message);
  });
}

test("quantized weights say what to call", () => {
  savePretrained(new Llama(llama, { rng: rng() }), folder);
  changeConfig({ quantization_config: { load_in_4bit: true, quant_method: "bitsandbytes" } });
  refused(/quantization_config to be null: .*quantizeModel of lowrank\/quant/);
  changeConfig({ quantization_config: null });
  rename((name) => (name.endsWith("q_proj.weight") ? `${name}.absmax` : name));
  refused(/these are quantized weights.*quantizeModel/);
});

test("names under another prefix are shown beside ours", () => {
  savePretrained(new Llama(llama, { rng: rng() }), folder);
  rename((name) => `policy.${name}`);
  refused(/the file has policy\.\S+ where this llama has \S+/);
});

test("fields that say nothing about the numbers, the tokenizer and generation_config.json go with the model", () => {
  savePretrained(new Bert({ ...bert, num_labels: 2 }, { rng: rng() }), folder);
  const extra = {
    id2label: { 0: "bad", 1: "good" },
    label2id: { bad: 0, good: 1 },
    eos_token_id: [1, 2],
    dtype: "bfloat16",
  };
  changeConfig({ ...extra, classifier_dropout: 0.5, transformers_version: "4.35.0" });
  writeText("generation_config.json", '{"eos_token_id": [1, 2]}');
  writeText("tokenizer.json", "{}");
  writeText("notes.txt", "mine");
  const loaded = loadPretrained(folder) as Bert;
  for (const model of [loaded, cloneModule(loaded)]) {
    removeFile(`${folder}/b`);
    savePretrained(model, `${folder}/b`);
    assert.equal(listFolder(`${folder}/b`), [
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
    const written = readJson(`${folder}/b/config.json`);
    assert.equal(written.id2label, extra.id2label);
    assert.equal(written.eos_token_id, [1, 2]);
    assert.is(written.classifier_dropout, 0.5);
    assert.is(written.dtype, undefined);
    assert.is(written.torch_dtype, "float32");
    assert.equal(written.architectures, ["BertForSequenceClassification"]);
    assert.equal(loadPretrained(`${folder}/b`).config, loaded.config);
  }
  rename((name) => (name.startsWith("classifier.") ? null : name));
  const other = loadPretrained(folder, { numLabels: 3, rng: rng() });
  savePretrained(other, `${folder}/c`);
  const written = readJson(`${folder}/c/config.json`);
  assert.is(written.id2label, undefined);
  assert.is(written.num_labels, 3);
});

test("rotary fields are written in the form that every version of transformers reads", () => {
  savePretrained(new Llama(llama, { rng: rng() }), folder);
  const { rope_theta: _, rope_scaling: __, ...rest } = readJson(`${folder}/config.json`);
  writeText(
    "config.json",
    JSON.stringify({ ...rest, rope_parameters: { rope_theta: 5e5, rope_type: "linear", factor: 2 } }),
  );
  savePretrained(loadPretrained(folder), `${folder}/b`);
  const written = readJson(`${folder}/b/config.json`);
  assert.is(written.rope_parameters, undefined);
  assert.is(written.rope_theta, 5e5);
  assert.equal(written.rope_scaling, { rope_type: "linear", factor: 2 });
});

test("half precision: written as asked, read as it is", () => {
  const model = new GPT2(gpt2, { rng: rng() });
  for (const [dtype, name, digits] of [
    ["F16", "float16", 2 ** -11],
    ["BF16", "bfloat16", 2 ** -8],
  ] as const) {
    savePretrained(model, folder, { dtype });
    assert.is(readJson(`${folder}/config.json`).torch_dtype, name);
    for (const [parameter, tensor] of loadSafetensors(`${folder}/model.safetensors`).tensors)
      assert.is(tensor.dtype, dtype, parameter);
    const [a, b] = [weights(model), weights(loadPretrained(folder))] as [string, Float32Array][][];
    for (const [i, [, values]] of a.entries())
      for (const [k, value] of values.entries())
        assert.ok(Math.abs(value - b[i][1][k]) <= digits * Math.abs(value) + 1e-7);
  }
  assert.throws(
    () => savePretrained(model, folder, { dtype: "F8" as never }),
    /dtype to be one of F32, F16, BF16/,
  );
});

test("an opened file gives the same tensors, read when they are asked for", () => {
  const path = `${folder}/a.safetensors`;
  const bytes = serializeSafetensors([
    ["x", tensorBytes("F32", [3], [1, 2, 3])],
    ["yes", tensorBytes("BOOL", [1], [1])],
  ]);
  writeFileAtomic(path, bytes);
  const { tensors } = openSafetensors(path);
  assert.equal(tensors.get("x")?.floats(), new Float32Array([1, 2, 3]));
  const wrong = bytes.slice();
  wrong[wrong.length - 1] = 7;
  writeFileAtomic(path, wrong);
  assert.throws(() => tensors.get("yes")?.values(), /BOOL must be 0 or 1/);
  writeFileAtomic(path, bytes.subarray(0, bytes.length - 4));
  assert.throws(() => tensors.get("x")?.floats(), /it is cut short/);
  assert.throws(() => openSafetensors(path), /bytes of the data|cut short/);
});

test("a path that is no folder with a model says what it is", () => {
  const refusedAt = (path: string, message: RegExp): void => {
    try {
      loadPretrained(path);
    } catch (error) {
      assert.instance(error, CheckpointError, String(error));
      assert.match((error as Error).message, message);
      assert.not.match((error as Error).message, /ENOENT|ENOTDIR|\n/);
      return;
    }
    throw new Error(`expected a refusal of ${path}`);
  };
  refusedAt(`${folder}/nothing/here`, /no config\.json; there is no such folder$/);
  for (const name of [
    "org/name",
    "hf://org/name",
    "https://huggingface.co/org/name/",
    "huggingface.co/org/name",
  ])
    refusedAt(
      name,
      /there is no such folder; if it is a name on the Hub, fetch it by: lowrank download org\/name$/,
    );
  refusedAt("no-such-gpt2", /lowrank download no-such-gpt2$/);
  refusedAt("~/models/x", /~ stands for the home folder in a shell only/);
  refusedAt("a\0b", /no such folder/);
  refusedAt(folder, /the folder is empty/);
  writeText("adapter_config.json", "{}");
  refusedAt(folder, /adapter_config\.json: it is an adapter's folder, which loadAdapter reads/);
  refusedAt(`${folder}/adapter_config.json`, /is a file, and the folder that holds it is expected/);
  removeFile(`${folder}/adapter_config.json`);
  makeFolder(`${folder}/snapshots`);
  refusedAt(folder, /the files are in snapshots\/REVISION/);
});

/** Files that downloads leave in place of those that are wanted. */
const others = [
  [
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    /a Git LFS pointer; fetch the file itself/,
  ],
  ["<!DOCTYPE html><html></html>", /a web page; the download went wrong/],
  ["\n  <html></html>", /a web page/],
  ["\x80\x02}q\0(X\x05\0\0\0", /a Python pickle.*convert it/],
  ["PK\x03\x04\0\0\0\0\0\0\0\0\0\0", /a zip archive, as torch\.save writes; convert it/],
  ["GGUF\x03\0\0\0\0\0\0\0\0\0\0\0", /a GGUF file/],
  ["", /it is empty/],
] as const;

for (const [text, message] of others) {
  test(`${message.source} is named, whichever file it stands for`, () => {
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    for (const file of ["config.json", "model.safetensors", "model.safetensors.index.json"]) {
      savePretrained(new Llama(llama, { rng: rng() }), folder);
      if (file.includes("index")) removeFile(`${folder}/model.safetensors`);
      writeFileAtomic(`${folder}/${file}`, bytes);
      refused(message);
      removeFile(`${folder}/${file}`);
    }
    savePretrained(new Llama(llama, { rng: rng() }), folder);
    shard(2);
    writeFileAtomic(`${folder}/model-00002-of-00002.safetensors`, bytes);
    refused(message);
  });
}

test("text in place of a safetensors file is shown; what is cut short is asked about", () => {
  savePretrained(new Llama(llama, { rng: rng() }), folder);
  const whole = readFile(`${folder}/model.safetensors`);
  writeText("model.safetensors", "Access to model org/x is restricted.");
  refused(/it begins with the text "Access to model org\/x is restricted\."/);
  for (const length of [100, whole.length - 1]) {
    writeFileAtomic(`${folder}/model.safetensors`, whole.subarray(0, length));
    refused(/is it cut short\?/);
  }
});

test("names in an index that lead out of the folder are refused; a link is not, as the Hub's cache has them", () => {
  const model = new Llama(llama, { rng: rng() });
  savePretrained(model, folder);
  shard(2);
  const { weight_map } = readJson(`${folder}/model.safetensors.index.json`);
  const [first] = Object.keys(weight_map);
  for (const name of ["../x", "/tmp/x", "sub/x", "sub\\x", "C:\\x", "a\0b", "a\nb"]) {
    writeText(
      "model.safetensors.index.json",
      JSON.stringify({ weight_map: { ...weight_map, [first]: `${name}.safetensors` } }),
    );
    refused(/expected names of safetensors files in this folder/);
  }
  writeText("model.safetensors.index.json", JSON.stringify({ metadata: { total_size: 3 }, weight_map }));
  const shardName = "model-00001-of-00002.safetensors";
  makeFolder(`${folder}/blobs`);
  renameSync(`${folder}/${shardName}`, `${folder}/blobs/0a1b`);
  symlinkSync("blobs/0a1b", `${folder}/${shardName}`);
  assert.equal(weights(loadPretrained(folder)), weights(model));
});

test("a model in F64, F16, BF16, F8_E4M3 or F8_E5M2: each value is the file's", () => {
  const model = new Llama({ ...llama, vocab_size: 64 }, { rng: rng() });
  savePretrained(model, folder);
  const { tensors } = loadSafetensors(`${folder}/model.safetensors`);
  for (const dtype of ["F64", "F16", "BF16", "F8_E4M3", "F8_E5M2"] as const) {
    const bytesPer = { F64: 8, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 }[dtype];
    let at = 0;
    const entries = Array.from(tensors.values(), ({ name, shape }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const codes = Uint8Array.from({ length: size * bytesPer }, () => (at = (at + 37) % 256)); // every byte, in turn
      const bytes = dtype === "F64" ? tensorBytes("F64", shape, random(at).normal(size)).bytes : codes;
      return [name, { dtype, shape, bytes }] as const;
    });
    saveSafetensors(`${folder}/model.safetensors`, entries);
    const read = loadSafetensors(`${folder}/model.safetensors`).tensors;
    for (const [name, parameter] of loadPretrained(folder).namedParameters()) {
      const expected = read.get(name)!.floats();
      assert.ok(
        parameter.toArray().every((value, i) => Object.is(value, Math.fround(expected[i]))),
        `${dtype} ${name}`,
      );
    }
  }
  saveSafetensors(
    `${folder}/model.safetensors`,
    Array.from(tensors.values(), ({ name, shape }) => [
      name,
      tensorBytes("U8", shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(3)),
    ]),
  );
  refused(/is U8; expected floats .*: integers are quantized weights/);
});

test.run();
