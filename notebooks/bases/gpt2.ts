/** @file Makes a base of characters: a small GPT-2 without dropout, trained with AdamW and a linear decay. */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random } from "lowrank/core";
import { AdamW, fit, GPT2, generate, linearDecay } from "lowrank/nn";
import { type Domain, decode, encode, VOCABULARY } from "../support/data/domain.ts";
import type { BaseName } from "../support/experiments/bases.ts";
import { validationLoss } from "../support/experiments/evaluation.ts";
import { saveBase } from "./card.ts";
import { characterFiles } from "./characters.ts";

export interface Recipe {
  readonly domain: Domain;
  /** Width. */
  readonly d: number;
  readonly layers: number;
  readonly heads: number;
  /** Tokens of context. */
  readonly time: number;
  readonly steps: number;
  /** Rows of a batch. */
  readonly rows: number;
  readonly lr: number;
  readonly seed: number;
}

export interface Sample {
  readonly prompts: readonly string[];
  /** Most characters to add to each. */
  readonly length: number;
  /** Whether a text ends with its line. */
  readonly line: boolean;
}

/** Trains a base and writes it. */
export function makeGPT2(
  name: BaseName,
  data: string,
  recipe: Recipe,
  { prompts, length, line }: Sample,
): void {
  const { domain, time, steps, rows, lr, seed } = recipe;
  const write = (model: GPT2, prompt: string): string => {
    const options = { maxNewTokens: length, temperature: 0.8, seed: 1, stopTokens: line ? [0] : [] };
    return decode(generate(model, [[...encode(prompt)]], options).rows[0]);
  };
  saveBase({
    name,
    model: trainGPT2(recipe),
    tokenizer: characterFiles(time),
    config: line ? { bos_token_id: 0, eos_token_id: 0 } : {},
    data: { name: data, hash: domain.hash },
    training: { steps, rows, lr, seed },
    loss: (model) => validationLoss(model, domain),
    sample: (model) => prompts.map((prompt) => write(model, prompt).trimEnd()).join("\n"),
  });
}

/** Trains a model, and prints its loss now and then. An interrupted run continues where it was. */
function trainGPT2(recipe: Recipe): GPT2 {
  const { domain, d, layers, heads, time, steps, rows, lr, seed } = recipe;
  const rng = random(seed);
  const model = new GPT2(
    {
      model_type: "gpt2",
      vocab_size: VOCABULARY,
      n_positions: time,
      n_embd: d,
      n_layer: layers,
      n_head: heads,
      embd_pdrop: 0,
      attn_pdrop: 0,
      resid_pdrop: 0,
    },
    { rng: rng.split("weights") },
  );
  fit(model, {
    steps,
    optimizer: new AdamW(model.parameters(), { lr }),
    schedule: linearDecay({ warmup: Math.ceil(steps / 20), total: steps }),
    batch: (step) => domain.batch(rows, rng.split("batches").split(step)),
    loss: ({ ids, labels }) => model.loss(ids, labels),
    maxGradNorm: 1,
    checkpoint: { path: checkpointOf(recipe), every: 250 },
    onStep: ({ step, loss }) => {
      if (step % 100 === 0) console.log(`step ${step}: ${loss.toFixed(4)}`);
    },
    progress: false,
  });
  return model;
}

/** A file that only runs of this recipe use. */
function checkpointOf({ domain, ...numbers }: Recipe): string {
  const folder = fileURLToPath(new URL("../../out/bases/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const made = JSON.stringify({ data: domain.hash, ...numbers });
  return join(folder, `${createHash("sha256").update(made).digest("hex").slice(0, 16)}.safetensors`);
}
