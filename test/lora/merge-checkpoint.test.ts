/** @file mergeCheckpoint: the same numbers as loadAdapter, toPlain and savePretrained, for every method and form of file. */

import * as fc from "fast-check";
import {
  exists,
  listFolder,
  loadSafetensors,
  makeTemporaryFolder,
  random,
  readFile,
  removeFile,
  saveSafetensors,
  setDevice,
  writeFileAtomic,
} from "lowrank/core";
import { type AdaLoRA, inject, loadAdapter, mergeCheckpoint, saveAdapter } from "lowrank/lora";
import { Bert, GPT2, Llama, loadPretrained, type PretrainedModel, savePretrained } from "lowrank/nn";
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
    { numRuns: 60 },
  );
});

test.after(() => removeFile(root));
test.run();
