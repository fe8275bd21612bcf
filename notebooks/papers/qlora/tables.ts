/** @file The tables of the lecture on quantization. */

import type { GPT2 } from "lowrank/nn";
import { nf4, qloraBytes, quantizedLayers } from "lowrank/quant";
import type { Batch } from "../../support/data/domain.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import { meanStd } from "../../support/show/format.ts";
import { type Table, table } from "../../support/show/table.ts";
import { dataTypes, equallyUsed, errorOf, leastSquared, plain, quotientsOf } from "./formats.ts";
import { activationBytes, llamas, measureStep, total } from "./memory.ts";
import {
  type mergedLosses,
  type readersModel,
  signed,
  type storedIn,
  toFewBits,
  withLora,
} from "./models.ts";

/** A weight on its way to a code and back. */
export interface Coded {
  readonly weight: number;
  readonly quotient: number;
  readonly code: number;
  readonly value: number;
  readonly restored: number;
}

export function blockTable(coded: readonly Coded[], absmax: number): Table {
  return table(coded.slice(0, 6), {
    title: `Six of the 64 weights; the absmax of their block is ${absmax.toFixed(3)}`,
    columns: [
      { key: "weight", digits: 3 },
      { key: "quotient", label: "÷ absmax", digits: 3 },
      "code",
      { key: "value", label: "value of the code", digits: 3 },
      { key: "restored", label: "× absmax", digits: 3 },
    ],
  });
}

/** NF4, the codebook that is used equally often, and the one with the least squared error, for blocks of each size. */
export function codebooksBySize(x: Float32Array, sizes: readonly number[]) {
  return sizes.map((size) => {
    const quotients = quotientsOf(x, size);
    const books = [nf4, equallyUsed(quotients), leastSquared(quotients)];
    const [nf, equal, least] = books.map((book) => errorOf(plain(book), x, size));
    const sqnr = { nf: nf.sqnr, equal: equal.sqnr, least: least.sqnr };
    return { size, entropy: nf.entropy, equalEntropy: equal.entropy, leastEntropy: least.entropy, ...sqnr };
  });
}

export function codebookTable(rows: ReturnType<typeof codebooksBySize>): Table {
  return table(rows, {
    title: "Entropy of the codes, and signal to noise, by block size (normal numbers)",
    columns: [
      { key: "size", label: "block size" },
      { key: "entropy", label: "NF4, bits", digits: 2 },
      { key: "equalEntropy", label: "equal use, bits", digits: 2 },
      { key: "leastEntropy", label: "least error, bits", digits: 2 },
      { key: "nf", label: "NF4, dB", digits: 1 },
      { key: "equal", label: "equal use, dB", digits: 1 },
      { key: "least", label: "least error, dB", digits: 1 },
    ],
    note: "dB: 10 log₁₀ of the weights' sum of squares over that of their errors; 6 dB more are half the error. Equal use and least error are fitted to each block size.",
  });
}

type Stored = ReturnType<typeof storedIn>;

export function storedTable(stored: readonly Stored[], blockSize: number): Table {
  const rows = stored.map(({ base, parameters, loss, rows }) => ({
    base,
    parameters,
    loss,
    ...Object.fromEntries(rows.map(({ type, added }) => [type, signed(added)])),
  }));
  const types = dataTypes.map(({ name }) => ({ key: name as "base", align: "right" as const }));
  return table(rows, {
    title: `Held-out loss in float32, and what storing in blocks of ${blockSize} adds to it, in nats`,
    columns: ["base", "parameters", { key: "loss", label: "float32", digits: 3 }, ...types],
    tolerance: 0.05,
  });
}

export function textsTable(texts: readonly { who: string; text: string }[], prompt: string): Table {
  return table(texts, {
    title: `What is written after "${prompt}"`,
    columns: [
      { key: "who", label: "model" },
      { key: "text", label: "writes" },
    ],
    volatile: ["text"], // a rounding may change a letter
  });
}

/** A format on a base: losses before and after tuning, what they are above those of float32, and the texts. */
export interface Regained {
  readonly base: string;
  readonly format: string;
  readonly before: number;
  readonly after: number;
  readonly lost: number;
  readonly left: number;
  readonly texts: readonly [stored: string, tuned: string];
}

/** Puts the losses of stored bases beside the results of tuning them; `before[i]` are those of the i-th base. */
export function regained(
  before: readonly (readonly { name: string; loss: number; text: string }[])[],
  results: readonly ArmResult<{ text: string }>[],
): Regained[] {
  return before.flatMap((stored, b) => {
    const bases = [...new Set(results.map(({ base }) => base))];
    const result = (arm: string) =>
      results.find((one) => one.base === bases[b] && one.arm === arm) ?? results[0];
    const after = (arm: string): number => meanStd(result(arm).losses).mean;
    return stored.map(({ name, loss, text }) => ({
      base: bases[b],
      format: name,
      before: loss,
      after: after(name),
      lost: loss - stored[0].loss,
      left: after(name) - after(stored[0].name),
      texts: [text, result(name).runs[0].read.text] as const,
    }));
  });
}

export function regainedTable(rows: readonly Regained[]): Table {
  const [{ base }] = rows;
  const shown = rows.filter((row) => row.base === base && row.format !== "float32");
  return table(
    shown.map(({ format, lost, left, texts: [stored, tuned] }) => ({
      format,
      lost: signed(lost),
      left: signed(left),
      stored,
      tuned,
    })),
    {
      title: `${base}: loss above that of float32, and what is written before and after tuning`,
      columns: [
        "format",
        { key: "lost", label: "stored", align: "right" },
        { key: "left", label: "tuned", align: "right" },
        { key: "stored", label: "the stored base writes" },
        { key: "tuned", label: "after tuning" },
      ],
      volatile: ["stored", "tuned"], // a rounding may change a letter
      tolerance: 0.1,
    },
  );
}

/** Losses after tuning and after half of the steps, with the rates. */
export function halfwayTable(
  results: readonly ArmResult<unknown>[],
  half: readonly ArmResult<unknown>[],
  steps: number,
): Table {
  return table(
    results.map((result, i) => ({
      base: result.base,
      format: result.arm,
      half: half[i].losses[0],
      all: meanStd(result.losses),
      rate: result.rate,
      edge: result.atEdge ? "yes" : "",
    })),
    {
      title: "Loss after tuning, and the learning rate of each format",
      columns: [
        "base",
        "format",
        { key: "half", label: `${steps / 2} steps (search)`, digits: 4 },
        { key: "all", label: `${steps} steps`, digits: 4 },
        { key: "rate", label: "learning rate", format: String },
        { key: "edge", label: "at the edge of the rates" },
      ],
      tolerance: 0.1,
    },
  );
}

const GB = 1e9;
const NF4_DQ = { format: "nf4", blockSize: 64, doubleQuant: true } as const;

export function bytesTable(): Table {
  return table(
    llamas.map(({ size, full, lora, qlora }) => ({
      LLaMA: size,
      "full fine-tuning": full / GB,
      "LoRA, 16 bits": total(lora) / GB,
      QLoRA: total(qlora) / GB,
      "its base": qlora.base / GB,
      adapters: qlora.adapters / GB,
      gradients: qlora.gradients / GB,
      optimizer: qlora.optimizer / GB,
      activations: qlora.activations / GB,
    })),
    { title: "Gigabytes at the peak of a step" },
  );
}

/** The bytes of a QLoRA step of a small GPT-2 at its peak: on the memory meter, and by the library's formula. */
export function stepTable(base: { copy(): GPT2 }, batch: Batch, rank: number): Table {
  const stored = () => toFewBits(base.copy(), NF4_DQ);
  const { peak, peakTotal, frozen, trained } = measureStep(() => {
    const model = stored();
    withLora(model, { rank, seed: 1 });
    return model;
  }, batch);
  const { config } = base.copy();
  const formula = qloraBytes({
    quantized: Array.from(quantizedLayers(stored()), ([, { packed }]) => packed.shape),
    options: NF4_DQ,
    frozen,
    trained,
    activations: activationBytes({
      rows: batch.ids.shape[0],
      time: batch.ids.shape[1] - 1,
      d: config.n_embd,
      layers: config.n_layer,
      heads: config.n_head,
      vocabulary: config.vocab_size,
      rank,
      checkpointed: false,
    }),
  });
  const kept = ["quantized", "weights", "adapters", "gradients", "optimizer"] as const;
  const rest = peakTotal - kept.reduce((sum, part) => sum + peak[part], 0);
  const rows = [
    ...kept.map((part) => ({ part: part as string, formula: formula[part], measured: peak[part] })),
    { part: "activations and work space", formula: formula.workspace, measured: rest },
    { part: "in all", formula: formula.total, measured: peakTotal },
  ];
  return table(rows, {
    title: "A step of QLoRA on tiny-a, bytes at the peak",
    columns: ["part", "formula", "measured"],
    note: "Weights that are not quantized are embeddings, norms and biases.",
  });
}

/** @param texts what the model writes in each of the three ways */
export function mergedTable(
  { kept, dense, again }: ReturnType<typeof mergedLosses>,
  texts: readonly string[],
): Table {
  const losses = {
    "beside the base of four bits": kept,
    "merged into a dense copy": dense,
    "merged and quantized again": again,
  };
  return table(
    Object.entries(losses).map(([way, values], i) => ({ way, loss: meanStd(values), text: texts[i] })),
    {
      title: "Held-out loss, NF4 + DQ",
      columns: [{ key: "way", label: "adapter" }, "loss", { key: "text", label: "writes" }],
      volatile: ["text"], // a rounding may change a letter
      tolerance: 0.1,
    },
  );
}

export function readersTable({ base, text, losses }: ReturnType<typeof readersModel>): Table {
  return table(losses, {
    title: `${base} on ${text}: held-out loss, nats per token`,
    columns: [
      "format",
      { key: "stored", label: "stored" },
      { key: "tuned", label: "after tuning" },
      { key: "rate", label: "learning rate", format: String },
    ],
  });
}

export function layersTable({ base, layers }: ReturnType<typeof readersModel>): Table {
  return table(
    layers.map(({ name, shape, bitsPerParameter, error }) => ({
      layer: name,
      shape: shape.join(" × "),
      bits: bitsPerParameter,
      error: 100 * error.relative,
      sqnr: error.sqnr,
    })),
    {
      title: `${base} in NF4 + DQ, layer by layer`,
      columns: [
        "layer",
        "shape",
        { key: "bits", label: "bits per weight", digits: 3 },
        { key: "error", label: "error, % of the norm", digits: 1 },
        { key: "sqnr", label: "signal to noise, dB", digits: 1 },
      ],
    },
  );
}
