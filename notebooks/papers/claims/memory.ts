/** @file Statements about memory, decided by bytes per parameter and published configurations. */
import { countParameters } from "lowrank/lora";
import { configurations, layout, linearWeightCount, parameterCount } from "lowrank/nn";
import { quantizedBytes } from "lowrank/quant";
import { onLlama } from "./parameters.ts";
import { near, type Statement } from "./statement.ts";

const GB = 1e9;
const MB = 1e6;
const all7B = countParameters("full", { config: "llama-7b" }).total;
/** Bytes per parameter: 16-bit weights and gradients with AdamW's two float32 moments, and all of it in float32. */
const [MIXED, FLOAT32] = [2 + 2 + 8, 4 + 4 + 8];
const full7B = MIXED * all7B;
const lora7B = 2 * all7B + MIXED * onLlama(8);

/** One row of 512 tokens with checkpointing: the 16-bit input of each block. */
const row7B = 32 * 512 * 4096 * 2;

const modules65 = layout(configurations["llama-65b"]);
const linear65 = linearWeightCount(modules65);
const { codes, constants } = quantizedBytes([linear65], { format: "nf4", blockSize: 64, doubleQuant: true });
const base65 = codes + constants + 2 * (parameterCount(modules65) - linear65);
const trained65 = countParameters("lora", { config: "llama-65b", rank: 64, target: "all-linear" }).trainable;
const training65 = MIXED * trained65 + 80 * 512 * 8192 * 2;

export const memory: readonly Statement[] = [
  {
    said: "Full fine-tuning of a 7B model takes about 84 GB in full precision.",
    number: `${((FLOAT32 * all7B) / GB).toFixed(0)} GB`,
    of: "LLaMA-7B with AdamW, weights, gradients and moments in float32, without activations",
    depends: `On the bytes per parameter: 84 GB is 12 of them, 16-bit weights and gradients and float32 moments (${(full7B / GB).toFixed(1)} GB for LLaMA-7B). A float32 copy of the weights adds 4 more.`,
    verdict: near(FLOAT32 * all7B, 84 * GB, 0.1),
    more: "qlora",
  },
  {
    said: "LoRA needs 6 times less memory.",
    number: `${(full7B / lora7B).toFixed(2)} ×`,
    of: "LLaMA-7B in 16 bits, without activations",
    depends: `It is 12 bytes per parameter against 2. Activations are not in it, and LoRA hardly changes them: a row of 512 tokens adds ${(row7B / MB).toFixed(0)} MB to both with checkpointing, and many times that without.`,
    verdict: near(full7B / lora7B, 6, 0.05),
    more: "lora-fa",
  },
  {
    said: "LoRA's parameters, gradients and optimizer take about 10, 10 and 40 MB.",
    number: `${[2, 2, 8].map((bytes) => ((bytes * onLlama(8)) / MB).toFixed(1)).join(", ")} MB`,
    of: "LLaMA-7B, r = 8 on queries and values",
    depends:
      "On the rank and the layers, as the number of parameters; 16-bit parameters and gradients, float32 moments.",
    verdict: near(2 * onLlama(8), 10 * MB, 0.2) && near(8 * onLlama(8), 40 * MB, 0.2),
  },
  {
    said: "Batches can be larger.",
    number: `${Math.floor((80 * GB - lora7B) / row7B)} rows against ${Math.max(0, Math.floor((80 * GB - full7B) / row7B))}`,
    of: "rows of 512 tokens with checkpointing beside LLaMA-7B in 80 GB",
    depends:
      "What is won is the memory of gradients and optimizer. A row itself costs as much as before, so with a model that fits anyway the gain is small.",
    verdict: Math.floor((80 * GB - lora7B) / row7B) > Math.max(0, Math.floor((80 * GB - full7B) / row7B)),
  },
  {
    said: "QLoRA tunes a 65B model on one GPU of 48 GB.",
    number: `${((base65 + training65) / GB).toFixed(1)} GB`,
    of: "LLaMA-65B, NF4 with double quantization, r = 64 on all linear layers, one row of 512 tokens",
    depends:
      "On checkpointing: only the inputs of the 80 blocks are kept. One block's activations come on top; the paper's figure has 45.0 GB.",
    verdict: base65 + training65 < 48 * GB,
    more: "qlora",
  },
  {
    said: "Of these 48 GB the base takes about 33 GB.",
    number: `${(base65 / GB).toFixed(1)} GB`,
    of: "codes, constants, and 16-bit embeddings and head",
    depends: `On double quantization: ${((codes + constants) / GB).toFixed(1)} GB of linear layers at 4.127 bits a weight; 4.5 bits without it.`,
    verdict: near(base65, 33 * GB, 0.05),
  },
  {
    said: "LoRA and training take the other 15 GB.",
    number: `${(training65 / GB).toFixed(1)} GB`,
    of: "adapters of rank 64, gradients, moments, and one row of 512 tokens",
    depends:
      "15 GB is what 48 less 33 leaves, not what is needed. Paged optimizers are for the spikes between.",
    verdict: near(training65, 15 * GB, 0.15),
  },
];
