/** @file What is fuzzed: each kind of file that the library reads, into what, and what a load must give. */

import { join } from "node:path";
import { mseLoss, tensor } from "lowrank/autograd";
import { parseSafetensors, random, serializeSafetensors } from "lowrank/core";
import { inject, loadAdapter, measureUpdate, openAdapter, verifyAdapter, writeAdapter } from "lowrank/lora";
import { AdamW, GPT2, loadCheckpoint, MLP, saveCheckpoint } from "lowrank/nn";
import { loadQuantized, quantizedState, quantizeModel } from "lowrank/quant";
import { merge, pretrained } from "./models.ts";
import { floatsOf, plainTensors } from "./mutate.ts";
import { bits, filesOf, firstOther, stateOf, type Target, unlessRefused } from "./target.ts";
import { tokenizer } from "./tokenizers.ts";

const run = (seed: number) => {
  const model = new MLP(3, 4, { rng: random(seed) });
  return { model, optimizer: new AdamW(model.parameters(), { lr: 0.1 }), losses: [] as number[] };
};

/** A small file with every kind of name and metadata. */
function safetensors(): Target {
  const one = (dtype: "F32" | "BOOL" | "I64", shape: number[], bytes: number) => ({
    dtype,
    shape,
    bytes: new Uint8Array(bytes).fill(1),
  });
  const tensors = new Map([
    ["a.weight", one("F32", [2, 3], 24)],
    ["b.weight", one("F32", [2, 3], 24)], // as long: the places of the two can be exchanged
    ["c.weight", one("F32", [3, 2], 24)],
    ["é\n", one("BOOL", [5], 5)],
    ["", one("I64", [], 8)],
    ["empty", one("F32", [0, 7], 0)],
  ]);
  return {
    files: new Map([
      [
        "f.safetensors",
        serializeSafetensors(tensors, {
          metadata: new Map([
            ["format", "pt"],
            ["j", '{"x":[1]}'],
          ]),
        }),
      ],
    ]),
    load(files) {
      const bytes = files.get("f.safetensors") as Uint8Array;
      const text = ({
        dtype,
        shape,
        bytes,
      }: {
        dtype: string;
        shape: readonly number[];
        bytes: Uint8Array;
      }) => `${dtype} ${shape} ${bits(bytes)}`;
      const { tensors } = parseSafetensors(bytes);
      const got = new Map(Array.from(tensors, ([name, tensor]) => [name, text(tensor)]));
      return firstOther(
        new Map(Array.from(plainTensors(bytes), ([name, tensor]) => [name, text(tensor)])),
        got,
      );
    },
  };
}

function checkpoint(): Target {
  const { model, optimizer, losses } = run(1);
  for (let step = 0; step < 2; step++) {
    const x = tensor(random(step).normal(6), [2, 3]);
    const loss = mseLoss(model.forward(x), x);
    losses.push(loss.item());
    loss.backward();
    optimizer.step();
  }
  return {
    files: filesOf(
      (folder) => saveCheckpoint(join(folder, "run.safetensors"), model, optimizer, losses),
      ["run.safetensors"],
    ),
    load(files, folder) {
      const { model, optimizer, losses } = run(2);
      const state = () => `${stateOf(model)} ${JSON.stringify(optimizer.stateDict().steps)} ${losses}`;
      unlessRefused(state, () => loadCheckpoint(join(folder, "run.safetensors"), model, optimizer, losses));
      const again = filesOf(
        (other) => saveCheckpoint(join(other, "run.safetensors"), model, optimizer, losses),
        ["run.safetensors"],
      );
      const [given, got] = [files, again].map((one) => one.get("run.safetensors") as Uint8Array);
      const [before, after] = [given, got].map((bytes) => {
        const progress = JSON.parse(parseSafetensors(bytes).metadata.get("progress") ?? "");
        return JSON.stringify(Object.entries({ optimizer: "AdamW", ...progress }).sort()); // old files do not name it
      });
      return before === after
        ? firstOther(floatsOf(given), floatsOf(got))
        : `progress ${after}, in the file ${before}`;
    },
  };
}

function adapter(method: "lora" | "adalora" | "dora"): Target {
  const base = () =>
    new GPT2(
      { model_type: "gpt2", vocab_size: 5, n_positions: 4, n_embd: 4, n_layer: 2, n_head: 2 },
      { rng: random(1) },
    );
  const options = { rank: 2, alpha: 3, target: ["c_attn", "c_fc"], seed: 1 };
  const adapted = inject(
    base(),
    method === "lora" ? { ...options, bias: "lora-only" } : { ...options, method },
  );
  for (const part of adapted.adapter("default").values())
    for (const each of part.parameters()) each.assign(random(3).normal(each.size)); // λ = 0 would not be written again
  const { config, weights } = writeAdapter(adapted);
  return {
    files: new Map([
      ["adapter_config.json", new TextEncoder().encode(config)],
      ["adapter_model.safetensors", weights],
    ]),
    load(files, folder) {
      const model = base();
      const error = verifyAdapter(folder).find(({ level }) => level === "error"); // which never throws
      const adapted = unlessRefused(
        () => stateOf(model),
        () => loadAdapter(model, folder),
      );
      if (error) return `verifyAdapter refuses what loads: ${error.message}`;
      for (const layer of openAdapter(folder).layers) measureUpdate(layer);
      const fields = JSON.parse(new TextDecoder().decode(files.get("adapter_config.json")));
      const [part] = adapted.adapter("default").values();
      if (
        method === "lora" &&
        Object.keys(fields.alpha_pattern ?? {}).length === 0 &&
        part.alpha !== (fields.lora_alpha ?? 8)
      )
        return `alpha ${part.alpha}, in the file ${fields.lora_alpha}`;
      const bytes = files.get("adapter_model.safetensors") as Uint8Array;
      const pruned = prunedLayers(bytes);
      const kept = (tensors: ReadonlyMap<string, string>) =>
        new Map([...tensors].filter(([name]) => !pruned.some((layer) => name.startsWith(layer))));
      return firstOther(kept(floatsOf(bytes)), kept(floatsOf(writeAdapter(adapted).weights)));
    },
  };
}

/** The layers of an AdaLoRA adapter with a λ of 0: such directions are not written again. */
const prunedLayers = (bytes: Uint8Array): string[] =>
  [...parseSafetensors(bytes).tensors]
    .filter(([name, tensor]) => name.endsWith("lora_E") && tensor.floats().includes(0))
    .map(([name]) => name.slice(0, -"lora_E".length));

function quantized(format: "nf4" | "int8"): Target {
  const make = (seed: number) => new MLP(8, 8, { rng: random(seed) });
  const model = make(1);
  quantizeModel(model, format === "nf4" ? { format, doubleQuant: true } : { format });
  const file = "quantized.safetensors";
  const text = (
    tensors: ReadonlyMap<string, { dtype: string; bytes: Uint8Array; shape: readonly number[] }>,
  ) =>
    new Map(
      Array.from(tensors, ([name, { dtype, bytes, shape }]) => [
        name,
        dtype === "U8" ? `${shape} ${bits(bytes)}` : "",
      ]).filter(
        ([name]) => !/quant_state|quant_map/.test(name), // JSON written anew; code books may differ in the last digit
      ) as [string, string][],
    );
  return {
    files: new Map([[file, serializeSafetensors(quantizedState(model))]]),
    load(files, folder) {
      const model = make(2);
      unlessRefused(
        () => stateOf(model),
        () => loadQuantized(model, join(folder, file)),
      );
      const given = parseSafetensors(files.get(file) as Uint8Array).tensors;
      const problem = firstOther(text(given), text(quantizedState(model)));
      if (problem) return problem;
      for (const [name, { value }] of model.namedParameters()) {
        if (`${value.data}` !== `${Float32Array.from(given.get(name)?.floats() ?? [])}`)
          return `${name} is not as in the file`;
      }
      return null;
    },
  };
}

/** By name; each makes its files when it is called. */
export const targets: Readonly<Record<string, () => Target>> = {
  safetensors,
  checkpoint,
  gpt2: () => pretrained("gpt2"),
  bert: () => pretrained("bert"),
  llama: () => pretrained("llama"),
  sharded: () => pretrained("gpt2", true),
  lora: () => adapter("lora"),
  dora: () => adapter("dora"),
  adalora: () => adapter("adalora"),
  merge,
  bpe: () => tokenizer("bpe"),
  bytes: () => tokenizer("bytes"),
  wordpiece: () => tokenizer("wordpiece"),
  unigram: () => tokenizer("unigram"),
  nf4: () => quantized("nf4"),
  int8: () => quantized("int8"),
};
