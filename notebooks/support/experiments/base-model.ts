/**
 * @file Small base models, pretrained once and shared by the notebooks. They are cached under `.cache/models/`; the name
 * of a model contains a hash of everything that determines it. A digest of its files is stored with it, and a model
 * whose files were changed is trained again. The folder can be deleted at any time.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random, writeFileAtomic } from "lowrank/core";
import {
  AdamW,
  type ConfigFields,
  fit,
  GPT2,
  linearDecay,
  loadPretrained,
  savePretrained,
  withoutInit,
} from "lowrank/nn";
import { type Domain, VOCABULARY } from "../data/domain.ts";
import { currentTerminal } from "../notebook/session.ts";
import { withLock } from "../runner/lock.ts";
import { progress } from "../terminal/progress.ts";
import { validationLoss } from "./evaluation.ts";

export interface Pretraining {
  readonly domain: Domain;
  /** Width, layers, heads, tokens of context. */
  readonly size: {
    readonly d: number;
    readonly layers: number;
    readonly heads: number;
    readonly time: number;
  };
  readonly steps: number;
  readonly rows: number;
  readonly lr: number;
  readonly seed: number;
}

export interface BaseModel {
  readonly fields: ConfigFields<"gpt2">;
  /** Validation loss on the pretraining domain, in nats. */
  readonly loss: number;
  /** Seconds of pretraining; null if the model came from the cache. */
  readonly seconds: number | null;
  /** A new copy of the pretrained model. */
  copy(): GPT2;
}

const CACHE = fileURLToPath(new URL("../../../.cache/models/", import.meta.url));

/** To be raised when equal settings start to give another model. */
const FORMAT = 1;

/**
 * A GPT-2 without dropout, trained on a domain with AdamW and a linear decay, or read from `cache`. If several processes
 * request the same model at once, one trains it and the others wait.
 */
export function pretrained(pretraining: Pretraining, cache: string = CACHE): BaseModel {
  const { domain, size, steps, rows, lr, seed } = pretraining;
  const fields = gpt2Fields(size);
  const made = { FORMAT, fields, domain: domain.hash, steps, rows, lr, seed };
  const hash = createHash("sha256").update(JSON.stringify(made)).digest("hex").slice(0, 16);
  const folder = join(cache, `gpt2-${size.d}x${size.layers}-${hash}`);

  mkdirSync(cache, { recursive: true });
  const { model, seconds } = withLock(`${folder}.lock`, () => {
    const kept = load(folder, hash);
    if (kept) return { model: kept, seconds: null };
    if (existsSync(folder))
      currentTerminal().status(`${folder} was changed; the base model is trained again`);
    const { model, seconds } = pretrain(pretraining, fields);
    save(model, folder, hash);
    return { model: load(folder, hash) ?? model, seconds }; // from the file: without gradients, as from the cache
  });
  const values = model.stateDict();
  return {
    fields,
    loss: validationLoss(model, domain),
    seconds,
    copy() {
      const model = withoutInit(() => new GPT2(fields));
      model.loadStateDict(values);
      return model;
    },
  };
}

function pretrain({ domain, steps, rows, lr, seed }: Pretraining, fields: ConfigFields<"gpt2">) {
  const rng = random(seed);
  const model = new GPT2(fields, { rng: rng.split("weights") });
  const bar = progress(steps, `pretraining on ${domain.name}`);
  const { seconds } = fit(model, {
    steps,
    optimizer: new AdamW(model.parameters(), { lr }),
    schedule: linearDecay({ warmup: Math.ceil(steps / 20), total: steps }),
    batch: (step) => domain.batch(rows, rng.split("batches").split(step)),
    loss: ({ ids, labels }) => model.loss(ids, labels),
    maxGradNorm: 1,
    onStep: () => bar.tick(),
    progress: false,
  });
  bar.done();
  return { model, seconds };
}

/** Reads a model from the cache; null if it is missing or its files were changed. */
function load(folder: string, hash: string): GPT2 | null {
  try {
    if (readFileSync(`${folder}.sha256`, "utf8") !== digest(folder, hash)) return null;
    return loadPretrained(folder) as GPT2;
  } catch {
    return null;
  }
}

/** Writes a model to the cache. A failure is only reported: the model will be trained again. */
function save(model: GPT2, folder: string, hash: string): void {
  try {
    rmSync(folder, { recursive: true, force: true }); // left by an interrupt
    savePretrained(model, folder);
    writeFileAtomic(`${folder}.sha256`, new TextEncoder().encode(digest(folder, hash)));
  } catch (error) {
    currentTerminal().status(`the base model is not cached: ${(error as Error).message}`);
  }
}

/** A digest of the model's settings and of all its files. */
function digest(folder: string, hash: string): string {
  const all = createHash("sha256").update(hash);
  for (const name of readdirSync(folder).sort()) all.update(name).update(readFileSync(join(folder, name)));
  return all.digest("hex");
}

/** Configuration of a small GPT-2 with the vocabulary of the notebooks' texts. */
export function gpt2Fields({ d, layers, heads, time }: Pretraining["size"]): ConfigFields<"gpt2"> {
  return {
    model_type: "gpt2",
    vocab_size: VOCABULARY,
    n_positions: time,
    n_embd: d,
    n_layer: layers,
    n_head: heads,
    embd_pdrop: 0,
    attn_pdrop: 0,
    resid_pdrop: 0,
  };
}
