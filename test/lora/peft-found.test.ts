/** @file PEFT's adapters in the forms in which they are found, on small models: what they compute, what is written again. */

import { tensor } from "lowrank/autograd";
import {
  CheckpointError,
  listFolder,
  makeTemporaryFolder,
  parseSafetensors,
  random,
  removeFile,
  serializeSafetensors,
  setWarnings,
  type TensorBytes,
  tensorBytes,
  withPrecision,
  writeFileAtomic,
} from "lowrank/core";
import {
  type AdaLoRA,
  type AdaptedLayer,
  type AdapterFiles,
  inject,
  loadAdapter,
  openAdapter,
  readAdapter,
  saveAdapter,
  writeAdapter,
} from "lowrank/lora";
import {
  AdamW,
  Bert,
  cloneModule,
  GPT2,
  Llama,
  loadPretrained,
  type Module,
  resizeTokenEmbeddings,
  savePretrained,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("adapters as they are found");

const VOCAB = 11;
const ids = [[1, 2, 3, 4]];
const gpt2 = (more = {}) =>
  new GPT2(
    {
      model_type: "gpt2",
      vocab_size: VOCAB,
      n_positions: 8,
      n_embd: 4,
      n_layer: 1,
      n_head: 2,
      initializer_range: 0.5,
      ...more,
    },
    { rng: random(1) },
  ).eval();
const llama = (more = {}) =>
  new Llama(
    {
      ...{
        model_type: "llama",
        vocab_size: VOCAB,
        hidden_size: 4,
        intermediate_size: 6,
        num_hidden_layers: 1,
      },
      ...{
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 8,
        initializer_range: 0.5,
        ...more,
      },
    },
    { rng: random(1) },
  ).eval();
const bert = () =>
  new Bert(
    {
      ...{
        model_type: "bert",
        vocab_size: VOCAB,
        hidden_size: 4,
        intermediate_size: 6,
        num_hidden_layers: 1,
      },
      ...{ num_attention_heads: 2, max_position_embeddings: 8, num_labels: 2, initializer_range: 0.5 },
    },
    { rng: random(1) },
  ).eval();

const P = "base_model.model.";
const noise = (n: number, seed: number): Float32Array => Float32Array.from(random(seed).normal(n));
const entry = (shape: number[], seed: number): TensorBytes =>
  tensorBytes(
    "F32",
    shape,
    noise(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  );

/** An adapter of a model, its factors random, with other fields and tensors. */
function filesOf(
  model: GPT2 | Llama | Bert,
  config: object,
  fields: object = {},
  change: (tensors: Map<string, TensorBytes>) => void = () => {},
): AdapterFiles {
  const adapted = inject(model as GPT2, { rank: 2, alpha: 3, seed: 1, ...config } as never);
  let seed = 100;
  for (const part of adapted.adapter("default").values())
    for (const parameter of part.parameters()) parameter.assign(noise(parameter.size, seed++));
  for (const { copy } of adapted.ownParameters("default")) copy.assign(noise(copy.size, seed++));
  const files = writeAdapter(adapted as never);
  const tensors = new Map<string, TensorBytes>(parseSafetensors(files.weights).tensors);
  change(tensors);
  return {
    config: JSON.stringify({ ...JSON.parse(files.config), ...fields }),
    weights: serializeSafetensors(tensors),
  };
}

const logits = (model: { forward(ids: never): { toArray(): Float32Array } }): Float32Array =>
  model.forward(ids as never).toArray();
const near = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
  assert.is(a.length, b.length);
  for (let i = 0; i < a.length; i++)
    assert.ok(Math.abs(a[i] - b[i]) < 1e-5, `${i}: ${a[i]}, expected ${b[i]}`);
};
const sameFiles = (a: AdapterFiles, b: AdapterFiles): void => {
  assert.is(a.config, b.config);
  assert.equal(a.weights, b.weights);
};
/** What was read is written as it was found, of a copy of the model too. */
const writesAgain = (adapted: ReturnType<typeof readAdapter>, files: AdapterFiles): void => {
  for (const model of [adapted, cloneModule(adapted), cloneModule(cloneModule(adapted))])
    sameFiles(writeAdapter(model), files);
};
const snapshot = (model: Module): string =>
  JSON.stringify(
    Array.from(model.namedParameters(), ([name, { value, requiresGrad }]) => [
      name,
      requiresGrad,
      [...value.data],
    ]),
  );

function refused(
  model: Module & { forward(...x: never[]): unknown },
  files: AdapterFiles,
  message: RegExp,
): void {
  const before = snapshot(model);
  assert.throws(
    () => readAdapter(model, files),
    (error: unknown) => {
      if (error instanceof CheckpointError && message.test(error.message)) return true;
      throw error;
    },
  );
  assert.is(snapshot(model), before);
}

for (const [what, make, save, target] of [
  ["a classifier", bert, "classifier", "query"],
  ["a norm", gpt2, "ln_f", "c_attn"],
] as const) {
  test(`biases of a saved module that are there three times: ${what}`, () => {
    const module = save === "ln_f" ? "transformer.ln_f" : save;
    const base = [...make().namedParameters()].find(([name]) => name === `${module}.bias`)![1];
    const files = filesOf(make(), { target: [target], bias: "all", modulesToSave: [save] });
    const thrice = filesOf(
      make(),
      { target: [target], bias: "all", modulesToSave: [save] },
      {},
      (tensors) => {
        tensors.set(`${P}${module}.modules_to_save.bias`, tensors.get(`${P}${module}.bias`)!);
        tensors.set(`${P}${module}.original_module.bias`, tensorBytes("F32", base.shape, base.toArray()));
      },
    );
    const adapted = readAdapter(make(), thrice);
    assert.equal(logits(adapted as never), logits(readAdapter(make(), files) as never));
    sameFiles(writeAdapter(adapted), thrice);
    const torn = filesOf(make(), { target: [target], bias: "all", modulesToSave: [save] }, {}, (tensors) => {
      tensors.set(`${P}${module}.modules_to_save.bias`, entry([...base.shape], 9));
    });
    refused(make(), torn, /modules_to_save\.bias differ; expected one/);
  });
}

/** The model with these weights in the place of its own. */
function withTokens(model: GPT2 | Llama, table: TensorBytes, head: TensorBytes): GPT2 | Llama {
  const floats = ({ bytes }: TensorBytes) => new Float32Array(bytes.slice().buffer);
  const embed = model instanceof GPT2 ? model.transformer.wte : model.model.embed_tokens;
  embed.weight.assign(floats(table));
  (model.lm_head as never as { weight: typeof embed.weight }).weight.assign(floats(head));
  return model;
}

for (const [name, make, table, target] of [
  ["GPT-2", gpt2, "transformer.wte", "c_attn"],
  ["Llama", llama, "model.embed_tokens", "q_proj"],
] as const) {
  const [wte, head] = [entry([VOCAB, 4], 7), entry([VOCAB, 4], 8)];
  const put = (tensors: Map<string, TensorBytes>): void => {
    tensors.set(`${P}${table}.weight`, wte);
    tensors.set(`${P}lm_head.weight`, head);
  };
  const untied = () => make({ tie_word_embeddings: false });
  const tied = () => make({ tie_word_embeddings: true });
  const right = logits(
    readAdapter(withTokens(untied(), wte, head), filesOf(untied(), { target: [target] })) as never,
  );

  test(`${name}: embeddings that the file holds besides act with the adapter, frozen, and leave with it`, () => {
    for (const base of [tied, untied]) {
      const files = filesOf(base(), { target: [target] }, {}, put);
      const model = base();
      const before = logits(model as never);
      const adapted = readAdapter(model, files);
      near(logits(adapted as never), right);
      near(
        adapted.disabled(() => logits(adapted as never)),
        before,
      );
      assert.ok(adapted.trainableParameters().parameters.every(({ name }) => !/embed|wte|head/.test(name)));
      writesAgain(adapted, files);

      const folder = makeTemporaryFolder("plain-");
      savePretrained(adapted.toPlain() as GPT2, folder);
      near(logits(loadPretrained(folder) as never), right);
      removeFile(folder);
    }
  });

  test(`${name}: both ends of a tie in modules_to_save, with values of their own`, () => {
    const files = filesOf(tied(), { target: [target], modulesToSave: [table, "lm_head"] }, {}, put);
    const adapted = readAdapter(tied(), files);
    near(logits(adapted as never), right);
    assert.is(new Set(adapted.ownParameters("default").map(({ copy }) => copy)).size, 2);
    writesAgain(adapted, files);
    const same = filesOf(tied(), { target: [target], modulesToSave: [table, "lm_head"] });
    assert.is(
      new Set(
        readAdapter(tied(), same)
          .ownParameters("default")
          .map(({ copy }) => copy),
      ).size,
      1,
    );
  });

  test(`${name}: the base's own embeddings in the file are the base's`, () => {
    const base = tied();
    const weight = base.lm_head.denseWeight().toArray();
    const files = filesOf(tied(), { target: [target] }, {}, (tensors) => {
      for (const key of [table, "lm_head"])
        tensors.set(`${P}${key}.weight`, tensorBytes("F32", [VOCAB, 4], weight));
    });
    const adapted = readAdapter(base, files);
    assert.equal(adapted.ownParameters("default"), []);
    writesAgain(adapted, files);
  });

  test(`${name}: embeddings with NaN and -0 that are the base's bit for bit are the base's`, () => {
    const odd = (first: number) => {
      const model = tied();
      const embed = model instanceof GPT2 ? model.transformer.wte : model.model.embed_tokens;
      const values = embed.weight.toArray();
      values.set([first, -0]);
      embed.weight.assign(values);
      return { model, values };
    };
    const { values } = odd(Number.NaN);
    const files = filesOf(tied(), { target: [target] }, {}, (tensors) => {
      tensors.set(`${P}${table}.weight`, tensorBytes("F32", [VOCAB, 4], values));
    });
    const same = readAdapter(odd(Number.NaN).model, files);
    assert.equal(same.ownParameters("default"), []);
    const other = readAdapter(odd(0).model, files);
    assert.is(other.ownParameters("default").length, 1);
  });

  for (const tokens of [VOCAB + 3, VOCAB - 4]) {
    test(`${name}: a file with ${tokens} tokens for a base of ${VOCAB} resizes it`, () => {
      const [rows, out] = [entry([tokens, 4], 17), entry([tokens, 4], 18)];
      const files = filesOf(untied(), { target: [target] }, {}, (tensors) => {
        tensors.set(`${P}${table}.weight`, rows);
        tensors.set(`${P}lm_head.weight`, out);
      });
      const model = untied();
      const before = logits(model as never);
      const adapted = readAdapter(model, files);
      assert.is(model.config.vocab_size, tokens);
      const larger = make({ tie_word_embeddings: false, vocab_size: tokens });
      const expected = filesOf(make({ tie_word_embeddings: false }), { target: [target] });
      // The layers between are the same: only their own seeds differ, so they are copied.
      for (const [path, parameter] of larger.namedParameters())
        if (parameter.shape[0] !== tokens)
          parameter.assign(new Map(untied().namedParameters()).get(path)!.toArray());
      near(logits(adapted as never), logits(readAdapter(withTokens(larger, rows, out), expected) as never));
      const off = adapted.disabled(() => logits(adapted as never));
      for (let t = 0; t < 4; t++)
        near(
          off.slice(t * tokens, t * tokens + Math.min(tokens, VOCAB)),
          before.slice(t * VOCAB, t * VOCAB + Math.min(tokens, VOCAB)),
        );
      writesAgain(adapted, files);

      const half = filesOf(untied(), { target: [target] }, {}, (tensors) =>
        tensors.set(`${P}${table}.weight`, rows),
      );
      refused(untied(), half, /tokens where this model has 11, but no lm_head\.weight/);
      const wrong = filesOf(untied(), { target: [target] }, { r: 3 }, (tensors) => {
        tensors.set(`${P}${table}.weight`, rows);
        tensors.set(`${P}lm_head.weight`, out);
      });
      const again = untied();
      refused(again, wrong, /misshapen/);
      assert.is(again.config.vocab_size, VOCAB);
    });
  }
}

test("resized in double precision: not a bit of the rows is lost", () => {
  withPrecision("float64", () => {
    for (const tokens of [VOCAB + 2, VOCAB - 2]) {
      const kept = Math.min(tokens, VOCAB) * 4;
      for (const model of [gpt2(), llama({ tie_word_embeddings: false })]) {
        const embed = model instanceof GPT2 ? model.transformer.wte : model.model.embed_tokens;
        embed.weight.assign(
          random(3)
            .normal(embed.weight.size)
            .map((x) => x / 3),
        );
        const before = embed.weight.value.data.slice(0, kept);
        const undo = resizeTokenEmbeddings(model, tokens);
        assert.equal(embed.weight.value.data.slice(0, kept), before);
        undo();
        const path = model instanceof GPT2 ? "transformer.wte" : "model.embed_tokens";
        const target = model instanceof GPT2 ? "c_attn" : "q_proj";
        const files = filesOf(cloneModule(model), { target: [target] }, {}, (tensors) => {
          for (const name of [path, "lm_head"]) tensors.set(`${P}${name}.weight`, entry([tokens, 4], 17));
        });
        const adapted = readAdapter(model as GPT2, files);
        const table = new Map(adapted.disabled(() => [...adapted.model.namedParameters()]));
        assert.equal(table.get(`${path}.weight`)?.value.data.slice(0, kept), before);
      }
    }
  });
});

test("resized: rows that are added are the mean, tied stays tied, and it can be undone", () => {
  const model = gpt2();
  const { config } = model;
  const before = model.transformer.wte.weight;
  const undo = resizeTokenEmbeddings(model, VOCAB + 2);
  assert.is(model.transformer.wte.weight, (model.lm_head as unknown as { weight: unknown }).weight);
  assert.is(model.transformer.config.vocab_size, VOCAB + 2);
  assert.is(config.vocab_size, VOCAB);
  const rows = model.transformer.wte.weight.toArray();
  assert.equal(rows.slice(0, before.size), before.toArray());
  for (let c = 0; c < 4; c++) {
    const mean = Array.from({ length: VOCAB }, (_, r) => rows[4 * r + c]).reduce((a, b) => a + b) / VOCAB;
    for (const row of [VOCAB, VOCAB + 1]) assert.ok(Math.abs(rows[4 * row + c] - mean) < 1e-6);
  }
  assert.equal(model.forward([[VOCAB + 1]]).shape, [1, 1, VOCAB + 2]);
  undo();
  assert.is(model.transformer.wte.weight, before);
  assert.is(model.config, config);
  for (const bad of [0, 1.5, Number.NaN])
    assert.throws(() => resizeTokenEmbeddings(model, bad), /positive integer/);
});

test("ensure_weight_tying is nothing where it ties nothing, and refused where it does", () => {
  const files = filesOf(gpt2(), { target: ["c_attn"] }, { ensure_weight_tying: true });
  sameFiles(writeAdapter(readAdapter(gpt2(), files)), files);
  const one = filesOf(gpt2(), { target: ["c_attn"], modulesToSave: ["wte"] }, { ensure_weight_tying: true });
  refused(
    gpt2(),
    one,
    /ensure_weight_tying is not supported where it ties transformer\.wte\.weight and lm_head\.weight/,
  );
  const both = filesOf(
    gpt2(),
    { target: ["c_attn"], modulesToSave: ["wte", "lm_head"] },
    { ensure_weight_tying: true },
  );
  readAdapter(gpt2(), both);
  const on = filesOf(gpt2(), { target: ["wte"] }, { ensure_weight_tying: true });
  refused(gpt2(), on, /ensure_weight_tying/);
});

test("keys without PEFT's prefix are read; some with and some without are not", () => {
  const files = filesOf(llama(), { target: ["q_proj"] });
  const tensors = [...parseSafetensors(files.weights).tensors];
  const bare = (count: number) => ({
    ...files,
    weights: serializeSafetensors(
      tensors.map(([key, one], i) => [i < count ? key.replace(P, "") : key, one] as const),
    ),
  });
  assert.equal(logits(readAdapter(llama(), bare(2)) as never), logits(readAdapter(llama(), files) as never));
  refused(
    llama(),
    bare(1),
    /the file names it model\.layers\S+, for this model it is base_model\.model\.model\.layers/,
  );
});

test("keys with the adapter's name in them are shown beside PEFT's", () => {
  const files = filesOf(llama(), { target: ["q_proj"] }, {}, (tensors) => {
    for (const [key, one] of [...tensors]) {
      tensors.delete(key);
      tensors.set(key.replace(".weight", ".default.weight"), one);
    }
  });
  refused(llama(), files, /names it \S+lora_A\.default\.weight, for this model it is \S+lora_A\.weight/);
});

test("unknown fields are named once, kept, and written again; switched off they are nothing to say", () => {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (message: string) => said.push(message);
  try {
    const files = filesOf(
      llama(),
      { target: ["q_proj"] },
      { use_shiny: true, shiny_factor: 3.5, dull: null, off: false, none: [] },
    );
    const adapted = readAdapter(llama(), files);
    readAdapter(llama(), files);
    writesAgain(adapted, files);
    const mine = said.filter((message) => message.includes("use_shiny"));
    assert.is(mine.length, 1);
    assert.match(mine[0], /use_shiny, shiny_factor: unknown/);
  } finally {
    console.warn = warn;
  }
});

test("folders without the two files say what is there and what to do", () => {
  const folder = makeTemporaryFolder("adapter-");
  const write = (name: string, text: string): void =>
    writeFileAtomic(`${folder}/${name}`, new TextEncoder().encode(text));
  const says = (message: RegExp): void => {
    assert.throws(
      () => loadAdapter(llama(), folder),
      (error: unknown) => error instanceof CheckpointError && message.test(error.message),
    );
  };
  says(/no adapter_config\.json; the folder is empty/);
  write("config.json", "{}");
  says(/no adapter_config\.json, but config\.json: it is a model's folder, which loadPretrained reads/);
  removeFile(`${folder}/config.json`);
  write("adapter_config.json", filesOf(llama(), { target: ["q_proj"] }).config);
  says(/no adapter_model\.safetensors; the folder holds adapter_config\.json/);
  for (const pickle of ["adapter_model.bin", "adapter_model.pth"]) {
    write(pickle, "pickle");
    says(new RegExp(`but ${pickle}, a pickle of PyTorch: .*safe_serialization=True`));
    assert.equal(listFolder(folder), ["adapter_config.json", pickle]);
    removeFile(`${folder}/${pickle}`);
  }
  removeFile(folder);
});

test("an AdaLoRA adapter that was loaded pruned stays pruned while it trains", () => {
  const config = { method: "adalora", rank: 3, ranknum: true, target: ["c_attn", "c_fc"] };
  const adapted = inject(gpt2(), { ...config, seed: 1 } as never);
  const lambdas = [
    [0, 2, 0],
    [1, 0, 3],
  ];
  for (const [i, part] of [...adapted.adapter("default").values()].entries())
    (part as AdaLoRA).lambda.assign(lambdas[i]);
  const files = writeAdapter(adapted);
  const again = readAdapter(gpt2(), files);
  near(logits(again as never), logits(adapted as never));
  const optimizer = new AdamW(
    again.parameters().filter(({ requiresGrad }) => requiresGrad),
    { lr: 0.1, weightDecay: 0.1 },
  );
  again.train();
  for (let step = 0; step < 3; step++) {
    (again.forward([[1, 2, 3]]) as ReturnType<GPT2["forward"]>).square().mean().backward();
    optimizer.step();
    optimizer.zeroGrad();
  }
  for (const [i, part] of [...again.adapter("default").values()].entries()) {
    const values = [...(part as AdaLoRA).lambda.value.data];
    assert.equal(
      values.map((λ) => λ !== 0),
      lambdas[i].map((λ) => λ !== 0),
    );
    assert.is((part as AdaLoRA).activeRank(), lambdas[i].filter(Boolean).length);
  }
  assert.equal(JSON.parse(writeAdapter(again).config).rank_pattern, JSON.parse(files.config).rank_pattern);
});

test("lora_bias adds s b to the output of its layers, and is written again", () => {
  const config = { rankStabilized: true, target: ["c_attn", "c_fc"] };
  const plain = filesOf(gpt2(), config);
  const withBias = (tensors: Map<string, TensorBytes>): void => {
    for (const [key, { shape }] of [...tensors])
      if (key.endsWith("lora_B.weight")) tensors.set(key.replace(/weight$/, "bias"), entry([shape[0]], 7));
  };
  const files = filesOf(gpt2(), config, { lora_bias: true }, withBias);
  const [adapted, without] = [files, plain].map((one) => readAdapter(gpt2(), one));
  const name = "transformer.h.0.attn.c_attn";
  const x = tensor(noise(8, 3), [2, 4]);
  const output = (model: typeof adapted) =>
    (model.layers.get(name) as AdaptedLayer).forward(x).toArray() as Float32Array;
  const b = noise(12, 7);
  near(
    output(adapted),
    output(without).map((value, i) => value + (3 / Math.SQRT2) * b[i % 12]),
  );
  writesAgain(adapted, files);
  assert.is(adapted.status()[0].method, "lora-bias");
  const also = (fields: object): AdapterFiles => ({
    ...files,
    config: JSON.stringify({ ...JSON.parse(files.config), ...fields }),
  });
  refused(gpt2(), also({ use_dora: true }), /lora_bias does not go with use_dora/);
  refused(gpt2(), also({ peft_type: "ADALORA" }), /lora_bias does not go with peft_type ADALORA/);
  refused(gpt2(), also({ lora_bias: false }), /unexpected: .*lora_B\.bias/);
});

for (const [what, make, target, indices, changed] of [
  ["GPT-2, tied", gpt2, "c_attn", [3, 9], ["transformer.wte.weight"]],
  ["GPT-2, tied, by name", gpt2, "c_attn", { wte: [0] }, ["transformer.wte.weight"]],
  ["Llama, untied", llama, "q_proj", [10, 2, 5], ["model.embed_tokens.weight"]],
  [
    "Llama, untied, the head too",
    llama,
    "q_proj",
    { embed_tokens: [1], lm_head: [2, 4] },
    ["model.embed_tokens.weight", "lm_head.weight"],
  ],
  ["BERT", bert, "query", [7], ["bert.embeddings.word_embeddings.weight"]],
] as const) {
  test(`trainable_token_indices, ${what}: the rows stand in place of the base's`, () => {
    const rowsAt = (name: string): readonly number[] =>
      Array.isArray(indices)
        ? indices
        : (Object.entries(indices).find(([end]) => name.endsWith(`${end}.weight`))?.[1] as readonly number[]);
    const keyOf = (name: string): string =>
      `${P}${name.replace(/weight$/, "token_adapter.trainable_tokens_delta")}`;
    const files = filesOf(make(), { target: [target] }, { trainable_token_indices: indices }, (tensors) => {
      for (const name of changed) tensors.set(keyOf(name), entry([rowsAt(name).length, 4], 9));
    });
    const base = make();
    for (const [name, parameter] of base.namedParameters()) {
      if (!(changed as readonly string[]).includes(name)) continue;
      const table = parameter.toArray() as Float32Array;
      const rows = noise(rowsAt(name).length * 4, 9);
      for (const [i, row] of rowsAt(name).entries()) table.set(rows.subarray(4 * i, 4 * i + 4), 4 * row);
      parameter.assign(table);
    }
    const { trainable_token_indices: _, ...without } = JSON.parse(files.config);
    const plainTensors = new Map(
      [...parseSafetensors(files.weights).tensors].filter(([key]) => /lora_/.test(key)),
    );
    const expected = readAdapter(base as Llama, {
      config: JSON.stringify(without),
      weights: serializeSafetensors(plainTensors),
    });
    const model = make();
    const before = logits(model);
    const adapted = readAdapter(model as Llama, files);
    near(logits(adapted), logits(expected));
    near(logits(adapted.toPlain()), logits(expected.toPlain()));
    assert.equal(
      adapted.disabled(() => logits(adapted)),
      before,
    );
    assert.ok(
      adapted
        .trainableParameters()
        .parameters.every(({ name }) => name.includes("lora") || /[AB]$/.test(name)),
    );
    writesAgain(adapted, files);
  });
}

test("trainable_token_indices that are no rows of the model's tables are refused", () => {
  const files = (indices: unknown, target = "q_proj"): AdapterFiles =>
    filesOf(llama(), { target: [target] }, { trainable_token_indices: indices });
  refused(
    llama(),
    files([VOCAB]),
    /trainable_token_indices: model\.embed_tokens has 11 rows; got the number 11/,
  );
  refused(
    llama(),
    files({ nothing: [1] }),
    /expected the end of the name of a table of embeddings; got nothing/,
  );
  refused(llama(), files([1]), /missing: .*embed_tokens\.token_adapter\.trainable_tokens_delta/);
  for (const indices of [[1, 1], [-1], [0.5], "3", { embed_tokens: 3 }])
    refused(llama(), files(indices), /trainable_token_indices: expected distinct numbers of tokens/);
  refused(
    llama(),
    files([1], "embed_tokens"),
    /embed_tokens is among target_modules or modules_to_save, too/,
  );
});

test("target_parameters on weights of linear layers is LoRA on these layers, and is written again", () => {
  const both = filesOf(llama(), { target: ["q_proj", "gate_proj"] });
  for (const [fields, layers] of [
    [{ target_modules: ["q_proj"], target_parameters: ["mlp.gate_proj.weight"] }, ["q_proj", "gate_proj"]],
    [
      { target_modules: [], target_parameters: ["gate_proj.weight", "q_proj.weight"] },
      ["q_proj", "gate_proj"],
    ],
    [
      { target_modules: null, target_parameters: ["gate_proj.weight", "q_proj.weight"] },
      ["q_proj", "gate_proj"],
    ],
    [
      { target_modules: ["q_proj"], target_parameters: ["gate_proj.weight"], layers_to_transform: [0] },
      ["q_proj", "gate_proj"],
    ],
  ] as const) {
    const files = { ...both, config: JSON.stringify({ ...JSON.parse(both.config), ...fields }) };
    const adapted = readAdapter(llama(), files);
    assert.equal(
      [...adapted.layers.keys()].map((name) => name.split(".").at(-1)),
      layers,
    );
    near(logits(adapted), logits(readAdapter(llama(), both)));
    writesAgain(adapted, files);
  }
  const with_ = (target: string, fields: object): AdapterFiles =>
    filesOf(gpt2(), { target: [target] }, fields);
  const of = (fields: object): AdapterFiles => ({
    ...both,
    config: JSON.stringify({ ...JSON.parse(both.config), ...fields }),
  });
  refused(
    gpt2(),
    with_("c_attn", { target_modules: [], target_parameters: ["c_attn.weight"], fan_in_fan_out: false }),
    /target_parameters: transformer\.h\.0\.attn\.c_attn\.weight is not supported; expected the weights of linear/,
  );
  for (const [fields, message] of [
    [{ target_parameters: ["norm.weight"] }, /norm\.weight is not supported/],
    [{ target_parameters: ["q_proj.weight"] }, /q_proj is among target_modules, too/],
    [{ target_parameters: ["gate_proj.weight"], lora_dropout: 0.5 }, /target_parameters with lora_dropout/],
    [
      { target_parameters: ["gate_proj.weight"], rank_pattern: { q: 2 } },
      /target_parameters with rank_pattern/,
    ],
    [{ target_parameters: ["gate_proj.weight"], use_dora: true }, /target_parameters with the method dora/],
    [{ target_parameters: "gate_proj.weight" }, /target_parameters: expected a list of texts/],
    [{ target_modules: ["q_proj"], target_parameters: ["nothing"] }, /unexpected: .*gate_proj/],
  ] as const)
    refused(llama(), of(fields), message);
});

test("what wrappers of PyTorch leave in keys is seen through", () => {
  const plain = filesOf(llama(), { target: ["q_proj"], modulesToSave: ["lm_head"] });
  const renamed = (name: (key: string) => string): AdapterFiles => ({
    ...plain,
    weights: serializeSafetensors(
      Array.from(parseSafetensors(plain.weights).tensors, ([key, tensor]) => [name(key), tensor]),
    ),
  });
  for (const name of [
    (key: string) => `_orig_mod.${key}`,
    (key: string) => `module.${key}`,
    (key: string) => key.replace(P, `${P}_orig_mod.`),
    (key: string) => key.replace(".layers.0.", ".layers.0._checkpoint_wrapped_module."),
    (key: string) => `_orig_mod.${key.slice(P.length)}`,
  ])
    near(logits(readAdapter(llama(), renamed(name))), logits(readAdapter(llama(), plain)));
  const twice = serializeSafetensors([
    ...parseSafetensors(plain.weights).tensors,
    ...Array.from(parseSafetensors(plain.weights).tensors, ([key, one]) => [`module.${key}`, one] as const),
  ]);
  refused(llama(), { ...plain, weights: twice }, /is there twice, once in a wrapper of PyTorch/);
});

test("an adapter in shards is one adapter; saved in its place, it is one file", () => {
  const folder = makeTemporaryFolder("adapter-shards-");
  const write = (name: string, text: string | Uint8Array): void =>
    writeFileAtomic(`${folder}/${name}`, typeof text === "string" ? new TextEncoder().encode(text) : text);
  const files = filesOf(llama(), { target: ["q_proj", "v_proj"] });
  const tensors = [...parseSafetensors(files.weights).tensors];
  const weight_map: Record<string, string> = {};
  for (const i of [0, 1]) {
    const part = tensors.filter((_, k) => k % 2 === i);
    const name = `adapter_model-0000${i + 1}-of-00002.safetensors`;
    write(name, serializeSafetensors(part));
    for (const [key] of part) weight_map[key] = name;
  }
  write("adapter_config.json", files.config);
  write("adapter_model.safetensors.index.json", JSON.stringify({ metadata: {}, weight_map }));
  const adapted = loadAdapter(llama(), folder);
  near(logits(adapted), logits(readAdapter(llama(), files)));
  assert.equal(
    openAdapter(folder)
      .layers.map(({ name }) => name.split(".").at(-1))
      .sort(),
    ["q_proj", "v_proj"],
  );
  saveAdapter(adapted, folder);
  assert.ok(!listFolder(folder).includes("adapter_model.safetensors.index.json"));
  near(logits(loadAdapter(llama(), folder)), logits(adapted));
  removeFile(`${folder}/adapter_model.safetensors`);
  write("adapter_model.safetensors.index.json", JSON.stringify({ weight_map: { x: "../../x.safetensors" } }));
  assert.throws(() => loadAdapter(llama(), folder), /expected names of safetensors files in this folder/);
  removeFile(folder);
});

test("fields by which PEFT only trains otherwise are warned of", () => {
  const heard: string[] = [];
  const before = setWarnings((message) => heard.push(message));
  try {
    readAdapter(llama(), filesOf(llama(), { target: ["q_proj"] }, { velora_config: { num_groups: 4 } }));
    readAdapter(llama(), filesOf(llama(), { target: ["q_proj"] }, { init_lora_weights: "mica" }));
    assert.match(
      heard[0],
      /velora_config: the adapter computes what it does in PEFT, but is trained on as a plain/,
    );
    assert.match(heard[1], /init_lora_weights "mica"/);
  } finally {
    setWarnings(before);
  }
});

test("an AdaLoRA adapter with λ = 0 in a whole file is written again whole, and pruned once more is dead", () => {
  const files = filesOf(llama(), { method: "adalora", target: ["q_proj", "v_proj"] }, {}, (tensors) => {
    const key = `${P}model.layers.0.self_attn.q_proj.lora_E`;
    tensors.set(key, tensorBytes("F32", [2, 1], [0, 0.5]));
  });
  const adapted = readAdapter(llama(), files);
  writesAgain(adapted, files);
  const part = adapted.adapter("default").get("model.layers.0.self_attn.v_proj") as AdaLoRA;
  part.lambda.assign([part.lambda.toArray()[0], 0]);
  const { rank_pattern } = JSON.parse(writeAdapter(adapted).config);
  assert.equal(rank_pattern, {
    "model.layers.0.self_attn.q_proj.lora_E": [false, true],
    "model.layers.0.self_attn.v_proj.lora_E": [true, false],
  });
});

test.run();
