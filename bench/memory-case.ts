// One case of bench/memory.ts, in a process of its own: `npx tsx bench/memory-case.ts NAME` prints what it took, as JSON.

import { noGrad } from "lowrank/autograd";
import {
  array,
  type Indices,
  indices,
  matmul,
  measureMemory,
  mT,
  type NDArray,
  random,
  scope,
  setDevice,
} from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, Bert, configurations, GPT2, Llama, type Module, modelConfig } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { arenaUse } from "../core/cpu/index.ts";

/** Makes the model and what goes in; then runs, and is measured. */
type Case = () => () => number;

/** Steps of a training case. */
const STEPS = 1;

const tinyLlama = modelConfig({
  model_type: "llama",
  vocab_size: 32000,
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 22,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
});

/** Weights of the right size; whether they are normal does not matter here, and uniform ones are drawn faster. */
const rng = random(1);
rng.normal = (length, mean = 0, std = 1) => rng.uniform(length, mean - std, mean + std);

const tokens = (batch: number, time: number, vocabulary: number): Indices =>
  indices(
    Int32Array.from({ length: batch * time }, () => rng.integer(vocabulary)),
    [batch, time],
  );

interface Trained {
  readonly model: Module;
  /** The adapted layers. */
  readonly target: string | string[];
  readonly loss: () => { backward(): void; item(): number };
}

/** Steps of LoRA, r = 8; returns the last loss. */
const train =
  ({ model, target, loss }: Trained) =>
  (): number => {
    const adapted = inject(model, { method: "lora", rank: 8, alpha: 16, target });
    const optimizer = new AdamW(adapted.parameters(), { lr: 1e-4 });
    let last = 0;
    for (let step = 0; step < STEPS; step++) {
      scope(() => {
        const value = loss();
        last = value.item();
        value.backward();
        optimizer.step();
        optimizer.zeroGrad();
      });
    }
    return last;
  };

function gpt2(batch: number, time: number): Case {
  return () => {
    const model = new GPT2(configurations.gpt2, { rng });
    const ids = tokens(batch, time, 50257);
    return train({ model, target: "attn.c_attn", loss: () => model.loss(ids) });
  };
}

function llama(
  fields: typeof tinyLlama | (typeof configurations)["llama-3.2-1b"],
  time: number,
  nf4 = false,
): Case {
  return () => {
    const model = new Llama(fields, { rng });
    if (nf4) quantizeModel(model, { format: "nf4", doubleQuant: true });
    const ids = tokens(1, time, fields.vocab_size);
    return train({ model, target: ["q_proj", "v_proj"], loss: () => model.loss(ids) });
  };
}

const matrix = (n: number, m: number): NDArray => array(rng.uniform(n * m, -1, 1), [n, m], "weights");

/** Y = X Wᵀ, dX = dY W, dW = dYᵀ X, of one layer after the other, 256 tokens; returns the largest |y|. */
function products(shapes: readonly (readonly [number, number])[]): Case {
  return () => () => {
    let largest = 0;
    for (const [outFeatures, inFeatures] of shapes) {
      const W = matrix(outFeatures, inFeatures);
      scope(() => {
        const X = matrix(256, inFeatures);
        const Y = matmul(X, mT(W));
        matmul(Y, W);
        matmul(mT(Y), X);
        for (const value of Y.data) largest = Math.max(largest, Math.abs(value));
      });
    }
    return largest;
  };
}

const cases: Record<string, Case> = {
  "GPT-2 124M, step, 1 × 256": gpt2(1, 256),
  "GPT-2 124M, step, 1 × 384": gpt2(1, 384),
  "GPT-2 124M, step, 1 × 512": gpt2(1, 512),
  "GPT-2 124M, step, 4 × 128": gpt2(4, 128),
  "GPT-2 124M, step, 8 × 64": gpt2(8, 64),
  "GPT-2 124M, step, 1 × 1024": gpt2(1, 1024),
  "GPT-2 124M, forward, 1 × 1024": () => {
    const model = new GPT2(configurations.gpt2, { rng }).eval();
    const ids = tokens(1, 1024, 50257);
    return () => noGrad(() => model.loss(ids).item());
  },
  "GPT-2 124M, steps of 64, 96, 100, 128, 90, 110, 120, 80, 70, 50 tokens": () => {
    const model = new GPT2(configurations.gpt2, { rng });
    const lengths = [64, 96, 100, 128, 90, 110, 120, 80, 70, 50];
    const adapted = inject(model, { method: "lora", rank: 8, alpha: 16, target: "attn.c_attn" });
    const optimizer = new AdamW(adapted.parameters(), { lr: 1e-4 });
    return () => {
      let last = 0;
      for (const time of lengths) {
        scope(() => {
          const loss = model.loss(tokens(1, time, 50257));
          last = loss.item();
          loss.backward();
          optimizer.step();
          optimizer.zeroGrad();
        });
      }
      return last;
    };
  },
  "bert-base, step, 8 × 128": () => {
    const model = new Bert({ ...configurations["bert-base-uncased"], num_labels: 2 }, { rng });
    const ids = tokens(8, 128, 30522);
    const labels = indices(Int32Array.from({ length: 8 }, (_, i) => i % 2));
    return train({ model, target: ["query", "value"], loss: () => model.loss(ids, labels) });
  },
  "TinyLlama 1.1B, step, 1 × 256": llama(tinyLlama, 256),
  "TinyLlama 1.1B in NF4, step, 1 × 256": llama(tinyLlama, 256, true),
  "Llama 3.2 1B, 2 of 16 layers, step, 1 × 256": llama(
    { ...configurations["llama-3.2-1b"], num_hidden_layers: 2 },
    256,
  ),
  "Llama 3's head, 128256 × 2048, 256 tokens": products([[128256, 2048]]),
  "Llama 2 7B's matrices, 256 tokens": products([
    [4096, 4096],
    [11008, 4096],
    [4096, 11008],
    [32000, 4096],
  ]),
};

export const memoryCases: readonly string[] = Object.keys(cases);

/** What a case took. Bytes. */
export interface MemoryOutcome {
  /** Its last loss, or the largest output. */
  readonly result: number;
  readonly seconds: number;
  /** Peak of the process, of the arena of the cpu device, and of what the meter counts. */
  readonly resident: number;
  readonly arena: number;
  readonly counted: number;
}

if (process.argv[1]?.endsWith("memory-case.ts")) {
  const make = cases[process.argv[2]];
  if (!make) throw new Error(`expected one of ${memoryCases.join("; ")}; got ${process.argv[2]}`);
  setDevice("cpu");
  const run = make();
  const begin = performance.now();
  const { result, peakTotal } = measureMemory(run);
  const outcome: MemoryOutcome = {
    result,
    seconds: (performance.now() - begin) / 1000,
    resident: process.resourceUsage().maxRSS * 1024,
    arena: arenaUse().peak,
    counted: peakTotal,
  };
  console.log(JSON.stringify(outcome));
}
