/**
 * @file Small base models: pretrained once, kept under `.cache/models/` by a name that holds a hash of all that
 * made them, and shared by the notebooks. The folder can be deleted at any time.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { random } from "lowrank/core";
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
import { type Domain, VOCABULARY } from "./domain.ts";
import { validationLoss } from "./evaluation.ts";
import { progress } from "./progress.ts";

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
  /** Validation loss on the domain it learned, in nats. */
  readonly loss: number;
  /** Of pretraining; null when it came from the cache. */
  readonly seconds: number | null;
  /** The pretrained model, a new copy at each call. */
  copy(): GPT2;
}

const CACHE = fileURLToPath(new URL("../../.cache/models/", import.meta.url));

/** Raised when the same settings come to mean another model. */
const FORMAT = 1;

/** A GPT-2 without dropout, trained on a domain with AdamW and a linear decay, or taken from the cache. */
export function pretrained(pretraining: Pretraining): BaseModel {
  const { domain, size, steps, rows, lr, seed } = pretraining;
  const fields = gpt2Fields(size);
  const made = { FORMAT, fields, domain: domain.hash, steps, rows, lr, seed };
  const hash = createHash("sha256").update(JSON.stringify(made)).digest("hex").slice(0, 16);
  const folder = `${CACHE}gpt2-${size.d}x${size.layers}-${hash}`;

  let seconds: number | null = null;
  if (!existsSync(`${folder}/config.json`)) {
    const rng = random(seed);
    const model = new GPT2(fields, { rng: rng.split("weights") });
    const bar = progress(steps, `pretraining on ${domain.name}`);
    ({ seconds } = fit(model, {
      steps,
      optimizer: new AdamW(model.parameters(), { lr }),
      schedule: linearDecay({ warmup: Math.ceil(steps / 20), total: steps }),
      batch: (step) => domain.batch(rows, rng.split("batches").split(step)),
      loss: ({ ids, labels }) => model.loss(ids, labels),
      maxGradNorm: 1,
      onStep: () => bar.tick(),
      progress: false,
    }));
    bar.done();
    savePretrained(model, folder); // config.json is written last: a folder that has it is whole
  }
  const first = loadPretrained(folder) as GPT2;
  const values = first.stateDict();
  return {
    fields,
    loss: validationLoss(first, domain),
    seconds,
    copy() {
      const model = withoutInit(() => new GPT2(fields));
      model.loadStateDict(values);
      return model;
    },
  };
}

/** The fields of a small GPT-2 for the texts here. */
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
