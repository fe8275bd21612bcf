/** @file Names and heads of model files as other programs write them: loaded exactly, or refused with what to do. */

import {
  CheckpointError,
  loadSafetensors,
  makeTemporaryFolder,
  random,
  readFile,
  removeFile,
  saveSafetensors,
  setWarnings,
  type TensorBytes,
  tensorBytes,
  writeFileAtomic,
} from "lowrank/core";
import {
  Bert,
  BertModel,
  GPT2,
  Llama,
  loadPretrained,
  type PretrainedModel,
  savePretrained,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("names in pretrained files");

let folder = "";
test.before.each(() => {
  folder = makeTemporaryFolder("pretrained-names-");
});
test.after.each(() => removeFile(folder));

const sizes = {
  ...{ vocab_size: 11, num_hidden_layers: 2, hidden_size: 8, intermediate_size: 6, num_attention_heads: 2 },
  max_position_embeddings: 8,
} as const;
const rng = () => random(1);
const models = {
  llama: () => new Llama({ model_type: "llama", ...sizes }, { rng: rng() }),
  "llama, tied": () =>
    new Llama({ model_type: "llama", ...sizes, tie_word_embeddings: true }, { rng: rng() }),
  qwen3: () =>
    new Llama({ model_type: "qwen3", ...sizes, num_key_value_heads: 1, head_dim: 4 }, { rng: rng() }),
  gpt2: () =>
    new GPT2(
      { model_type: "gpt2", vocab_size: 11, n_positions: 6, n_embd: 8, n_layer: 2, n_head: 2 },
      { rng: rng() },
    ),
  bert: () => new BertModel({ model_type: "bert", ...sizes }, { rng: rng() }),
  "bert, classifier": () => new Bert({ model_type: "bert", ...sizes, num_labels: 3 }, { rng: rng() }),
  "roberta, classifier": () => new Bert({ model_type: "roberta", ...sizes, num_labels: 3 }, { rng: rng() }),
} as const;

const weights = (model: PretrainedModel) =>
  Array.from(model.namedParameters(), ([name, parameter]) => [name, parameter.toArray()]);

/** Gives the folder's tensors other names, and adds `more`. */
function rename(
  name: (name: string) => string | null,
  more: Readonly<Record<string, TensorBytes>> = {},
): void {
  const path = `${folder}/model.safetensors`;
  const tensors = [...loadSafetensors(path).tensors.values()].flatMap((tensor) => {
    const other = name(tensor.name);
    return other === null ? [] : [[other, tensorBytes("F32", tensor.shape, tensor.floats())] as const];
  });
  saveSafetensors(path, [...tensors, ...Object.entries(more)]);
}

function changeConfig(fields: object): void {
  const path = `${folder}/config.json`;
  const before = JSON.parse(new TextDecoder().decode(readFile(path)));
  writeFileAtomic(path, new TextEncoder().encode(JSON.stringify({ ...before, ...fields })));
}

function refused(message: RegExp, options = {}): void {
  try {
    loadPretrained(folder, options);
  } catch (error) {
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, message);
    assert.not.match((error as Error).message, /\n/);
    return;
  }
  throw new Error(`expected a refusal ${message}`);
}

const prefixes = [
  ...["_orig_mod.", "module.", "module.module.", "module._orig_mod.", "_fsdp_wrapped_module."],
  ...["base_model.model.", "model.", "transformer.", "0.auto_model."],
] as const;

for (const [name, make] of Object.entries(models)) {
  test(`${name}: the prefixes of wrappers are seen through`, () => {
    const model = make();
    for (const prefix of prefixes) {
      savePretrained(model, folder);
      rename((own) => prefix + own);
      assert.equal(weights(loadPretrained(folder)), weights(model), prefix);
    }
    for (const wrapper of ["_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module._orig_mod"]) {
      savePretrained(model, folder);
      rename((own) => own.replace(/\.(\d)\./, `.$1.${wrapper}.`));
      assert.equal(weights(loadPretrained(folder)), weights(model), wrapper);
    }
  });

  test(`${name}: the prefix of the model itself, missing or doubled`, () => {
    const model = make();
    for (const times of ["", "$1.$1."]) {
      if (times === "" && model instanceof Bert) continue; // whose pooler and classifier would be of no model
      savePretrained(model, folder);
      rename((own) => own.replace(/^(model|transformer|bert|roberta)\./, times));
      assert.equal(weights(loadPretrained(folder)), weights(model), `prefix ${times}`);
    }
  });
}

const floats = (...shape: number[]): TensorBytes =>
  tensorBytes("F32", shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(0.5));

for (const [name, buffers] of [
  [
    "llama",
    {
      ...{ "model.layers.0.self_attn.rotary_emb.inv_freq": floats(2), "rotary_emb.inv_freq": floats(2) },
      ...{
        "model.rotary_emb.original_inv_freq": floats(2),
        "model.layers.1.self_attn.rotary_emb.cos_cached": floats(1),
      },
    },
  ],
  [
    "gpt2",
    {
      ...{ "attn.bias": floats(1), "h.0.attn.bias": floats(1, 1, 6, 6), "h.1.attn.masked_bias": floats() },
      ...{
        "transformer.h.1.attn.bias": tensorBytes("BOOL", [1, 1, 1, 2], [1, 0]),
        "module.attn.masked_bias": floats(),
      },
    },
  ],
  ["bert", { "bert.embeddings.position_ids": tensorBytes("I32", [1, 2], [0, 1]) }],
] as const) {
  test(`${name}: buffers are no parameters`, () => {
    const model = models[name]();
    savePretrained(model, folder);
    rename((own) => own, buffers);
    assert.equal(weights(loadPretrained(folder)), weights(model));
  });
}

test("an encoder under another model's name is not seen through", () => {
  savePretrained(models.bert(), folder);
  for (const other of ["roberta.", "electra.", "distilbert."]) {
    rename((own) => other + own.replace(/^(roberta|electra|distilbert)\./, ""));
    refused(new RegExp(`the file has ${other}\\S+ where this bert has`));
  }
});

test("two names that become one are refused", () => {
  savePretrained(models.llama(), folder);
  rename((own) => own, { "_orig_mod.model.norm.weight": floats(8) });
  refused(
    /model\.norm\.weight and _orig_mod\.model\.norm\.weight|_orig_mod\.model\.norm\.weight and model\.norm\.weight/,
  );
});

test("heads that no model here has are named", () => {
  savePretrained(models.llama(), folder);
  rename((own) => (own === "lm_head.weight" ? "score.weight" : own));
  refused(/a classifier of sequences on a decoder, which llama has not here/);
  savePretrained(models.gpt2(), folder);
  rename((own) => own, { "v_head.summary.weight": floats(1, 8) });
  refused(/a value head/);
  savePretrained(models.bert(), folder);
  rename((own) => `bert.${own}`, { "qa_outputs.weight": floats(2, 8), "qa_outputs.bias": floats(2) });
  refused(/marks the answers to questions.*numLabels: 0/);
  assert.instance(loadPretrained(folder, { numLabels: 0 }), BertModel);
  assert.instance(loadPretrained(folder, { numLabels: 2, rng: rng() }), Bert);
  savePretrained(models.llama(), folder);
  rename((own) => own.replace("q_proj.weight", "q_proj.base_layer.weight"), {
    "model.layers.0.self_attn.q_proj.lora_A.default.weight": floats(1, 8),
  });
  refused(/the file has adapters in it.*merge_and_unload/);
});

test("a classifier of tokens or choices is none of texts, though its tensors have the same names", () => {
  for (const [architecture, what] of [
    ["BertForTokenClassification", /classifies each token.*numLabels: 0/],
    ["BertForMultipleChoice", /chooses among several texts.*numLabels: 0/],
  ] as const) {
    savePretrained(models["bert, classifier"](), folder);
    changeConfig({ architectures: [architecture] });
    refused(what);
    refused(what, { numLabels: 3 });
    assert.instance(loadPretrained(folder, { numLabels: 0 }), BertModel);
  }
});

test("a classifier with another loss in transformers is loaded with a warning", () => {
  const heard: string[] = [];
  const before = setWarnings((message) => heard.push(message));
  try {
    savePretrained(models["bert, classifier"](), folder);
    loadPretrained(folder);
    assert.equal(heard, []);
    changeConfig({ problem_type: "multi_label_classification" });
    loadPretrained(folder);
    assert.match(
      heard[0],
      /problem_type "multi_label_classification": the logits are the same, but the model's loss/,
    );
  } finally {
    setWarnings(before);
  }
});

for (const [model_type, message] of [
  ["gemma", /model_type "gemma": its norms multiply by 1 \+ weight.*expected one of gpt2, llama/],
  ["gemma3_text", /"gemma3_text": its norms/],
  ["phi3", /qkv_proj/],
  ["mixtral", /mixtures of experts/],
  ["qwen3_moe", /mixtures of experts/],
  ["deepseek_v3", /mixtures of experts/],
  ["t5", /encoder with a decoder/],
  ["xlm-roberta", /with model_type "roberta" it loads/],
  ["bart", /only its layout/],
  ["no_such", /there is no model for model_type "no_such"; expected one of/],
  ["toString", /there is no model for model_type "toString"/],
  [null, /expected model_type to be one of gpt2.*got null/],
  [undefined, /got nothing/],
  [["llama"], /got \["llama"\]/],
] as const) {
  test(`model_type ${model_type} is refused by name`, () => {
    savePretrained(models.llama(), folder);
    changeConfig({ model_type });
    refused(message);
  });
}

test.run();
