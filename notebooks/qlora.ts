// %% [markdown]
// # QLoRA: Efficient Finetuning of Quantized LLMs
//
// Dettmers, Pagnoni, Holtzman & Zettlemoyer, 2023, [arXiv:2305.14314](https://arxiv.org/abs/2305.14314).
//
// Three ideas make a frozen base cheap to hold: a 4-bit data type whose sixteen values are quantiles of a normal
// distribution (NF4), quantizing the quantization constants too (double quantization), and optimizer state that is
// moved out of the way when memory is short (paged optimizers). LoRA adapters on top of such a base are trained as
// usual: `quantizeModel(model, …)`, then `inject(model, …)`.
//
// **To open it:** run `npm start -- qlora` (`--full` for the long setting, `--set blockSize=128` to change a number);
// VS Code and Jupyter show `qlora.ipynb` as it is, and execute it with the Deno kernel (`deno jupyter --install`).

// %% Settings

import * as Plot from "@observablehq/plot";
import { currentDevice, measureMemory, normalQuantile, random } from "lowrank/core";
import { countParameters, inject } from "lowrank/lora";
import { AdamW, configurations, type GPT2, layout, linearWeightCount, parameterCount } from "lowrank/nn";
import {
  bytesOf,
  type Format,
  nf4,
  nf4Equation4,
  PagedAdamW,
  quantizationError,
  quantize,
  quantizedBytes,
  quantizeModel,
} from "lowrank/quant";
import { adapt } from "./support/adaptation.ts";
import { pretrained } from "./support/base-model.ts";
import { taskDomain } from "./support/domain.ts";
import { validationLoss } from "./support/evaluation.ts";
import { anyStyle, houseStyle } from "./support/house-style.ts";
import {
  defineSettings,
  display,
  linePlot,
  md,
  meanStd,
  plot,
  progress,
  replication,
  settingsTable,
  table,
} from "./support/index.ts";

const settings = defineSettings({
  blockSize: { quick: 64, about: "weights that share one constant: 32, 64, … 4096", min: 32 },
  samples: { quick: 200_000, full: 2_000_000, about: "random weights of the error table", min: 64 },
  rank: { quick: 8, about: "r of the adapters", min: 1 },
  seeds: { quick: 2, full: 3, about: "independent runs", min: 1 },
  d: { quick: 64, full: 128, about: "width of the small GPT", min: 8 },
  layers: { quick: 2, full: 4, about: "its blocks", min: 1 },
  pretraining: { quick: 500, full: 2500, about: "steps of pretraining", min: 1 },
  steps: { quick: 80, full: 300, about: "steps of each adaptation", min: 1 },
  rows: { quick: 16, about: "rows of a batch", min: 1 },
});
display(settingsTable(settings));
const { blockSize } = settings;

// %% [markdown]
// ## Sixteen values
//
// Weights of a trained network are nearly normal. A data type is information-theoretically optimal for them when each
// of its values is used equally often, that is when its values are quantiles. The paper's equation 4 takes
// $q_i = \tfrac12 \left( Q\left(\tfrac{i}{2^k+1}\right) + Q\left(\tfrac{i+1}{2^k+1}\right) \right)$, with $Q$ the normal
// quantile function; to have an exact zero, eight values come from one half and nine from the other, sharing it.
//
// The released code does otherwise: it takes $Q$ at evenly spaced probabilities from $\tfrac12$ to
// $1 - \tfrac12 \left(\tfrac1{32} + \tfrac1{30}\right) \approx 0.9677$ on either side, and scales to $[-1, 1]$. Those are
// the published values, and the ones used here (`quant/codebooks.ts`).

// %% NF4, derived and published

const published = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
];
const values = [...nf4.values];
const literal = [...nf4Equation4.values];
display(
  table(
    values.map((value, i) => ({
      code: i,
      "derived here": value,
      "published, appendix E": published[i],
      "equation 4 as printed": literal[i],
    })),
    {
      title: "The sixteen values of NF4",
      columns: [
        "code",
        { key: "derived here", digits: 7 },
        { key: "published, appendix E", digits: 7 },
        { key: "equation 4 as printed", digits: 7 },
      ],
    },
  ),
);
const density = Array.from({ length: 121 }, (_, i) => -1 + i / 60).map((v) => {
  const scale = normalQuantile(0.9677083);
  return { v, p: Math.exp(-0.5 * (v * scale) ** 2) };
});
display(
  plot(
    {
      height: 220,
      x: { label: "value, in units of the block's largest" },
      y: { label: "normal density", ticks: [] },
      marks: [
        Plot.areaY(density, { x: "v", y: "p", fill: "#4269d0", fillOpacity: 0.15 }),
        Plot.lineY(density, { x: "v", y: "p", stroke: "#4269d0" }),
        Plot.ruleX(values, { stroke: "#ff725c" }),
        Plot.ruleY([0]),
      ],
    },
    {
      title: "NF4's values lie densest where weights do",
      text: `values: ${values.map((value) => value.toFixed(3)).join(" ")}`,
    },
  ),
);
const worst = Math.max(...values.map((value, i) => Math.abs(value - published[i])));

// %% [markdown]
// ## What a weight loses
//
// A block of weights is divided by its largest magnitude (*absmax*) and each quotient replaced by the nearest value of
// the code book. Errors for weights from a normal distribution, from a heavy-tailed one (Student's t with 3 degrees of
// freedom), and for those of the model pretrained below.

// %% A small GPT, pretrained

const time = 79;
const source = taskDomain(anyStyle, { time, test: 64, random: random(10) });
const target = taskDomain(houseStyle, { time, test: 64, random: random(11) });
const base = pretrained({
  domain: source,
  size: { d: settings.d, layers: settings.layers, heads: 4, time },
  steps: settings.pretraining,
  rows: settings.rows,
  lr: 3e-3,
  seed: 20,
});
display(
  md`The base has learned *${source.name}*: validation loss **${base.loss.toFixed(4)}** nats per character.`,
);

// %% Quantization error by data type

const normals = random(1).normal(settings.samples, 0, 1);
const tails = (() => {
  const numerator = random(2).normal(settings.samples, 0, 1);
  const squares = random(3).normal(3 * settings.samples, 0, 1);
  return numerator.map(
    (z, i) => z / Math.sqrt((squares[3 * i] ** 2 + squares[3 * i + 1] ** 2 + squares[3 * i + 2] ** 2) / 3),
  );
})();
const learned = (() => {
  const parts = Array.from(base.copy().namedParameters()).filter(([name]) =>
    /h\.\d+\..*(attn|mlp).*weight$/.test(name),
  );
  const all = new Float32Array(parts.reduce((n, [, { size }]) => n + size, 0));
  let at = 0;
  for (const [, parameter] of parts) {
    all.set(parameter.toArray(), at);
    at += parameter.size;
  }
  return all;
})();
const kinds: readonly { readonly name: string; readonly format: Format; readonly doubleQuant: boolean }[] = [
  { name: "Int4", format: "int4", doubleQuant: false },
  { name: "FP4", format: "fp4", doubleQuant: false },
  { name: "NF4", format: "nf4", doubleQuant: false },
  { name: "NF4 + DQ", format: "nf4", doubleQuant: true },
  { name: "Int8", format: "int8", doubleQuant: false },
];
const inputs = { normal: normals, "heavy tails": tails, pretrained: learned };
const errors = kinds.map(({ name, format, doubleQuant }) => {
  const report = (x: Float32Array) => quantizationError(x, quantize(x, { format, blockSize, doubleQuant }));
  return {
    name,
    normal: report(inputs.normal),
    tails: report(inputs["heavy tails"]),
    learned: report(inputs.pretrained),
  };
});
display(
  table(
    errors.map(({ name, normal, tails: heavy, learned: trained }) => ({
      "data type": name,
      "normal: mean |e|": normal.meanAbs,
      "normal: SQNR, dB": normal.sqnr,
      "heavy tails: SQNR, dB": heavy.sqnr,
      "pretrained: SQNR, dB": trained.sqnr,
    })),
    {
      title: `Error of quantization, blocks of ${blockSize}`,
      note: "SQNR is the signal's power over the error's; more is better.",
    },
  ),
);

// %% [markdown]
// ## Bits per parameter
//
// Four bits for the code; one float32 constant for every 64 weights is another half bit. Double quantization keeps the
// constants in 8 bits, with a float32 for every 256 of them: $8/64 + 32/(64 \cdot 256) = 0.127$ bits.

// %% Bytes counted on a real tensor

const large = random(4).normal(1 << 20, 0, 1);
const bits = [false, true].map(
  (doubleQuant) => quantize(large, { format: "nf4", blockSize: 64, doubleQuant }).bitsPerParameter,
);
display(
  table(
    [
      {
        storage: "NF4",
        "from the formula": 4 + 32 / 64,
        "measured bytes × 8 / weights": bits[0],
        paper: "4.5",
      },
      {
        storage: "NF4 + DQ",
        "from the formula": 4 + 8 / 64 + 32 / (64 * 256),
        "measured bytes × 8 / weights": bits[1],
        paper: "4.127",
      },
      {
        storage: "saved",
        "from the formula": 32 / 64 - 8 / 64 - 32 / (64 * 256),
        "measured bytes × 8 / weights": bits[0] - bits[1],
        paper: "0.373",
      },
    ],
    {
      title: "Bits per parameter, blocks of 64, a tensor of 2²⁰ weights",
      columns: [
        "storage",
        { key: "from the formula", digits: 7 },
        { key: "measured bytes × 8 / weights", digits: 7 },
        "paper",
      ],
    },
  ),
);

// %% [markdown]
// ## Quality of a model that is only stored in four bits (table 2)
//
// The paper's mean perplexity over models from 125M to 13B: Int4 34.34, Float4 (E2M1) 31.07, Float4 (E3M0) 29.48,
// NFloat4 + DQ 27.41. Here, the small base, its linear layers stored in each type, on its own held-out rows.

// %% Perplexity by data type

const stored = kinds.map(({ name, format, doubleQuant }) => {
  const model = base.copy();
  const report = quantizeModel(model, { format, blockSize, doubleQuant });
  return {
    name,
    loss: validationLoss(model, source),
    bitsPerParameter: report.bitsPerParameter,
    bytes: bytesOf(model),
  };
});
const float32 = { name: "float32", loss: base.loss, bitsPerParameter: 32, bytes: bytesOf(base.copy()) };
const paperTable2: Record<string, string> = { Int4: "34.34", FP4: "31.07 (E2M1)", "NF4 + DQ": "27.41" };
display(
  table(
    [float32, ...stored].map(({ name, loss, bitsPerParameter, bytes }) => ({
      "data type": name,
      "bits per linear weight": bitsPerParameter,
      "model, KiB": bytes / 1024,
      loss,
      "loss added": loss - base.loss,
      perplexity: Math.exp(loss),
      "paper, perplexity": paperTable2[name] ?? "",
    })),
    { title: "Stored, not yet tuned" },
  ),
);
const lossOf = (name: string): number => stored.find((row) => row.name === name)?.loss ?? Number.NaN;

// %% [markdown]
// ## After tuning the difference is gone (tables 3 and 4)
//
// Adapters on every linear layer, over the base in 32 bits and in each quantized form. The paper finds that adapters
// recover what quantization lost.

// %% LoRA and QLoRA

const variants = [
  { name: "LoRA, float32 base", quantization: null },
  ...kinds.map((kind) => ({ name: `QLoRA, ${kind.name}`, quantization: kind })),
];
const bar = progress(variants.length * settings.seeds, "tuning");
const tuned = variants.map(({ name, quantization }) => {
  const runs = Array.from({ length: settings.seeds }, (_, seed) => {
    const make = (): GPT2 => {
      const model = base.copy();
      if (quantization) {
        const { format, doubleQuant } = quantization;
        const dense = model.parameters();
        quantizeModel(model, { format, blockSize, doubleQuant });
        const kept = new Set(model.parameters());
        for (const weight of dense) if (!kept.has(weight)) weight.value.storage.release(); // or counted until collected
      }
      inject(model, {
        method: "lora",
        rank: settings.rank,
        alpha: 2 * settings.rank,
        target: "all-linear",
        seed: 100 + seed,
      });
      return model;
    };
    const { steps, rows } = settings;
    const run = adapt(make, { domain: target, steps, rows, lr: 5e-3, seed: 200 + seed }, () => null);
    bar.tick();
    return run;
  });
  return { name, runs, losses: runs.map(({ loss }) => loss) };
});
bar.done();
const before = validationLoss(base.copy(), target);
display(
  table(
    tuned.map(({ name, runs, losses }) => ({
      base: name,
      loss: meanStd(losses),
      perplexity: meanStd(losses.map(Math.exp)),
      "quantized, KiB": runs[0].memory.quantized / 1024,
      "weights, KiB": runs[0].memory.weights / 1024,
      "adapters, KiB": runs[0].memory.adapters / 1024,
      "optimizer, KiB": runs[0].memory.optimizer / 1024,
      seconds: meanStd(runs.map(({ seconds }) => seconds)),
    })),
    {
      title: `Tuned to ${target.name} (loss before: ${before.toFixed(4)})`,
      note: `${settings.seeds} seeds; memory by the meter, at its peak. Embeddings and the head stay in 32 bits, as in the paper they stay in 16.`,
      volatile: ["seconds"],
    },
  ),
);

// %% [markdown]
// ## Memory of the models the paper tunes
//
// All linear layers in NF4 with double quantization, the rest in bfloat16, adapters of rank 64 on every linear layer in
// bfloat16, two float32 Adam moments for each adapter parameter. The paper's figure 6 counts adapters as $18\,d\,r$ per
// layer, which is LLaMA with a feed-forward width of $4d$; LLaMA's real one is narrower but threefold.

// %% LLaMA, 7B to 65B

const paperFigure: Record<string, readonly [adapters: number, optimizer: number, total: string]> = {
  "llama-7b": [288, 1152, "6.9"],
  "llama-13b": [450, 1800, "11.3"],
  "llama-33b": [877.5, 3510, "24.7"],
  "llama-65b": [1440, 5760, "45.0"],
};
const MIB = 2 ** 20;
const memory = (["llama-7b", "llama-13b", "llama-33b", "llama-65b"] as const).map((name) => {
  const config = configurations[name];
  const modules = layout(config);
  const linear = linearWeightCount(modules);
  const { codes, constants } = quantizedBytes([linear], { format: "nf4", blockSize: 64, doubleQuant: true });
  const rest = 2 * (parameterCount(modules) - linear);
  const trained = countParameters("lora", { config, rank: 64, target: "all-linear" }).trainable;
  const asPrinted = (18 * config.hidden_size * 64 * config.num_hidden_layers * 2) / MIB;
  return { name, linear, codes, constants, rest, adapters: 2 * trained, optimizer: 8 * trained, asPrinted };
});
display(
  table(
    memory.map(({ name, codes, constants, rest, adapters, optimizer, asPrinted }) => ({
      model: name,
      "NF4 codes": codes / MIB,
      "constants, DQ": constants / MIB,
      "rest, bf16": rest / MIB,
      "adapters, real shapes": adapters / MIB,
      "optimizer, real shapes": optimizer / MIB,
      "sum, GB": (codes + constants + rest + adapters + optimizer) / 1e9,
      "18 d r rule": asPrinted,
      "paper: adapters": paperFigure[name][0],
      "paper: optimizer": paperFigure[name][1],
      "paper: total, GB": paperFigure[name][2],
    })),
    {
      title: "MiB, adapters of rank 64",
      note: "The paper's base model column (5,046 to 37,074 MB) is larger than its weights; what else it holds is not said.",
    },
  ),
);
const fits = memory.every(
  ({ name, asPrinted }) => asPrinted === paperFigure[name][0] && 4 * asPrinted === paperFigure[name][1],
);
const of65 = memory[3];
const saved65 = ((32 / 64 - 8 / 64 - 32 / (64 * 256)) * of65.linear) / 8 / 1e9;

// %% [markdown]
// ## Paging at work
//
// A paged optimizer keeps its state within a budget: pages that do not fit wait in a file and come back when their turn
// comes. Same numbers, bit for bit; the price is bytes moved. Here the budget is half of what full fine-tuning's moments
// need, and a quarter.

// %% The same training with state in pages

const pagingSteps = 12;
const train = (optimizerOf: (model: GPT2) => AdamW) => {
  const model = base.copy();
  const optimizer = optimizerOf(model);
  const moved: { step: number; mebibytes: number }[] = [];
  const report = measureMemory(() => {
    for (let step = 0; step < pagingSteps; step++) {
      const { ids, labels } = target.batch(4, random(300 + step));
      model.loss(ids, labels).backward();
      optimizer.step();
      optimizer.zeroGrad();
      if (optimizer instanceof PagedAdamW) {
        const { bytesRead, bytesWritten } = optimizer.paging;
        moved.push({ step: step + 1, mebibytes: (bytesRead + bytesWritten) / MIB });
      }
    }
  });
  const weights = model.parameters().map((parameter) => parameter.toArray());
  return { weights, optimizer, moved, peak: report.peak.optimizer };
};
const plain = train((model) => new AdamW(model.parameters(), { lr: 1e-3 }));
const state = base
  .copy()
  .parameters()
  .reduce((n, { size }) => n + 8 * size, 0);
const paged = [1, 2, 4].map((part) => ({
  part,
  ...train(
    (model) =>
      new PagedAdamW(model.parameters(), { lr: 1e-3, budget: Math.ceil(state / part), pageBytes: 16384 }),
  ),
}));
const equal = paged.map(({ weights }) =>
  weights.every((w, i) => w.every((value, j) => value === plain.weights[i][j])),
);
display(
  table(
    paged.map(({ part, optimizer }, i) => {
      const { faults, evictions, bytesRead, bytesWritten, peakResidentBytes } = (optimizer as PagedAdamW)
        .paging;
      return {
        budget: part === 1 ? "all of the state" : `1/${part} of the state`,
        "peak resident, KiB": peakResidentBytes / 1024,
        faults,
        evictions,
        "read, MiB": bytesRead / MIB,
        "written, MiB": bytesWritten / MIB,
        "equal to AdamW, bit for bit": equal[i] ? "yes" : "no",
      };
    }),
    { title: `${pagingSteps} steps of full fine-tuning; the state is ${(state / 1024).toFixed(0)} KiB` },
  ),
);
display(
  linePlot(
    paged.flatMap(({ part, moved }) =>
      moved.map((row) => ({ ...row, budget: part === 1 ? "all" : `1/${part}` })),
    ),
    { x: "step", y: "mebibytes", series: "budget", title: "Bytes moved to and from the file", yLabel: "MiB" },
  ),
);

// %% [markdown]
// ## What holds here

// %% Verdicts

const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length;
const tunedOf = (name: string): readonly number[] => tuned.find((row) => row.name === name)?.losses ?? [];
const gap = before - mean(tunedOf("LoRA, float32 base"));
const recoveredBy = (name: string): number[] => tunedOf(name).map((loss) => (before - loss) / gap);
display(
  replication([
    {
      claim: "NF4's values are the published ones",
      paper: "16 values (appendix E)",
      measured: `largest difference ${worst.toExponential(1)}`,
      holds: worst <= 1e-7,
    },
    {
      claim: "4.127 bits per parameter with double quantization",
      paper: "0.127 bits for constants instead of 0.5 (§3)",
      measured: bits[1].toFixed(4),
      holds: Math.abs(bits[1] - 4.127) < 0.001,
    },
    {
      claim: "Double quantization saves 3 GB on 65B",
      paper: "approximately 3 GB (§3)",
      measured: `${saved65.toFixed(2)} GB`,
      holds: Math.abs(saved65 - 3) < 0.1,
    },
    {
      claim: "Adapters and optimizer of figure 6 are 18 d r and four times that",
      paper: "288, 450, 877.5, 1440 MB",
      measured: memory.map(({ asPrinted }) => asPrinted).join(", "),
      holds: fits,
      note: "not LLaMA's real shapes: those give 305 MiB for 7B",
    },
    {
      claim: "On normal weights NF4 loses less than Int4 and FP4",
      paper: "information-theoretically optimal (§3)",
      measured: errors
        .slice(0, 3)
        .map(({ name, normal }) => `${name} ${normal.sqnr.toFixed(2)} dB`)
        .join(", "),
      holds: errors[2].normal.mse < errors[0].normal.mse && errors[2].normal.mse < errors[1].normal.mse,
    },
    {
      claim: "Stored in 4 bits: NF4 better than Int4 and FP4; DQ costs nothing",
      paper: "27.41 < 31.07 < 34.34 (table 2)",
      measured: ["Int4", "FP4", "NF4", "NF4 + DQ"]
        .map((name) => `${name} ${lossOf(name).toFixed(4)}`)
        .join(", "),
      holds:
        lossOf("NF4") < lossOf("Int4") &&
        lossOf("NF4") < lossOf("FP4") &&
        lossOf("NF4 + DQ") - lossOf("NF4") < 0.1 * (lossOf("NF4") - base.loss),
      note: "losses of one small model",
    },
    {
      claim: "QLoRA with NF4 + DQ recovers LoRA's quality",
      paper: "53.1 against 53.0 (table 4)",
      measured: recoveredBy("QLoRA, NF4 + DQ"),
      holds: mean(recoveredBy("QLoRA, NF4 + DQ")) >= 0.95,
      note: "fraction of LoRA's improvement; holds from 0.95",
    },
    {
      claim: "NF4 is not worse than FP4 after tuning",
      paper: "53.1 against 52.2 (table 4)",
      measured: `loss ${meanStd(tunedOf("QLoRA, NF4"))} against ${meanStd(tunedOf("QLoRA, FP4"))}`,
      holds: mean(tunedOf("QLoRA, NF4")) <= mean(tunedOf("QLoRA, FP4")),
      seeds: settings.seeds,
    },
    {
      claim: "Paging changes no number",
      paper: "paged optimizers (§3)",
      measured: equal.every(Boolean) ? "equal bit for bit under every budget" : "different",
      holds: equal.every(Boolean),
    },
  ]),
);
display(
  md`Device: ${currentDevice().name} (${currentDevice().adapter}), Node ${process.version}, ${settings.seeds} seeds.`,
);
