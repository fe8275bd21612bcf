/** @file All that the library saves: two states of each that differ in every file, and what a load gives. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { mseLoss, tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { inject, loadAdapter, saveAdapter } from "lowrank/lora";
import {
  AdamW,
  fit,
  GPT2,
  loadCheckpoint,
  loadPretrained,
  MLP,
  type Module,
  saveCheckpoint,
  savePretrained,
} from "lowrank/nn";
import { loadQuantized, quantizeModel, saveQuantized } from "lowrank/quant";

/** A state is a number: "0" and "1" are two runs, two models, two adapters. */
export interface Saver {
  /** Writes a state into a folder, over what is there. */
  save(folder: string, state: number): void;
  /** What is in the folder, to the last bit of the numbers; null when there is nothing. */
  load(folder: string): string | null;
  /** What is in the folder after a save, and nothing else. */
  readonly files: readonly string[];
}

const gpt2 = (state: number): GPT2 =>
  new GPT2(
    // The shapes are those of either: weights of one with the configuration of the other would load.
    { model_type: "gpt2", vocab_size: 7, n_positions: 4, n_embd: 4, n_layer: 1, n_head: 1 + state },
    { rng: random(state) },
  );

const bits = (values: Float32Array | Float64Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex");
const weights = (model: Module): string =>
  [...model.stateDict().values()].map(({ data }) => bits(data)).join();

const run = (state: number) => {
  const model = new MLP(3, 3, { rng: random(state) });
  return { model, optimizer: new AdamW(model.parameters(), { lr: 0.1 }), losses: [] as number[] };
};

export function loadRun(folder: string): string | null {
  const { model, optimizer, losses } = run(5);
  if (loadCheckpoint(join(folder, "run.safetensors"), model, optimizer, losses) === 0) return null;
  return `${losses} ${weights(model)} ${JSON.stringify(optimizer.stateDict().steps)}`;
}

const base = (): MLP => new MLP(3, 3, { rng: random(9) });
const quantized = (state: number): MLP => {
  const model = new MLP(8, 8, { rng: random(state) });
  quantizeModel(model, { format: state ? "nf4" : "fp4" });
  return model;
};

export const savers: Readonly<Record<string, Saver>> = {
  savePretrained: {
    save: (folder, state) => savePretrained(gpt2(state), folder),
    load(folder) {
      if (!existsSync(folder)) return null;
      const model = loadPretrained(folder) as GPT2;
      return `${model.config.n_head} ${weights(model)}`;
    },
    files: ["config.json", "model.safetensors"],
  },
  saveAdapter: {
    save(folder, state) {
      const adapted = inject(base(), { rank: 2, alpha: 2 + state, target: "all-linear", seed: state });
      saveAdapter(adapted, folder);
    },
    load(folder) {
      if (!existsSync(folder)) return null;
      const adapted = loadAdapter(base(), folder);
      return [...adapted.adapter("default").values()].map((part) => `${part.alpha} ${weights(part)}`).join();
    },
    files: ["adapter_config.json", "adapter_model.safetensors"],
  },
  saveCheckpoint: {
    save(folder, state) {
      const { model, optimizer } = run(state);
      saveCheckpoint(join(folder, "run.safetensors"), model, optimizer, [1 + state]);
    },
    load: loadRun,
    files: ["run.safetensors"],
  },
  saveQuantized: {
    save: (folder, state) => saveQuantized(quantized(state), join(folder, "quantized.safetensors")),
    load(folder) {
      const path = join(folder, "quantized.safetensors");
      if (!existsSync(path)) return null;
      const model = new MLP(8, 8, { rng: random(3) });
      loadQuantized(model, path);
      return bits(model.forward(tensor(random(1).normal(16), [2, 8])).toArray()) + model.toString();
    },
    files: ["quantized.safetensors"],
  },
};

/** A run of `fit` that saves after each of its steps. @returns what a load of the folder gives then */
export function train(folder: string, steps: number): string | null {
  const { model, optimizer } = run(1);
  fit(model, {
    steps,
    optimizer,
    batch: (step) => tensor(random(step).normal(6), [2, 3]),
    loss: (x) => mseLoss(model.forward(x), x),
    checkpoint: { path: join(folder, "run.safetensors"), every: 1 },
    progress: false,
  });
  return loadRun(folder);
}
