/** @file mergeCheckpoint: the same numbers as loadAdapter, toPlain and savePretrained, for every method and form of file. */

import * as fc from "fast-check";
import {
  exists,
  LowrankError,
  listFolder,
  loadSafetensors,
  makeTemporaryFolder,
  random,
  readFile,
  removeFile,
  saveSafetensors,
  setDevice,
  withPrecision,
  writeFileAtomic,
} from "lowrank/core";
import { type AdaLoRA, inject, loadAdapter, mergeCheckpoint, mergeSteps, saveAdapter } from "lowrank/lora";
import {
  Bert,
  BertModel,
  GPT2,
  Llama,
  loadPretrained,
  type PretrainedModel,
  resizeTokenEmbeddings,
  savePretrained,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

setDevice("cpu");
const test = suite("merging into checkpoints");

const root = makeTemporaryFolder("lowrank-merge-");
let made = 0;
const fresh = (): string => `${root}/${made++}`;

type Kind = "gpt2" | "llama" | "bert";

function newModel(kind: Kind, tied: boolean): PretrainedModel {
  const common = { vocab_size: 13, tie_word_embeddings: tied, initializer_range: 0.5 };
  const rng = random(made);
  if (kind === "gpt2")
    return new GPT2(
      { model_type: "gpt2", n_positions: 8, n_embd: 6, n_layer: 2, n_head: 2, ...common },
      { rng },
    );
  const sizes = { hidden_size: 8, intermediate_size: 10, num_hidden_layers: 1, num_attention_heads: 2 };
  if (kind === "llama")
    return new Llama(
      { model_type: "llama", ...sizes, num_key_value_heads: 1, max_position_embeddings: 16, ...common },
      { rng },
    );
  const { tie_word_embeddings: _, ...encoder } = common;
  return new Bert(
    { model_type: "bert", ...sizes, max_position_embeddings: 16, num_labels: 3, ...encoder },
    { rng },
  );
}

interface Trial {
  readonly kind: Kind;
  readonly tied: boolean;
  readonly dtype: "F32" | "F16" | "BF16";
  readonly config: object;
  readonly shards: boolean;
  readonly step: number;
  readonly seed: number;
}

const targets: Readonly<Record<Kind, readonly (readonly string[])[]>> = {
  gpt2: [["c_attn"], ["c_attn", "c_proj", "c_fc"], ["wte"], ["lm_head", "c_fc"], ["wte", "wpe", "lm_head"]],
  llama: [["q_proj", "v_proj"], ["up_proj", "down_proj", "o_proj"], ["embed_tokens"], ["lm_head", "k_proj"]],
  bert: [["query", "value"], ["dense"], ["word_embeddings", "key"]],
};
const saves: Readonly<Record<Kind, readonly string[]>> = {
  gpt2: ["ln_f", "wpe"],
  llama: ["norm"],
  bert: ["classifier"],
};

const trial: fc.Arbitrary<Trial> = fc
  .record({
    kind: fc.constantFrom<Kind>("gpt2", "llama", "bert"),
    tied: fc.boolean(),
    dtype: fc.constantFrom("F32", "F16", "BF16"),
    method: fc.constantFrom("lora", "dora", "adalora", "lora-fa"),
    target: fc.nat(10),
    rank: fc.integer({ min: 1, max: 4 }),
    alpha: fc.constantFrom(1, 3, 8),
    rankStabilized: fc.boolean(),
    bias: fc.constantFrom("none", "all", "lora-only"),
    saved: fc.boolean(),
    pattern: fc.boolean(),
    shards: fc.boolean(),
    step: fc.constantFrom(1, 7, 20, 1e6),
    seed: fc.nat(1e6),
  })
  .map(
    ({ kind, tied, dtype, method, target, rank, alpha, rankStabilized, bias, saved, pattern, ...rest }) => {
      const all = targets[kind];
      const names = all[target % all.length].filter(
        (name) => method !== "adalora" || !/^w.e$|embed/.test(name),
      );
      const used = names.length > 0 ? names : all[0];
      const config = {
        ...{ method, rank, alpha, target: used, bias },
        ...(method !== "adalora" ? { rankStabilized } : { ranknum: true }),
        ...(saved && { modulesToSave: saves[kind] }),
        ...(pattern &&
          method !== "adalora" && { rankPattern: { [used[0]]: rank + 1 }, alphaPattern: { [used[0]]: 5 } }),
      };
      return { kind, tied, dtype, config, ...rest };
    },
  );

/** Writes an adapter whose numbers are random into a folder. */
function newAdapter(base: string, config: object, seed: number): string {
  const adapted = inject(loadPretrained(base) as GPT2, config as never);
  let next = seed;
  const fill = (n: number): Float32Array => Float32Array.from(random(next++).normal(n, 0, 0.3));
  for (const part of adapted.adapter("default").values()) {
    for (const parameter of part.parameters()) parameter.assign(fill(parameter.size));
    if (part.method === "adalora" && part.rank > 1) {
      const lambda = (part as AdaLoRA).lambda;
      lambda.assign(lambda.value.data.map((x: number, i: number) => (i === seed % part.rank ? 0 : x)));
    }
  }
  for (const { copy } of adapted.ownParameters("default")) copy.assign(fill(copy.size));
  const folder = fresh();
  saveAdapter(adapted as never, folder);
  return folder;
}

/** The base in two files with an index. */
function inShards(folder: string): void {
  const { tensors } = loadSafetensors(`${folder}/model.safetensors`);
  const names = [...tensors.keys()];
  const weight_map: Record<string, string> = {};
  for (const [i, part] of [names.slice(0, 5), names.slice(5)].entries()) {
    const file = `model-0000${i + 1}-of-00002.safetensors`;
    saveSafetensors(
      `${folder}/${file}`,
      part.map((name) => [name, tensors.get(name)!] as const),
    );
    for (const name of part) weight_map[name] = file;
  }
  removeFile(`${folder}/model.safetensors`);
  const index = { metadata: { total_size: 1 }, weight_map };
  writeFileAtomic(`${folder}/model.safetensors.index.json`, new TextEncoder().encode(JSON.stringify(index)));
}

const state = (model: PretrainedModel): Map<string, ArrayLike<number>> =>
  new Map(Array.from(model.stateDict(), ([name, { data }]) => [name, data]));

/** The files of a folder by name. */
const contents = (folder: string): Map<string, string> =>
  new Map(
    listFolder(folder).map((name) => [name, Buffer.from(readFile(`${folder}/${name}`)).toString("hex")]),
  );

function sameState(found: PretrainedModel, expected: PretrainedModel): void {
  const [a, b] = [state(found), state(expected)];
  assert.equal([...a.keys()], [...b.keys()]);
  for (const [name, values] of b) {
    const other = a.get(name)!;
    for (let i = 0; i < values.length; i++)
      assert.ok(Object.is(other[i], values[i]), `${name}[${i}]: ${other[i]}, expected ${values[i]}`);
  }
}

test("a merged checkpoint is that of loadAdapter, toPlain and savePretrained, bit for bit", () => {
  fc.assert(
    fc.property(trial, ({ kind, tied, dtype, config, shards, step, seed }) => {
      const base = fresh();
      savePretrained(newModel(kind, tied), base, { dtype });
      const adapter = newAdapter(base, config, seed);
      if (shards) inShards(base);
      const before = [contents(base), contents(adapter)];

      const out = fresh();
      const report = mergeCheckpoint({ base, adapters: [{ folder: adapter }], out, step });
      const plain = loadAdapter(loadPretrained(base) as GPT2, adapter).toPlain();
      const expected = fresh();
      savePretrained(plain, expected, { dtype });
      sameState(loadPretrained(out), loadPretrained(expected));
      assert.equal([contents(base), contents(adapter)], before);
      assert.is(exists(`${out}/model.safetensors.index.json`), shards);
      assert.ok(report.changed.length > 0);
      for (const { lost, delta } of report.changed)
        assert.ok(lost >= 0 && Number.isFinite(lost) && delta >= 0);
    }),
    { numRuns: 30 },
  );
});

/** The matrix of a parameter of the checkpoint in a folder. */
const parameterIn = (folder: string, name: string): Float64Array =>
  Float64Array.from(state(loadPretrained(folder)).get(name) as ArrayLike<number>);

const norm = (values: Float64Array): number => Math.hypot(...values);

test("adapters with weights add Σ w ΔW to the base, and cost what rounding to the format moves the sum", () => {
  const name = "transformer.h.0.mlp.c_fc.weight";
  fc.assert(
    fc.property(
      fc.constantFrom("F32", "F16", "BF16"),
      fc.constantFrom("lora", "dora"),
      fc.array(
        fc.integer({ min: -16, max: 16 }).map((n) => n / 8),
        { minLength: 1, maxLength: 3 },
      ),
      fc.constantFrom(3, 1e6),
      (dtype, method, weights, step) => {
        const base = fresh();
        savePretrained(newModel("gpt2", true), base, { dtype });
        const adapters = weights.map((weight, i) => ({
          folder: newAdapter(base, { method, rank: 2, target: ["c_fc"] }, 10 * made + i),
          weight,
        }));
        const out = fresh();
        const { changed } = mergeCheckpoint({ base, adapters, out, step });
        const W = parameterIn(base, name);
        const exact = adapters.reduce((sum, { folder, weight }) => {
          const model = loadAdapter(loadPretrained(base) as GPT2, folder);
          const { data } = withPrecision(
            "float64",
            () => model.layers.get("transformer.h.0.mlp.c_fc")!.delta("default").T.value,
          );
          return sum.map((value, i) => value + weight * data[i]);
        }, W.slice());
        const merged = parameterIn(out, name);
        const report = changed.find((one) => one.name === name)!;
        const delta = norm(exact.map((value, i) => value - W[i]));
        const lost = norm(merged.map((value, i) => value - exact[i]));
        // float32 computes the sum with a few roundings of 2^-24 of W and of each w ΔW
        const slack = 2 ** -21 * (norm(W) + weights.reduce((sum, w) => sum + Math.abs(w), 1) * norm(exact));
        assert.ok(Math.abs(report.delta - delta) <= slack, `‖ΔW‖ ${report.delta}, expected ${delta}`);
        assert.ok(
          Math.abs(report.lost * report.delta - lost) <= slack,
          `lost ${report.lost * report.delta}, expected ${lost}`,
        );
        const spacing = { F32: 2 ** -24, F16: 2 ** -11, BF16: 2 ** -8 }[dtype];
        assert.ok(
          lost <= spacing * norm(exact) + slack + 1e-6,
          "no value is further than half a spacing from the sum",
        );
      },
    ),
    { numRuns: 12 },
  );
});

test("tensors that no adapter changes are copied byte for byte, and so are the other files; those of other formats are told", () => {
  const base = fresh();
  savePretrained(newModel("llama", true), base, { dtype: "BF16" });
  writeFileAtomic(`${base}/tokenizer.json`, new TextEncoder().encode("{}"));
  writeFileAtomic(`${base}/pytorch_model.bin`, new Uint8Array(3));
  const adapter = newAdapter(base, { rank: 2, target: ["q_proj"] }, 3);
  const out = fresh();
  const { changed, copied, left } = mergeCheckpoint({ base, adapters: [{ folder: adapter }], out });
  assert.equal(
    changed.map(({ name }) => name),
    ["model.layers.0.self_attn.q_proj.weight"],
  );
  assert.equal(left, ["pytorch_model.bin"]);
  assert.equal(copied, ["config.json", "tokenizer.json"]);
  const [before, after] = [
    loadSafetensors(`${base}/model.safetensors`),
    loadSafetensors(`${out}/model.safetensors`),
  ];
  assert.equal([...after.tensors.keys()], [...before.tensors.keys()]);
  for (const [name, { dtype, bytes }] of before.tensors) {
    const other = after.tensors.get(name)!;
    assert.is(other.dtype, dtype);
    assert.is(Buffer.from(other.bytes).equals(Buffer.from(bytes)), name !== changed[0].name, name);
  }
  assert.equal(contents(out).get("config.json"), contents(base).get("config.json"));
});

test("a largest file divides the weights; another format rounds all of them; both load as before", () => {
  const base = fresh();
  savePretrained(newModel("gpt2", false), base);
  const adapter = newAdapter(base, { rank: 2, target: ["c_attn"] }, 4);
  const out = fresh();
  const { weights } = mergeCheckpoint({
    base,
    adapters: [{ folder: adapter }],
    out,
    maxShardSize: 500,
    dtype: "BF16",
  });
  assert.ok(weights.length > 3);
  for (const name of weights) {
    const { tensors } = loadSafetensors(`${out}/${name}`);
    const bytes = [...tensors.values()].reduce((sum, tensor) => sum + tensor.bytes.length, 0);
    assert.ok(bytes <= 500 || tensors.size === 1);
    for (const { dtype } of tensors.values()) assert.is(dtype, "BF16");
  }
  const expected = fresh();
  savePretrained(loadAdapter(loadPretrained(base) as GPT2, adapter).toPlain(), expected, { dtype: "BF16" });
  sameState(loadPretrained(out), loadPretrained(expected));
  // and back into one file, over what is there
  const again = mergeCheckpoint({
    base: out,
    adapters: [{ folder: adapter, weight: 0 }],
    out: expected,
    maxShardSize: 1e9,
    overwrite: true,
  });
  assert.equal(again.weights, ["model.safetensors"]);
  sameState(loadPretrained(expected), loadPretrained(out));
  assert.not.ok(exists(`${expected}/model.safetensors.index.json`));
});

test("weights in 8-bit floats are merged into another format, and need one", () => {
  const base = fresh();
  savePretrained(newModel("llama", false), base);
  const { tensors } = loadSafetensors(`${base}/model.safetensors`);
  const eights = Array.from(tensors, ([name, { shape }], i) => {
    const bytes = Uint8Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      (_, j) => (37 * j + i) % 0x60,
    );
    return [name, { dtype: "F8_E4M3", shape, bytes }] as const;
  });
  saveSafetensors(`${base}/model.safetensors`, eights as never);
  const adapter = newAdapter(base, { rank: 2, target: ["q_proj"] }, 5);
  const out = fresh();
  assert.throws(
    () => mergeCheckpoint({ base, adapters: [{ folder: adapter }], out }),
    /is F8_E4M3, which .* expected a dtype/,
  );
  assert.not.ok(exists(out));
  mergeCheckpoint({ base, adapters: [{ folder: adapter }], out, dtype: "BF16" });
  const expected = fresh();
  savePretrained(loadAdapter(loadPretrained(base) as Llama, adapter).toPlain(), expected, { dtype: "BF16" });
  sameState(loadPretrained(out), loadPretrained(expected));
});

test("a file without transformer. in its names, with the head alone of a tied pair, keeps its names", () => {
  for (const isHead of [false, true]) {
    const base = fresh();
    savePretrained(newModel("gpt2", true), base);
    const { tensors } = loadSafetensors(`${base}/model.safetensors`);
    const bare = Array.from(tensors, ([name, tensor]) => {
      const theirs = name.replace("transformer.", "");
      return [isHead && theirs === "wte.weight" ? "lm_head.weight" : theirs, tensor] as const;
    });
    saveSafetensors(`${base}/model.safetensors`, bare);
    for (const target of ["lm_head", "wte"]) {
      const adapter = newAdapter(base, { rank: 2, target: [target] }, 5);
      const out = fresh();
      const { untied } = mergeCheckpoint({ base, adapters: [{ folder: adapter }], out });
      assert.ok(untied);
      const names = [...loadSafetensors(`${out}/model.safetensors`).tensors.keys()];
      assert.ok(
        names.includes("lm_head.weight") && names.includes("wte.weight") && names.includes("h.0.ln_1.weight"),
      );
      sameState(loadPretrained(out), loadAdapter(loadPretrained(base) as GPT2, adapter).toPlain());
    }
  }
});

test("added tokens: the merged model has the adapter's table and vocabulary, and the tokenizer beside it", () => {
  const base = fresh();
  savePretrained(newModel("llama", true), base);
  writeFileAtomic(`${base}/tokenizer.json`, new TextEncoder().encode('"old"'));
  const model = loadPretrained(base) as Llama;
  resizeTokenEmbeddings(model, 15);
  const adapter = fresh();
  saveAdapter(
    inject(model, { rank: 2, target: ["q_proj"], modulesToSave: ["embed_tokens", "lm_head"], seed: 1 }),
    adapter,
  );
  writeFileAtomic(`${adapter}/tokenizer.json`, new TextEncoder().encode('"new"'));
  const out = fresh();
  const { vocabulary } = mergeCheckpoint({ base, adapters: [{ folder: adapter }], out });
  assert.equal(vocabulary, { before: 13, after: 15 });
  const merged = loadPretrained(out) as Llama;
  assert.is(merged.config.vocab_size, 15);
  sameState(merged, loadAdapter(loadPretrained(base) as Llama, adapter).toPlain());
  assert.is(Buffer.from(readFile(`${out}/tokenizer.json`)).toString(), '"new"');
});

test("a classifier that only the adapter has goes into the checkpoint of its encoder", () => {
  const base = fresh();
  const { config } = newModel("bert", false) as Bert;
  savePretrained(new BertModel({ ...config, num_labels: 0 }, { rng: random(5) }), base);
  const adapter = fresh();
  const classifying = loadPretrained(base, { numLabels: 3 }) as Bert;
  saveAdapter(
    inject(classifying, { rank: 2, target: ["query"], modulesToSave: ["classifier"], seed: 1 }),
    adapter,
  );
  const out = fresh();
  mergeCheckpoint({ base, adapters: [{ folder: adapter }], out });
  sameState(
    loadPretrained(out),
    loadAdapter(loadPretrained(base, { numLabels: 3 }) as Bert, adapter).toPlain(),
  );
});

test("what cannot be merged is refused in a sentence, before anything is written", () => {
  const base = fresh();
  savePretrained(newModel("llama", true), base, { dtype: "F16" });
  const other = fresh();
  savePretrained(newModel("gpt2", true), other);
  const adapter = newAdapter(base, { rank: 2, target: ["q_proj"] }, 6);
  const foreign = newAdapter(other, { rank: 2, target: ["c_fc"] }, 6);
  const saving = newAdapter(base, { rank: 2, target: ["q_proj"], modulesToSave: ["norm"] }, 7);
  const huge = newAdapter(base, { rank: 2, alpha: 1e9, target: ["q_proj"] }, 8);
  const out = fresh();
  const one = (folder: string, weight?: number) => [{ folder, ...(weight !== undefined && { weight }) }];
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ adapters: [] }, /adapters to be a list of folders/],
    [{ adapters: one(foreign) }, /target_modules \["c_fc"\] is no layer of this Llama/],
    [
      { adapters: one(base) },
      /no adapter_config\.json: it is a model's folder|no adapter_config\.json, but config\.json/,
    ],
    [{ adapters: one(fresh()) }, /no adapter_config\.json; there is no such folder/],
    [{ adapters: one(adapter), base: fresh() }, /no config\.json; there is no such folder/],
    [{ adapters: one(adapter), base: adapter }, /no config\.json.*adapter/],
    [{ adapters: one(adapter), out: base }, /is the folder of the base; expected another/],
    [{ adapters: one(adapter), out: `${base}/../${base.split("/").at(-1)}` }, /is the folder of the base/],
    [{ adapters: one(adapter), out: adapter, overwrite: true }, /is the folder of the adapter/],
    [
      { adapters: one(adapter), out: other },
      /expected a new or empty folder to write to; it holds config\.json/,
    ],
    [{ adapters: one(adapter, Number.NaN) }, /a finite weight/],
    [{ adapters: one(saving, 0.5) }, /brings its own model\.norm\.weight, which has no part of 0\.5/],
    [{ adapters: [...one(saving), ...one(saving)] }, /both bring their own model\.norm\.weight/],
    [{ adapters: one(huge) }, /q_proj\.weight would hold .*F16 ends before it/],
    [{ adapters: one(adapter), dtype: "F8" }, /dtype to be one of F32, F16, BF16/],
    [{ adapters: one(adapter), maxShardSize: 0 }, /maxShardSize a positive number/],
    [{ adapters: one(adapter), weights: [1] }, /weights/],
  ];
  const before = listFolder(root);
  const untouched = [base, other, adapter, saving].map(contents);
  for (const [options, message] of refusals) {
    let said = "";
    try {
      mergeCheckpoint({ base, out, ...options } as never);
    } catch (error) {
      assert.ok(error instanceof LowrankError, String((error as Error).stack));
      said = error.message;
    }
    assert.match(said, message);
    assert.equal(listFolder(root), before);
  }
  assert.equal([base, other, adapter, saving].map(contents), untouched);
});

test("merging that ends early leaves nothing behind", () => {
  const base = fresh();
  savePretrained(newModel("llama", true), base);
  const adapter = newAdapter(base, { rank: 2, target: ["q_proj", "v_proj"] }, 9);
  const out = fresh();
  const before = listFolder(root);
  for (let pieces = 1; pieces < 20; pieces += 3) {
    const steps = mergeSteps({ base, adapters: [{ folder: adapter }], out, step: 8 });
    for (let i = 0; i < pieces; i++) assert.not.ok(steps.next().done);
    assert.ok(listFolder(root).length === before.length + 1, "it is being written under a temporary name");
    assert.not.ok(exists(out));
    steps.return(undefined as never);
    assert.equal(listFolder(root), before);
  }
});

test.after(() => removeFile(root));
test.run();
