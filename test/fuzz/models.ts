/** @file Fuzzed folders of models, whole and in shards, and of adapters that are merged into a checkpoint on the disk. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors, random, serializeSafetensors } from "lowrank/core";
import { inject, loadAdapter, mergeCheckpoint, writeAdapter } from "lowrank/lora";
import { Bert, GPT2, Llama, loadPretrained, savePretrained } from "lowrank/nn";
import { type Files, floatsOf } from "./mutate.ts";
import { bits, Changed, filesOf, firstOther, stateOf, type Target } from "./target.ts";

const gpt2 = () =>
  new GPT2(
    { model_type: "gpt2", vocab_size: 5, n_positions: 4, n_embd: 4, n_layer: 2, n_head: 2 },
    { rng: random(1) },
  );
const bert = () =>
  new Bert(
    {
      model_type: "bert",
      vocab_size: 5,
      max_position_embeddings: 4,
      hidden_size: 4,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 4,
      num_labels: 2,
    },
    { rng: random(1) },
  );
const llama = () =>
  new Llama(
    {
      model_type: "llama",
      vocab_size: 5,
      max_position_embeddings: 8,
      hidden_size: 8,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      intermediate_size: 4,
      rope_theta: 500,
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 4,
      },
    },
    { rng: random(1) },
  );

/** How a kind of model is made; the prefix that its names may lack; numbers of config.json that must be the model's. */
const kinds = {
  gpt2: {
    make: gpt2,
    prefix: "transformer.",
    numbers: ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon"],
  },
  bert: {
    make: bert,
    prefix: "bert.",
    numbers: ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"],
  },
  llama: {
    make: llama,
    prefix: "model.",
    numbers: [
      ...["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"],
      ...["intermediate_size", "max_position_embeddings", "rms_norm_eps", "rope_theta"],
    ],
  },
} as const;

const WEIGHTS = "model.safetensors";
const INDEX = `${WEIGHTS}.index.json`;
const jsonOf = (files: Files, name: string): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(files.get(name)));

/** A folder that loadPretrained reads. */
export function pretrained(kind: keyof typeof kinds, isSharded = false): Target {
  const { make, prefix, numbers } = kinds[kind];
  const whole = filesOf((folder) => savePretrained(make(), folder), ["config.json", WEIGHTS]);
  return {
    files: isSharded ? sharded(whole) : whole,
    load(files, folder) {
      const model = loadPretrained(folder);
      const fields = jsonOf(files, "config.json");
      const config = model.config as unknown as Record<string, unknown>;
      for (const name of numbers)
        if (typeof fields[name] === "number" && fields[name] !== config[name])
          return `${name} ${config[name]}, in the file ${fields[name]}`;
      const [scaling, given] = [config.rope_scaling, fields.rope_scaling] as Record<string, unknown>[];
      for (const name of Object.keys(given ?? {}))
        if (typeof given[name] === "number" && given[name] !== scaling?.[name])
          return `${name} ${scaling?.[name]}, in the file ${given[name]}`;
      const names = isSharded ? Object.values(jsonOf(files, INDEX).weight_map as object) : [WEIGHTS];
      const values = new Map(
        [...new Set(names)].flatMap((name) => [...floatsOf(files.get(name) as Uint8Array)]),
      );
      for (const [name, { shape, value }] of model.namedParameters()) {
        const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name;
        const text = values.get(name) ?? values.get(bare) ?? values.get(prefix + name);
        if (text !== `${shape}: ${value.data}`) return `${name} is not as in the file`;
      }
      return null;
    },
  };
}

/** The same weights in two files, with their index. */
function sharded(files: Files): Files {
  const all = [...parseSafetensors(files.get(WEIGHTS) as Uint8Array).tensors];
  const middle = all.length >> 1;
  const shards = [all.slice(0, middle), all.slice(middle)].map(
    (tensors, i) => [`model-0000${i + 1}-of-00002.safetensors`, tensors] as const,
  );
  const weight_map = Object.fromEntries(
    shards.flatMap(([file, tensors]) => tensors.map(([name]) => [name, file])),
  );
  return new Map([
    ["config.json", files.get("config.json") as Uint8Array],
    [INDEX, new TextEncoder().encode(JSON.stringify({ metadata: { total_size: 1 }, weight_map }))],
    ...shards.map(([file, tensors]) => [file, serializeSafetensors(new Map(tensors))] as const),
  ]);
}

/** A base and an adapter, which mergeCheckpoint makes into a new checkpoint: as loading both and saving would, or nothing. */
export function merge(): Target {
  const base = filesOf((folder) => savePretrained(gpt2(), folder), ["config.json", WEIGHTS]);
  const adapted = inject(gpt2(), { rank: 2, alpha: 3, target: ["c_attn", "c_fc"], seed: 1, method: "dora" });
  for (const part of adapted.adapter("default").values())
    for (const each of part.parameters()) each.assign(random(3).normal(each.size));
  const { config, weights } = writeAdapter(adapted);
  return {
    files: new Map([
      ...Array.from(base, ([name, bytes]) => [`base/${name}`, bytes] as const),
      ["adapter/adapter_config.json", new TextEncoder().encode(config)],
      ["adapter/adapter_model.safetensors", weights],
    ]),
    load(files, folder) {
      const [from, adapter, out] = ["base", "adapter", "out"].map((name) => join(folder, name));
      try {
        mergeCheckpoint({ base: from, adapters: [{ folder: adapter }], out });
      } catch (error) {
        if (readdirSync(folder).length !== 2 || !isAsBefore(files, folder))
          throw new Changed(`refused, but something has changed: ${(error as Error).message}`);
        throw error;
      }
      if (!isAsBefore(files, folder)) return "the base or the adapter has changed";
      const model = loadPretrained(from) as GPT2;
      const expected = loadAdapter(model, adapter).toPlain();
      const values = (state: typeof expected) =>
        new Map(Array.from(state.stateDict(), ([name, { data }]) => [name, bits(data)]));
      return stateOf(loadPretrained(out)) === stateOf(expected)
        ? null
        : (firstOther(values(expected), values(loadPretrained(out) as GPT2)) ?? "the model is another");
    },
  };
}

const isAsBefore = (files: Files, folder: string): boolean =>
  [...files].every(([name, bytes]) => readFileSync(join(folder, name)).equals(bytes));
