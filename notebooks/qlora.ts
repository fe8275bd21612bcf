// %% [markdown]
// # QLoRA: Efficient Finetuning of Quantized LLMs
//
// Dettmers, Pagnoni, Holtzman & Zettlemoyer, 2023, [arXiv:2305.14314](https://arxiv.org/abs/2305.14314).
//
// QLoRA trains LoRA adapters on a frozen base that is stored in four bits per weight. Three ideas make the base cheap
// to hold: a 4-bit data type whose sixteen values are quantiles of a normal distribution (NF4); quantization of the
// quantization constants, too (double quantization, DQ); and optimizer state that is moved out of the way when memory
// is short (paged optimizers). In the library these are two calls: `quantizeModel(model, …)`, then `inject(model, …)`.
//
// Every number was computed or measured by this run unless its column says *paper* or *reference*. Each claim is turned
// into a condition on measured numbers. The condition is fixed before the run; the verdict is printed even if it goes
// against the paper.
//
// **To run it:** `npm start -- qlora` (`--full` for the long setting, `--set blockSize=128` to change a number). VS
// Code and Jupyter open `qlora.ipynb` as it is; to execute it there, install the Deno kernel
// (`npm install --global deno`, `deno jupyter --install`) and build the library once (`npm run build`).

// %% Settings

import * as Plot from "@observablehq/plot";
import {
  currentDevice,
  liveBytes,
  measureMemory,
  normalQuantile,
  random,
  roundToBfloat16,
  scope,
} from "lowrank/core";
import { type AdaptedModel, countParameters } from "lowrank/lora";
import { AdamW, configurations, type GPT2, layout, linearWeightCount, parameterCount } from "lowrank/nn";
import {
  dequantizeModel,
  dynamic8,
  nf4,
  nf4Equation4,
  PagedAdamW,
  type QuantizeModelOptions,
  qloraBytes,
  quantize,
  quantizedBytes,
  quantizedLayers,
  requantizationError,
} from "lowrank/quant";
import { dataTypes, lossOf, roundTo, roundWeights } from "./papers/qlora/codebooks-compared.ts";
import { elo, eloInOrders, expectedScore, judge } from "./papers/qlora/elo.ts";
import { activationBytes, blockNumbers, measureStep } from "./papers/qlora/memory.ts";
import { toBfloat16, toFewBits, withLora } from "./papers/qlora/recipes.ts";
import { acceptability, entailment, sentiment } from "./support/data/classification.ts";
import { taskDomain, VOCABULARY } from "./support/data/domain.ts";
import { anyStyle, houseStyle } from "./support/data/house-style.ts";
import { type BaseModel, pretrained } from "./support/experiments/base-model.ts";
import { fullFineTuning } from "./support/experiments/baselines.ts";
import { checkpointBlocks } from "./support/experiments/checkpointed.ts";
import { accuracy, validationLoss } from "./support/experiments/evaluation.ts";
import { adapt } from "./support/experiments/harness.ts";
import { separateAttention } from "./support/experiments/separate-attention.ts";
import { atMost, mean } from "./support/experiments/statistics.ts";
import {
  barPlot,
  defineSettings,
  display,
  linePlot,
  meanStd,
  plot,
  progress,
  replication,
  settingsTable,
  table,
} from "./support/index.ts";

const settings = defineSettings({
  blockSize: { quick: 64, about: "weights that share one constant: 32, 64, … 4096", min: 32 },
  samples: { quick: 200_000, full: 2_000_000, about: "random numbers of the error table", min: 4096 },
  rank: { quick: 8, about: "r of the adapters", min: 1 },
  ranks: { quick: [2, 32], full: [2, 32], about: "other ranks, for figure 2", min: 1 },
  seeds: { quick: 2, full: 3, about: "independent runs", min: 1 },
  tasks: { quick: 0, full: 2, about: "of sentiment, acceptability, entailment: how many are tuned to" },
  d: { quick: 64, about: "width of the small GPT, a multiple of 4", min: 8 },
  widths: {
    quick: [32],
    full: [16, 32],
    about: "of the other models that are stored in each data type",
    min: 8,
  },
  layers: { quick: 2, full: 4, about: "blocks of each model", min: 1 },
  pretraining: { quick: 400, full: 1500, about: "steps of pretraining", min: 1 },
  steps: { quick: 50, full: 140, about: "steps of each adaptation", min: 1 },
  rows: { quick: 8, about: "rows of a batch", min: 1 },
  orders: { quick: 500, full: 10_000, about: "random orders of the judgements, for Elo", min: 2 },
});
display(settingsTable(settings));
const started = performance.now();
const { blockSize } = settings;
quantize([0], { blockSize }); // a size that cannot be is refused here, and not after pretraining
const KIB = 1024;
const MIB = 1024 * 1024;

// %% [markdown]
// ## Sixteen values
//
// The weights of a trained network are nearly normal. A data type is information-theoretically optimal for them when
// each of its values is used equally often, that is, when its values are quantiles. With $Q$ the quantile function of
// the normal distribution, equation 4 takes
//
// $$q_i = \tfrac12 \left( Q\left(\tfrac{i}{2^k+1}\right) + Q\left(\tfrac{i+1}{2^k+1}\right) \right)$$
//
// and scales the largest to 1. A symmetric set of that kind has no zero. Therefore one half is made with $2^{k-1} = 8$
// values and the other with 9, each with a zero, and one of the two zeros is dropped.
//
// The released code does something else: it takes $Q$ itself at probabilities evenly spaced between $\tfrac12$ and an
// *offset* below 1. With $n$ equally probable values the outermost is at probability $1 - \tfrac1{2n}$; the offset is
// the mean of that for $n = 16$ and $n = 15$:
//
// $$\text{offset} = 1 - \tfrac12\left(\tfrac1{32} + \tfrac1{30}\right)$$
//
// The cell writes out both. The library's code, with the roundings that make the last bit right, is in
// `quant/codebooks.ts`.

// %% NF4 by equation 4, by the released construction, and as published

const Q = normalQuantile;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The values above 0 of a half that has n, zero among them: i = n + 1 … 2n - 1, and N = 2n + 1 for 2^k + 1. */
const half4 = (n: number): number[] => {
  const N = 2 * n + 1;
  const q = range(n - 1).map((j) => (Q((n + 1 + j) / N) + Q((n + 2 + j) / N)) / 2); // (Eq. 4)
  return q.map((value) => value / q[n - 2]);
};
const equation4 = [
  ...half4(8)
    .map((q) => -q)
    .reverse(),
  0,
  ...half4(9),
];

const exactOffset = 1 - (1 / 32 + 1 / 30) / 2; // 0.96770833…
const offset = 0.9677083; // as released: seven digits of it
const evenly = (n: number): number[] => range(n).map((j) => 0.5 + ((offset - 0.5) * (j + 1)) / n);
const released = [
  ...evenly(7)
    .map((p) => -Q(p))
    .reverse(),
  0,
  ...evenly(8).map(Q),
].map((q) => q / Q(offset));

const published = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
];
const values = [...nf4.values];
const publishedThresholds = [
  -0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
  -0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668,
  0.2920137718319893, 0.3893125355243683, 0.5016634166240692, 0.6427869200706482, 0.8614784181118011,
];
const thresholds = values.slice(1).map((value, i) => Math.fround(values[i] + value) / 2);
display(
  table(
    values.map((value, i) => ({
      code: i,
      "equation 4": equation4[i],
      "released construction": released[i],
      "in the library": value,
      "published (appendix E)": published[i],
      "up to": thresholds[i] ?? 1,
      "up to, published": publishedThresholds[i] ?? 1,
    })),
    {
      title: "The sixteen values of NF4, and the thresholds between them",
      columns: [
        "code",
        { key: "equation 4", digits: 7 },
        { key: "released construction", digits: 7 },
        { key: "in the library", digits: 7 },
        { key: "published (appendix E)", digits: 7 },
        { key: "up to", digits: 7 },
        { key: "up to, published", digits: 7 },
      ],
      note: `offset: 1 - (1/32 + 1/30)/2 = ${exactOffset.toFixed(8)}, released as ${offset}; Q(offset) = ${Q(offset).toFixed(7)}. A quotient on a threshold takes the smaller value.`,
    },
  ),
);
const density = range(121).map((i) => {
  const v = -1 + i / 60;
  return { v, p: Math.exp(-0.5 * (v * Q(offset)) ** 2) };
});
display(
  plot(
    {
      height: 240,
      x: { label: "value, in units of the block's largest", domain: [-1.02, 1.02] },
      y: { label: "normal density", ticks: [] },
      marks: [
        Plot.areaY(density, { x: "v", y: "p", fill: "#4269d0", fillOpacity: 0.15 }),
        Plot.lineY(density, { x: "v", y: "p", stroke: "#4269d0" }),
        Plot.ruleX(thresholds, { stroke: "#9c9c9c", strokeDasharray: "2,3" }),
        Plot.ruleX(values, { stroke: "#ff725c", strokeWidth: 1.5 }),
        Plot.dot(
          equation4.map((v) => ({ v, p: 0.03 })),
          { x: "v", y: "p", r: 2.5, fill: "black" },
        ),
        Plot.ruleY([0]),
      ],
    },
    {
      title: "NF4's values (red), thresholds (dashed), equation 4's values (dots), and the normal density",
      text: `values: ${values.map((value) => value.toFixed(3)).join(" ")}`,
    },
  ),
);
const largestOf = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i])));

// %% [markdown]
// ## The other data types
//
// The paper's *Float4* has sign, exponent and fraction in four bits: E2M1 or E3M0. The released code has an FP4 of its
// own, whose smallest value is $\tfrac1{192}$. Int4 has fifteen values. For the constants the paper says *8-bit
// floats*; the released code uses the 8-bit dynamic map, and so does the library. It consists of the centres of $2^i$
// equal parts of each decade $(10^{i-7}, 10^{i-6}]$, $i = 0 … 6$, with both signs, and of 0 and 1.

// %% Values by data type

const four = dataTypes.filter(({ name, book }) => book.bits === 4 && name !== "NF4 + DQ");
const distinct = (book: { readonly values: Float32Array }): number[] =>
  [...new Set(Array.from(book.values, (value) => value + 0))]
    .filter((value) => value >= -1)
    .sort((a, b) => a - b);
display(
  table(
    four.map(({ name, book }) => ({
      "data type": name,
      distinct: distinct(book).length,
      "values from 0 up": distinct(book)
        .filter((value) => value >= 0)
        .map((value) => String(Number(value.toPrecision(4))))
        .join("  "),
    })),
    { title: "4-bit data types", note: "NF4 alone has other values below zero than above." },
  ),
);
display(
  plot(
    {
      height: 190,
      marginLeft: 60,
      x: { label: "value, in units of the block's largest", domain: [-1.02, 1.02] },
      y: { label: null, domain: four.map(({ name }) => name) },
      marks: [
        Plot.ruleX([0], { strokeOpacity: 0.3 }),
        Plot.tickX(
          four.flatMap(({ name, book }) => distinct(book).map((value) => ({ name, value }))),
          { x: "value", y: "name", stroke: "#4269d0", strokeWidth: 2 },
        ),
      ],
    },
    { title: "Where the values lie", text: four.map(({ name }) => name).join(" ") },
  ),
);
const positive = [...dynamic8.values].filter((value) => value > 0).sort((a, b) => a - b);
const map8 = {
  values: new Set(dynamic8.values).size,
  largest: positive.at(-1) ?? 0,
  second: positive.at(-2) ?? 0,
  smallest: positive[0],
  lowest: Math.min(...dynamic8.values),
};
display(
  table(
    [
      { "8-bit dynamic map": "distinct values", here: String(map8.values), published: "256" },
      { "8-bit dynamic map": "largest", here: map8.largest.toFixed(8), published: "1.0" },
      { "8-bit dynamic map": "the one below", here: map8.second.toFixed(8), published: "0.99296874" },
      {
        "8-bit dynamic map": "smallest above zero",
        here: map8.smallest.toExponential(2),
        published: "5.5e-7",
      },
      { "8-bit dynamic map": "lowest", here: map8.lowest.toFixed(8), published: "-0.99296874" },
    ],
    { title: "What double quantization stores constants in" },
  ),
);

// %% [markdown]
// ## A small GPT, pretrained
//
// This model supplies real weights, and is the base of all experiments below. It has learned to put a restaurant's
// facts into words in any of 54 styles (data to text, in the manner of the E2E restaurants), and is adapted to the one
// style of a house. The other widths are for the tables in which several models are stored.

// %% Base models

const time = 79;
const source = taskDomain(anyStyle, { time, test: 64, random: random(10) });
const target = taskDomain(houseStyle, { time, test: 64, random: random(11) });
const sized = (d: number): BaseModel =>
  pretrained({
    domain: source,
    size: { d, layers: settings.layers, heads: 4, time },
    steps: settings.pretraining,
    rows: 12,
    lr: 3e-3,
    seed: 20,
  });
const base = sized(settings.d);
const models = [...new Set([...settings.widths, settings.d])]
  .sort((a, b) => a - b)
  .map((d) => ({ d, model: d === settings.d ? base : sized(d) }));
display(
  table(
    models.map(({ d, model }) => {
      const sizes = model
        .copy()
        .parameters()
        .map(({ size }) => size);
      return {
        width: d,
        parameters: sizes.reduce((sum, size) => sum + size, 0),
        "loss on its own task": model.loss,
      };
    }),
    {
      title: "Base models",
      tolerance: 0.01,
      note: `Losses in nats per character on held-out facts of "${source.name}".`,
    },
  ),
);

// %% [markdown]
// ## What quantization loses
//
// A block of weights is divided by its largest magnitude (*absmax*), and each quotient is replaced by the nearest value
// of the codebook. The table compares numbers from a normal distribution, numbers from a heavy-tailed one (Student's t
// with 3 degrees of freedom), and the linear weights of the model above, in blocks of 64 and of 1024. *Entropy* is that
// of the values: 4 bits when all sixteen are used equally often.

// %% Errors by data type, distribution and block size

const normals = random(1).normal(settings.samples, 0, 1);
const tails = (() => {
  const z = random(2).normal(settings.samples, 0, 1);
  const squares = random(3)
    .normal(3 * settings.samples, 0, 1)
    .map((x) => x * x);
  return z.map((x, i) => x / Math.sqrt((squares[3 * i] + squares[3 * i + 1] + squares[3 * i + 2]) / 3));
})();
const learned = scope(() => {
  const parts: Float32Array[] = [];
  roundWeights(base.copy(), (W) => {
    parts.push(W);
    return W;
  });
  const all = new Float32Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
});
const numbers = { normal: normals, "heavy tails": tails, pretrained: learned };
const SIZES = [64, 1024];
const losses = (Object.keys(numbers) as (keyof typeof numbers)[]).flatMap((distribution) =>
  SIZES.flatMap((size) =>
    dataTypes.map((type) => ({
      distribution,
      size,
      type: type.name,
      ...lossOf(type, numbers[distribution], size),
    })),
  ),
);
const lossAt = (distribution: string, size: number, type: string) =>
  losses.find((row) => row.distribution === distribution && row.size === size && row.type === type) ??
  losses[0];
/** 12.8 million normal samples, blocks of 64; relative errors of t(3) at 64 and 1024. Another implementation's. */
const reference: Record<
  string,
  { mse: number; mae: number; sqnr?: number; entropy?: number; t?: [number, number] }
> = {
  Int4: { mse: 0.01158, mae: 0.0913, sqnr: 19.36, entropy: 3.5, t: [0.0308, 0.158] },
  FP4: { mse: 0.01487, mae: 0.0965, sqnr: 18.28, entropy: 3.71 },
  E2M1: { mse: 0.01117, mae: 0.0803, sqnr: 19.52, entropy: 3.82, t: [0.0149, 0.07] },
  E3M0: { mse: 0.03539, mae: 0.1308, sqnr: 14.51, entropy: 3.5, t: [0.0235, 0.034] },
  NF4: { mse: 0.00845, mae: 0.0728, sqnr: 20.73, entropy: 3.88, t: [0.0142, 0.073] },
  "NF4 + DQ": { mse: 0.00846, mae: 0.0728 },
};
display(
  table(
    dataTypes.map(({ name }) => {
      const here = lossAt("normal", 64, name);
      const there = reference[name];
      return {
        "data type": name,
        MSE: here.mse,
        "MSE, reference": there?.mse ?? null,
        MAE: here.mae,
        "MAE, reference": there?.mae ?? null,
        "SQNR, dB": here.sqnr,
        "dB, reference": there?.sqnr ?? null,
        entropy: here.entropy,
        "entropy, reference": there?.entropy ?? null,
      };
    }),
    {
      title: "Normal numbers, blocks of 64",
      columns: [
        "data type",
        { key: "MSE", digits: 5 },
        { key: "MSE, reference", digits: 5 },
        { key: "MAE", digits: 4 },
        { key: "MAE, reference", digits: 4 },
        { key: "SQNR, dB", digits: 2 },
        { key: "dB, reference", digits: 2 },
        { key: "entropy", digits: 2 },
        { key: "entropy, reference", digits: 2 },
      ],
      note: `${settings.samples.toLocaleString("en")} samples; the reference has 12.8 million (not in the paper). SQNR is the signal's power over the error's.`,
    },
  ),
);
display(
  table(
    dataTypes.map(({ name }) => ({
      "data type": name,
      "normal, 1024": lossAt("normal", 1024, name).relative,
      "heavy tails, 64": lossAt("heavy tails", 64, name).relative,
      "reference, 64": reference[name]?.t?.[0] ?? null,
      "heavy tails, 1024": lossAt("heavy tails", 1024, name).relative,
      "reference, 1024": reference[name]?.t?.[1] ?? null,
      "pretrained, 64": lossAt("pretrained", 64, name).relative,
      "pretrained, 1024": lossAt("pretrained", 1024, name).relative,
      "pretrained, 64: entropy": lossAt("pretrained", 64, name).entropy,
    })),
    {
      title: "Relative error ‖e‖² / ‖x‖² of the others",
      tolerance: 0.01,
      note: "Student's t with 3 degrees of freedom has no fourth moment: its averages settle slowly, and a few numbers decide.",
    },
  ),
);
display(
  plot(
    {
      height: 300,
      marginLeft: 70,
      marginRight: 20,
      x: { label: "SQNR, dB", grid: true, domain: [0, 45], ticks: [0, 10, 20, 30, 40] },
      y: { label: null, domain: dataTypes.map(({ name }) => name) },
      fy: { label: null },
      fx: { label: null, domain: Object.keys(numbers) },
      color: { type: "categorical", domain: SIZES.map(String) },
      marks: [
        Plot.dot(
          losses.map((row) => ({ ...row, blocks: String(row.size) })),
          { x: "sqnr", y: "type", fx: "distribution", fill: "blocks", r: 4 },
        ),
        Plot.frame({ strokeOpacity: 0.2 }),
      ],
    },
    {
      title: "Signal to quantization noise; blocks of",
      legend: true,
      text: dataTypes
        .map(
          ({ name }) =>
            `${name.padEnd(9)} ${Object.keys(numbers)
              .map((x) => SIZES.map((size) => lossAt(x, size, name).sqnr.toFixed(1)).join("/"))
              .join("  ")}`,
        )
        .join("\n"),
    },
  ),
);

// %% [markdown]
// ## Bits per parameter
//
// The code of a weight takes four bits; one float32 constant for every 64 weights adds half a bit. Double quantization
// subtracts the mean from the constants, and stores the differences in 8 bits each, with one float32 for every 256 of
// them. The constants then add only $8/64 + 32/(64 \cdot 256) = 0.127$ bits.

// %% Bytes counted on a real tensor, and on the paper's models

const large = random(4).normal(1 << 20, 0, 1);
const [singly, doubly] = [false, true].map((doubleQuant) =>
  quantize(large, { format: "nf4", blockSize: 64, doubleQuant }),
);
const constants = { single: 32 / 64, double: 8 / 64 + 32 / (64 * 256) };
display(
  table(
    [
      { what: "constants", formula: constants.single, measured: singly.bitsPerParameter - 4, paper: "0.5" },
      {
        what: "constants, DQ",
        formula: constants.double,
        measured: doubly.bitsPerParameter - 4,
        paper: "0.127",
      },
      {
        what: "saved",
        formula: constants.single - constants.double,
        measured: singly.bitsPerParameter - doubly.bitsPerParameter,
        paper: "0.373",
      },
      { what: "NF4 in all", formula: 4 + constants.single, measured: singly.bitsPerParameter, paper: "4.5" },
      {
        what: "NF4 + DQ in all",
        formula: 4 + constants.double,
        measured: doubly.bitsPerParameter,
        paper: "4.127",
      },
    ],
    {
      title: "Bits per parameter, blocks of 64: bytes × 8 / weights of a tensor of 2²⁰ weights",
      columns: ["what", { key: "formula", digits: 9 }, { key: "measured", digits: 9 }, "paper"],
      note: "The measured ones also hold the mean, four bytes a tensor.",
    },
  ),
);
const { absmax, constants: recovered } = roundTo(
  { name: "NF4 + DQ", book: nf4, doubleQuant: true },
  normals,
  64,
);
const whole = Math.floor(normals.length / 64); // blocks of 64; a last, shorter one is left out
const largest = meanStd(absmax.subarray(0, whole));
const off = Array.from(absmax.subarray(0, whole), (c, b) => Math.abs(recovered[b] - c) / c);
const worstOff = off.reduce((most, x) => Math.max(most, x), 0);
display(
  table(
    [
      { what: "mean of absmax, blocks of 64 normal numbers", here: largest.mean, reference: 2.596 },
      { what: "its standard deviation", here: largest.std, reference: 0.417 },
      { what: "relative error of absmax by DQ, mean, %", here: 100 * mean(off), reference: 0.16 },
      { what: "and largest, %", here: 100 * worstOff, reference: 1.0 },
    ],
    {
      title: "What double quantization does to the constants",
      columns: ["what", { key: "here", digits: 3 }, { key: "reference", digits: 3 }],
    },
  ),
);
const LLAMAS = ["llama-7b", "llama-13b", "llama-33b", "llama-65b"] as const;
const llamas = LLAMAS.map((name) => {
  const config = configurations[name];
  const modules = layout(config);
  const all = parameterCount(modules);
  const linear = linearWeightCount(modules);
  const trained = countParameters("lora", { config, rank: 64, target: "all-linear" }).trainable;
  return { name, config, all, linear, trained };
});
const GB = 1e9;
const savedGB = llamas.map(({ all }) => ((constants.single - constants.double) * all) / 8 / GB);
display(
  table(
    llamas.map(({ name, all, linear }, i) => ({
      model: name,
      parameters: all,
      "in linear layers": linear,
      "DQ saves, GB": savedGB[i],
      "on linear layers alone, GB": (savedGB[i] * linear) / all,
      paper: name === "llama-65b" ? "approximately 3 GB" : "",
    })),
    {
      title: "What double quantization saves: 0.373 bits of each parameter",
      columns: [
        "model",
        "parameters",
        "in linear layers",
        { key: "DQ saves, GB", digits: 3 },
        { key: "on linear layers alone, GB", digits: 3 },
        "paper",
      ],
    },
  ),
);

// %% [markdown]
// ## Models that are only stored in few bits (table 2, figure 3)
//
// Table 2 stores pretrained models from 125M to 13B in each data type and gives their mean perplexity on held-out text.
// Here the models are the small ones above, with their linear layers rounded to each type, and the text is their own
// held-out task. Figure 3 plots quality against the bits of the whole model; weights outside linear layers count 16
// bits, as in the paper.

// %% Perplexity by data type

const paperTable2: Record<string, number> = { Int4: 34.34, E2M1: 31.07, E3M0: 29.48, "NF4 + DQ": 27.41 };
const bitsOf = (type: (typeof dataTypes)[number], size: number): number =>
  type.book.bits + (type.doubleQuant ? 8 / size + 32 / (size * 256) : 32 / size);
const linearWeights = (model: GPT2): number => {
  let n = 0;
  roundWeights(model, (W) => {
    n += W.length;
    return W;
  });
  return n;
};
/** The loss of a model whose linear weights went through `round`. */
const lossAfter = (model: BaseModel, round: (W: Float32Array) => Float32Array): number => {
  const rounded = roundWeights(model.copy(), round);
  const loss = validationLoss(rounded, source);
  for (const storage of rounded.storages()) storage.release();
  return loss;
};
const SIXTEEN = "bfloat16";
const stored = models.flatMap(({ d, model }) => {
  const total = model
    .copy()
    .parameters()
    .reduce((sum, { size }) => sum + size, 0);
  const linear = linearWeights(model.copy());
  const row = (type: string, bits: number, loss: number) => ({
    d,
    type,
    totalBits: bits * linear + 16 * (total - linear),
    loss,
    added: loss - model.loss,
    perplexity: Math.exp(loss),
  });
  return [
    row(
      SIXTEEN,
      16,
      lossAfter(model, (W) => roundToBfloat16(W.slice())),
    ),
    ...dataTypes.map((type) =>
      row(
        type.name,
        bitsOf(type, blockSize),
        lossAfter(model, (W) => roundTo(type, W, blockSize).rounded),
      ),
    ),
  ];
});
const storedAs = (type: string) => stored.filter((row) => row.type === type);
const addedBy = (type: string): number[] => storedAs(type).map(({ added }) => added);
const names = [SIXTEEN, ...dataTypes.map(({ name }) => name)];
display(
  table(
    names.map((type) => ({
      "data type": type,
      ...Object.fromEntries(storedAs(type).map(({ d, added }) => [`loss added, d = ${d}`, added])),
      "mean loss added": mean(addedBy(type)),
      "mean perplexity": mean(storedAs(type).map(({ perplexity }) => perplexity)),
      "paper, mean perplexity": paperTable2[type] ?? null,
    })),
    {
      title: `Table 2: stored, not yet tuned; blocks of ${blockSize}`,
      tolerance: 0.05,
      note: `Against the model in float32, per character; a perplexity of 1 would be certainty. ${models.length} models of ${settings.layers} layers.`,
    },
  ),
);
const figure3Types = [SIXTEEN, "Int8", "FP4", "NF4", "NF4 + DQ"];
const figure3 = stored
  .filter(({ type }) => figure3Types.includes(type))
  .map((row) => ({ ...row, Mbit: row.totalBits / 1e6 }));
display(
  plot(
    {
      grid: true,
      x: {
        type: "log",
        label: "millions of bits",
        ticks: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
        tickFormat: String,
      },
      y: { label: "loss", nice: true },
      color: { type: "categorical", domain: figure3Types },
      marks: [
        Plot.line(figure3, { x: "Mbit", y: "loss", stroke: "type" }),
        Plot.dot(figure3, { x: "Mbit", y: "loss", fill: "type", r: 3 }),
      ],
    },
    {
      title: `Figure 3: loss against bits of the whole model, widths ${models.map(({ d }) => d).join(", ")}`,
      legend: true,
      text: figure3
        .map(({ type, Mbit, loss }) => `${type.padEnd(9)} ${Mbit.toFixed(3)} Mbit: ${loss.toFixed(4)}`)
        .join("\n"),
    },
  ),
);
const byBlock = [32, 64, 128, 256, 512, 1024].flatMap((size) =>
  dataTypes
    .filter(({ name }) => ["Int4", "E2M1", "E3M0", "FP4", "NF4", "NF4 + DQ"].includes(name))
    .map((type) => {
      const loss = lossAfter(base, (W) => roundTo(type, W, size).rounded);
      return { size, type: type.name, bits: bitsOf(type, size), added: loss - base.loss };
    }),
);
display(
  linePlot(byBlock, {
    x: "bits",
    y: "added",
    series: "type",
    title: `Loss added against bits per weight, d = ${settings.d}, blocks of 32 (right) to 1024 (left)`,
    xLabel: "bits per linear weight",
    yLabel: "loss added, nats",
  }),
);

// %% [markdown]
// ## After tuning the difference is gone (tables 3 and 4)
//
// $$Y = X \, \mathrm{dd}(c_1, c_2, W) + s X L_1 L_2 \qquad (5)$$
//
// The adapters $L_1, L_2$ are on every linear layer, over the base in 32, 16, 8 and 4 bits. The paper computes in
// bfloat16. Here both precisions are run, so that the effect of bfloat16 can be seen: *bfloat16* rounds the operands,
// results and gradients of every product.
//
// Tables 3 and 4 tune RoBERTa-large, T5 and LLaMA to GLUE, Super-NaturalInstructions and (measured by MMLU) Alpaca and
// FLAN v2. Scaled down, the small base is tuned to the house style (loss on held-out facts) and to tasks in the manner
// of GLUE (accuracy on 256 held-out rows; only in the full setting, since the quick one has too few steps to learn
// them). All adapters share one learning rate; full fine-tuning has another.

// %% What is tuned, and to what

interface Recipe {
  readonly name: string;
  readonly prepare: (model: GPT2, seed: number) => AdaptedModel<GPT2> | null;
  /** True for those that are tuned to the classification tasks as well. */
  readonly classifies?: boolean;
  /** RoBERTa-large on GLUE (table 3), and the mean of table 4. */
  readonly glue?: number;
  readonly mmlu?: number;
}
const { rank } = settings;
const LR = { full: 1e-3, lora: 5e-3 };
const NF4_DQ = { format: "nf4", blockSize, doubleQuant: true } as const;
const fullyTuned = (model: GPT2): null => {
  fullFineTuning(model);
  return null;
};
const onBase =
  (store: (model: GPT2) => GPT2) =>
  (model: GPT2, seed: number): AdaptedModel<GPT2> =>
    withLora(store(model), { rank, seed });
const inBits = (options: QuantizeModelOptions) =>
  onBase((model) => toFewBits(model, { blockSize, ...options }));
const recipes: readonly Recipe[] = [
  { name: "full fine-tuning", prepare: fullyTuned, classifies: true, glue: 88.6 },
  { name: "LoRA, float32", prepare: onBase((model) => model), classifies: true },
  { name: "LoRA, bfloat16", prepare: onBase(toBfloat16), glue: 88.8, mmlu: 53.0 },
  { name: "QLoRA, Int8", prepare: inBits({ format: "int8" }), classifies: true, glue: 88.8 },
  { name: "QLoRA, FP4", prepare: inBits({ format: "fp4" }), classifies: true, glue: 88.6, mmlu: 52.2 },
  { name: "QLoRA, NF4", prepare: inBits({ format: "nf4" }) },
  { name: "QLoRA, NF4 + DQ", prepare: inBits(NF4_DQ), classifies: true, mmlu: 53.1 },
  { name: "QLoRA, NF4 + DQ, bfloat16", prepare: inBits({ ...NF4_DQ, computeDtype: "bfloat16" }) },
];
const chosen = [
  { task: sentiment, time: 51 },
  { task: acceptability, time: 51 },
  { task: entailment, time: 79 },
].slice(0, settings.tasks);
const classes = chosen.map(({ task, time }) => taskDomain(task, { time, test: 256, random: random(11) }));

// %% [markdown]
// There are three ways to keep a trained adapter. It can stay beside the quantized base. It can be merged into a dense
// copy, exactly $W + sBA$, which takes 16 or 32 bits per weight again. Or it can be merged into the base's own data
// type; then what the rounding removes is lost for good:
//
// ```ts
// const exact = dequantizeModel(adapted.model);        // a dense copy that holds W + sBA
// const merged = adapted.toPlain();                    // quantized again, layer by layer
// requantizationError(exact, merged);                  // the error that this causes in each layer
// ```

// %% Tuning

const { steps, rows } = settings;
const trainings = recipes.reduce((n, { classifies }) => n + 1 + (classifies ? classes.length : 0), 0);
const tuningBar = progress(trainings * settings.seeds, "tuning");
const mergedAfter = (adapted: AdaptedModel<GPT2>) => {
  const exact = dequantizeModel(adapted.model);
  const again = adapted.toPlain();
  return {
    dense: validationLoss(exact, target),
    again: validationLoss(again, target),
    errors: requantizationError(exact, again),
  };
};
const tuned = recipes.map(({ name, prepare, classifies, glue, mmlu }) => {
  const lr = prepare === fullyTuned ? LR.full : LR.lora;
  const seeds = range(settings.seeds).map((seed) => {
    let adapted: AdaptedModel<GPT2> | null = null;
    const make = (): GPT2 => {
      const model = base.copy();
      adapted = prepare(model, 100 + seed);
      return model;
    };
    const house = adapt(make, { domain: target, steps, rows, lr, seed: 200 + seed }, () =>
      adapted && name === "QLoRA, NF4 + DQ" ? mergedAfter(adapted) : null,
    );
    tuningBar.tick();
    const accuracies = (classifies ? classes : []).map((domain) => {
      const { read } = adapt(make, { domain, steps, rows, lr, seed: 200 + seed }, (model) =>
        accuracy(model, domain),
      );
      tuningBar.tick();
      return 100 * read;
    });
    return { house, accuracies };
  });
  return { name, seeds, losses: seeds.map(({ house }) => house.loss), glue, mmlu };
});
tuningBar.done();
const tunedBy = (name: string) => tuned.find((row) => row.name === name) ?? tuned[0];
/** Of each seed: the mean over the tasks. */
const accuraciesOf = (name: string): number[] =>
  tunedBy(name).seeds.map(({ accuracies }) => (accuracies.length > 0 ? mean(accuracies) : Number.NaN));
const before = validationLoss(base.copy(), target);
const classesBefore = classes.map((domain) => 100 * accuracy(base.copy(), domain));
display(
  table(
    [
      {
        base: "before tuning",
        "house style, loss": before,
        ...Object.fromEntries(classes.map(({ name }, i) => [`${name}, %`, classesBefore[i]])),
      },
      ...tuned.map(({ name, losses, seeds, glue, mmlu }) => ({
        base: name,
        "house style, loss": meanStd(losses),
        ...(seeds[0].accuracies.length > 0
          ? Object.fromEntries(
              classes.map(({ name: task }, i) => [`${task}, %`, meanStd(seeds.map((s) => s.accuracies[i]))]),
            )
          : {}),
        "paper, GLUE": glue ?? null,
        "paper, MMLU": mmlu ?? null,
      })),
    ],
    {
      title: "Tables 3 and 4, scaled down",
      tolerance: 0.01,
      note: `${settings.seeds} seeds, ${steps} steps of ${rows} rows, r = ${rank} on every linear layer; paper: RoBERTa-large (table 3), mean of LLaMA 7B to 65B (table 4).`,
    },
  ),
);
display(
  barPlot(
    tuned.map(({ name, losses }) => ({ base: name, loss: meanStd(losses) })),
    {
      label: "base",
      value: "loss",
      title: `Loss on the house style after tuning (before: ${before.toFixed(3)})`,
    },
  ),
);
display(
  table(
    tuned.map(({ name, seeds }) => ({
      base: name,
      "quantized, KiB": seeds[0].house.memory.quantized / KIB,
      "weights, KiB": seeds[0].house.memory.weights / KIB,
      "adapters, KiB": seeds[0].house.memory.adapters / KIB,
      "gradients, KiB": seeds[0].house.memory.gradients / KIB,
      "optimizer, KiB": seeds[0].house.memory.optimizer / KIB,
      "ms a step": meanStd(seeds.map(({ house }) => (1000 * house.seconds) / steps)),
    })),
    {
      title: "What they hold, on the meter",
      volatile: ["ms a step"],
      note: "Embeddings, norms and biases stay in 32 bits (in the paper, 16). bfloat16 is emulated: values are rounded, storage stays float32.",
    },
  ),
);

// %% Table 4's means, exactly

/** MMLU of Alpaca and FLAN v2, for 7B, 13B, 33B, 65B. */
const table4 = [
  { type: "BF16", cells: [38.4, 45.6, 47.2, 50.6, 57.7, 60.5, 61.8, 62.5], printed: 53.0 },
  { type: "Float4", cells: [37.2, 44.0, 47.3, 50.0, 55.9, 58.5, 61.3, 63.3], printed: 52.2 },
  { type: "NF4 + DQ", cells: [39.0, 44.5, 47.5, 50.7, 57.3, 59.2, 61.8, 63.9], printed: 53.1 },
].map((row) => ({ ...row, mean: mean(row.cells) }));
display(
  table(
    table4.map(({ type, cells, printed, mean: computed }) => ({
      type,
      "eight cells": cells.map((cell) => cell.toFixed(1)).join("  "),
      mean: computed,
      printed: printed.toFixed(1),
      why: Number(computed.toFixed(1)) === printed ? "" : "0.1 too high: the cells give 53.0, as BF16's do",
    })),
    {
      title: "Table 4's mean column",
      columns: ["type", "eight cells", { key: "mean", digits: 2 }, "printed", "why"],
    },
  ),
);

// %% [markdown]
// ## Merging after QLoRA

// %% Keep the adapter, merge into a dense copy, merge into NF4

const mergers = tunedBy("QLoRA, NF4 + DQ").seeds.flatMap(({ house }) =>
  house.read ? [{ kept: house.loss, ...house.read }] : [],
);
display(
  table(
    [
      { what: "adapter kept beside the NF4 base", loss: meanStd(mergers.map(({ kept }) => kept)) },
      { what: "merged into a dense copy", loss: meanStd(mergers.map(({ dense }) => dense)) },
      { what: "merged into NF4 + DQ", loss: meanStd(mergers.map(({ again }) => again)) },
    ],
    {
      title: "Loss on the house style",
      columns: ["what", { key: "loss", digits: 5 }],
    },
  ),
);
const mergeErrors = [...mergers[0].errors.keys()].map((layer) => ({
  layer: layer.replace("transformer.", ""),
  error: meanStd(mergers.map(({ errors }) => 100 * (errors.get(layer)?.relative ?? Number.NaN))),
}));
display(
  table(
    mergeErrors.map(({ layer, error }) => ({ layer, "error of W + sBA in NF4, %": error })),
    { title: "What quantizing again costs each layer: ‖e‖ / ‖W + sBA‖" },
  ),
);

// %% [markdown]
// ## Where adapters must be (figure 2)
//
// In the paper, LoRA on queries and values alone, the usual choice, falls short of full fine-tuning; on all linear
// layers it does not; and the rank has no visible effect. Here the base is the one in NF4 + DQ. For queries and values
// alone `c_attn` is split into three layers.

// %% Placements and ranks

const QV = "queries, values";
const ALL = "all linear";
const placements = [
  { where: QV, target: ["c_attn.q", "c_attn.v"], r: rank },
  { where: "attention", target: ["attn.c_attn", "attn.c_proj"], r: rank },
  { where: "MLP", target: ["mlp.c_fc", "mlp.c_proj"], r: rank },
  ...settings.ranks.filter((r) => r !== rank).map((r) => ({ where: ALL, target: "all-linear" as const, r })),
];
const placementBar = progress(placements.length * settings.seeds, "placements");
const tunedHere = placements.map(({ where, target: sites, r }) => {
  const runs = range(settings.seeds).map((seed) => {
    const make = (): GPT2 => {
      const model = toFewBits(where === QV ? separateAttention(base.copy()) : base.copy(), NF4_DQ);
      withLora(model, { rank: r, target: sites, seed: 100 + seed });
      return model;
    };
    const run = adapt(make, { domain: target, steps, rows, lr: LR.lora, seed: 200 + seed }, () => null);
    placementBar.tick();
    return run;
  });
  return { where, r, trainable: runs[0].trainable, losses: runs.map(({ loss }) => loss) };
});
placementBar.done();
const above = tunedBy("QLoRA, NF4 + DQ"); // all linear layers at r = rank
const ranked = [
  ...tunedHere.filter(({ where }) => where === ALL),
  { where: ALL, r: rank, trainable: above.seeds[0].house.trainable, losses: above.losses },
].sort((a, b) => a.r - b.r);
const placed = [...tunedHere.filter(({ where }) => where !== ALL), ...ranked];
const fullLosses = tunedBy("full fine-tuning").losses;
display(
  table(
    [
      {
        adapters: "(full fine-tuning)",
        r: null,
        trains: tunedBy("full fine-tuning").seeds[0].house.trainable,
        loss: meanStd(fullLosses),
      },
      ...placed.map(({ where, r, trainable, losses: l }) => ({
        adapters: where,
        r,
        trains: trainable,
        loss: meanStd(l),
      })),
    ],
    { title: "Figure 2: loss on the house style by placement and rank" },
  ),
);
display(
  barPlot(
    [
      { adapters: "full fine-tuning", loss: meanStd(fullLosses) },
      ...placed.map(({ where, r, losses: l }) => ({ adapters: `${where}, r = ${r}`, loss: meanStd(l) })),
    ],
    { label: "adapters", value: "loss", title: "Figure 2: loss on the house style by placement and rank" },
  ),
);

// %% [markdown]
// ## Memory of the models the paper tunes
//
// *Full fine-tuning* in 16 bits takes 12 bytes per parameter: 2 for the weight, 2 for its gradient, 8 for Adam's
// moments. *QLoRA* has all linear layers in NF4 with double quantization and the rest in bfloat16. Its adapters have
// rank 64, are on every linear layer, and are in bfloat16, as are their gradients; each of their parameters has two
// float32 moments. The paper's figure counts adapters as $18\,d\,r$ per layer: four matrices of attention ($2d$ each)
// and a feed-forward layer of width $4d$ ($5d$, twice). LLaMA's feed-forward layer is narrower than $4d$, but it has
// three matrices instead of two.

// %% LLaMA, 7B to 65B

const paperTable6: Record<string, readonly [sixteen: string, four: string]> = {
  "llama-7b": ["", "5"],
  "llama-13b": ["26", "10"],
  "llama-33b": ["66", "21"],
  "llama-65b": ["", "41"],
};
const BITS = 4 + constants.double;
const sizes = llamas.map(({ name, all, linear, trained }) => {
  const { codes, constants: held } = quantizedBytes([linear], NF4_DQ);
  return {
    name,
    full: 12 * all,
    sixteen: 2 * all,
    allFour: (BITS * all) / 8,
    linearFour: codes + held,
    rest: 2 * (all - linear),
    adapters: 2 * trained,
    gradients: 2 * trained,
    optimizer: 8 * trained,
  };
});
display(
  table(
    sizes.map(({ name, full, sixteen, allFour, linearFour, rest, adapters }) => ({
      model: name,
      "full fine-tuning": full / GB,
      "16 bits": sixteen / GB,
      "paper, 16 bits": paperTable6[name][0],
      "all in NF4 + DQ": allFour / GB,
      "linear in NF4 + DQ, rest and adapters in 16": (linearFour + rest + adapters) / GB,
      "paper, 4 bits (table 6)": paperTable6[name][1],
      why: "not reproducible from weights",
    })),
    {
      title: "Gigabytes",
      note: 'Paper: "more than 780 GB" for full fine-tuning of 65B. Table 6 gives 7B as 5 GB, table 1 as 6 GB; what its column holds besides weights is not said.',
    },
  ),
);
const [seven] = llamas;
const loraShare = 0.002;
display(
  table(
    [
      {
        "section 2, LLaMA-7B at batch 1": "LoRA parameters, 0.2 % of the model, in 16 bits",
        here: `${((2 * loraShare * seven.all) / MIB).toFixed(1)} MiB`,
        paper: "26 MB",
        why: "a MB is 2²⁰ bytes there",
      },
      {
        "section 2, LLaMA-7B at batch 1": "LoRA's input gradients",
        here: "",
        paper: "567 MB",
        why: "taken as printed: sequence length and what is counted are not said",
      },
      {
        "section 2, LLaMA-7B at batch 1": "with gradient checkpointing: one layer of 32 at a time",
        here: `${(567 / seven.config.num_hidden_layers).toFixed(1)} MB`,
        paper: "18 MB",
        why: "",
      },
      {
        "section 2, LLaMA-7B at batch 1": "4-bit base model",
        here: `${((sizes[0].linearFour + sizes[0].rest) / MIB).toFixed(0)} MiB`,
        paper: "5,048 MB",
        why: "no simple formula gives it (figure 6: 5,046)",
      },
    ],
    { title: "Section 2's numbers" },
  ),
);

// %% Figure 6

/** As printed, in MiB; the sum's label in thousands of them. */
const paperFigure6: Record<
  string,
  { readonly base: number; readonly adapters: number; readonly optimizer: number; readonly label: string }
> = {
  "llama-7b": { base: 5046, adapters: 288, optimizer: 1152, label: "6.9" },
  "llama-13b": { base: 8476, adapters: 450, optimizer: 1800, label: "11.3" },
  "llama-33b": { base: 19302, adapters: 877.5, optimizer: 3510, label: "24.7" },
  "llama-65b": { base: 37074, adapters: 1440, optimizer: 5760, label: "45.0" },
};
const figure6 = llamas.map(({ name, config, trained }, i) => {
  const { hidden_size: d, num_hidden_layers: L } = config;
  const rule = (18 * d * 64 * L * 2) / MIB;
  const { linearFour, rest, adapters, gradients, optimizer } = sizes[i];
  const paper = paperFigure6[name];
  return {
    name,
    rule,
    trained,
    paper,
    ours: [(linearFour + rest) / MIB, adapters / MIB, gradients / MIB, optimizer / MIB],
    sum: paper.base + 2 * paper.adapters + paper.optimizer,
  };
});
display(
  table(
    figure6.map(({ name, rule, trained, paper, ours, sum }) => ({
      model: name,
      "18 d r per layer": rule,
      "paper, adapters": paper.adapters,
      "× 4": 4 * rule,
      "paper, optimizer": paper.optimizer,
      "paper's parts, adapter gradients added": sum / 1000,
      "paper, label": paper.label,
      "real shapes: trained": trained,
      "adapters, real": ours[1],
      "optimizer, real": ours[3],
      "base, weights and constants": ours[0],
      "paper, base": paper.base,
    })),
    {
      title: "Figure 6: MiB, adapters of rank 64 in bfloat16",
      note: "Adapters and optimizer are exact by the rule; the labels are near the sums with gradients, not equal to them; the base holds more than weights.",
    },
  ),
);
const PARTS = ["base", "adapters", "gradients", "optimizer"] as const;
const figure6Bars = figure6.flatMap(({ name, paper, ours }) =>
  PARTS.flatMap((part, i) => [
    {
      model: name.replace("llama-", ""),
      who: "paper",
      part,
      GiB: [paper.base, paper.adapters, paper.adapters, paper.optimizer][i] / 1024,
    },
    { model: name.replace("llama-", ""), who: "real shapes", part, GiB: ours[i] / 1024 },
  ]),
);
display(
  plot(
    {
      height: 320,
      x: { label: null, domain: ["paper", "real shapes"] },
      fx: { label: null, domain: figure6.map(({ name }) => name.replace("llama-", "")) },
      y: { label: "GiB", grid: true },
      color: { type: "categorical", domain: [...PARTS] },
      marks: [Plot.barY(figure6Bars, { x: "who", y: "GiB", fx: "model", fill: "part" }), Plot.ruleY([0])],
    },
    {
      title: "Figure 6: QLoRA's memory by model",
      legend: true,
      text: figure6
        .map(
          ({ name, sum, ours }) =>
            `${name}: paper ${(sum / 1024).toFixed(1)}, real shapes ${(ours.reduce((a, b) => a + b) / 1024).toFixed(1)} GiB`,
        )
        .join("\n"),
    },
  ),
);

// %% [markdown]
// ## Our own bytes beside the formula
//
// The meter counts every byte of one training step of QLoRA (NF4 + DQ, adapters on every linear layer, AdamW) on the
// small GPT. From the shapes alone, `qloraBytes` gives codes, constants, frozen and trained parameters, gradients,
// moments, and one dequantized layer. The activations are everything that the forward pass computed, since the
// temporaries of a step live until its scope ends. For each token and block they are:

// %% What a block computes

const shape = {
  rows,
  time,
  d: settings.d,
  layers: settings.layers,
  heads: 4,
  vocabulary: VOCABULARY,
  rank,
};
const perToken = blockNumbers({ ...shape, checkpointed: false });
display(
  table(
    Object.entries(perToken).map(([what, n]) => ({ what, numbers: n, "in units of d": n / settings.d })),
    {
      title: `Numbers per token and block, d = ${settings.d}, r = ${rank}, ${time} tokens, 4 heads`,
      note: "With gradient checkpointing the input of each block stays, d a token, and one block is computed again at a time.",
    },
  ),
);

// %% The meter

const KEPT = ["quantized", "weights", "adapters", "gradients", "optimizer"] as const;
const batch = target.batch(rows, random(5));
const measuredSteps = [false, true].map((checkpointed) => {
  const measured = measureStep(() => {
    const model = toFewBits(base.copy(), NF4_DQ);
    withLora(model, { rank, seed: 1 });
    return checkpointed ? checkpointBlocks(model) : model;
  }, batch);
  const quantized = Array.from(
    quantizedLayers(toFewBits(base.copy(), NF4_DQ)),
    ([, layer]) => layer.packed.shape,
  );
  const formula = qloraBytes({
    quantized,
    options: NF4_DQ,
    frozen: measured.frozen,
    trained: measured.trained,
    activations: activationBytes({ ...shape, checkpointed }),
  });
  return { checkpointed, measured, formula };
});
const temporaries = ({ measured }: (typeof measuredSteps)[number]): number =>
  measured.peakTotal - KEPT.reduce((sum, category) => sum + measured.peak[category], 0);
const measuredRows = measuredSteps.map((step) => [
  ...KEPT.map((category) => ({
    category: category as string,
    formula: step.formula[category],
    measured: step.measured.peak[category],
  })),
  { category: "saved and workspace", formula: step.formula.workspace, measured: temporaries(step) },
  { category: "sum, at the peak", formula: step.formula.total, measured: step.measured.peakTotal },
]);
display(
  table(
    measuredRows[0].map(({ category }, i) => ({
      category,
      "formula, bytes": measuredRows[0][i].formula,
      "measured, bytes": measuredRows[0][i].measured,
      "measured / formula": measuredRows[0][i].measured / measuredRows[0][i].formula,
      "checkpointed: formula": measuredRows[1][i].formula,
      "checkpointed: measured": measuredRows[1][i].measured,
      "its measured / formula": measuredRows[1][i].measured / measuredRows[1][i].formula,
    })),
    {
      title: `A step of QLoRA, ${rows} rows of ${time} tokens`,
      columns: [
        "category",
        "formula, bytes",
        "measured, bytes",
        { key: "measured / formula", digits: 4 },
        "checkpointed: formula",
        "checkpointed: measured",
        { key: "its measured / formula", digits: 4 },
      ],
      note: `Kept by the graph for backward: ${measuredSteps[0].measured.peak.saved.toLocaleString("en")} bytes, ${measuredSteps[1].measured.peak.saved.toLocaleString("en")} with checkpoints. The formula has a dequantized layer at the peak, which may be elsewhere.`,
    },
  ),
);
const stepBars = measuredRows.flatMap((list, i) =>
  list.slice(0, -1).flatMap(({ category, formula, measured }) => [
    { run: i ? "checkpointed" : "all kept", who: "formula", category, MiB: formula / MIB },
    { run: i ? "checkpointed" : "all kept", who: "measured", category, MiB: measured / MIB },
  ]),
);
display(
  plot(
    {
      height: 180,
      marginLeft: 80,
      marginRight: 90,
      x: { label: "MiB", grid: true },
      y: { label: null, domain: ["formula", "measured"] },
      fy: { label: null, domain: ["all kept", "checkpointed"] },
      color: { type: "categorical", domain: [...KEPT, "saved and workspace"] },
      marks: [Plot.barX(stepBars, { x: "MiB", y: "who", fy: "run", fill: "category" }), Plot.ruleX([0])],
    },
    {
      title: "Peak of a step, by formula and on the meter",
      legend: true,
      text: measuredRows
        .map(
          (list, i) =>
            `${i ? "checkpointed" : "all kept"}: ${list.at(-1)?.formula} formula, ${list.at(-1)?.measured} measured`,
        )
        .join("\n"),
    },
  ),
);

// %% [markdown]
// ## Paging at work
//
// A paged optimizer keeps its state within a budget: pages that do not fit wait in a file and come back when they are
// needed. The numbers are the same, bit for bit; the price is the bytes moved. (In the paper they move from GPU to CPU
// memory, here from memory to disk.) The example is full fine-tuning, whose moments are twice as large as the weights.
// The budget is all of the state, a half, and a quarter.

// %% The same training with state in pages

const PAGE = 16384;
const pagingSteps = 12;
interface PagedStep {
  readonly step: number;
  readonly faults: number;
  readonly evictions: number;
  readonly mebibytes: number;
  /** Bytes of everything at the step's highest point. */
  readonly total: number;
}
/** Full fine-tuning with `lengths[step]` tokens a row, one row a step, blocks checkpointed. */
const train = (optimizerOf: (model: GPT2) => AdamW, lengths: readonly number[]) => {
  const elsewhere = liveBytes();
  const model = checkpointBlocks(base.copy());
  model.requiresGrad_();
  const optimizer = optimizerOf(model);
  const log: PagedStep[] = [];
  for (const [step, length] of lengths.entries()) {
    const { ids } = source.batch(1, random(300 + step));
    const row = { data: ids.data.subarray(0, length + 1), shape: [1, length + 1] };
    const counts = () =>
      optimizer instanceof PagedAdamW
        ? optimizer.paging
        : { faults: 0, evictions: 0, bytesRead: 0, bytesWritten: 0 };
    const first = counts();
    const { peakTotal } = measureMemory(() => {
      model.loss(row).backward();
      optimizer.step();
      optimizer.zeroGrad();
    });
    const now = counts();
    log.push({
      step: step + 1,
      faults: now.faults - first.faults,
      evictions: now.evictions - first.evictions,
      mebibytes: (now.bytesRead + now.bytesWritten - first.bytesRead - first.bytesWritten) / MIB,
      total: peakTotal - KEPT.reduce((sum, category) => sum + elsewhere[category], 0),
    });
  }
  const result = { weights: model.parameters().map((parameter) => parameter.toArray()), log };
  const total = optimizer instanceof PagedAdamW ? optimizer.paging : null;
  if (optimizer instanceof PagedAdamW) optimizer.close();
  for (const storage of model.storages()) storage.release();
  return { ...result, total };
};
const evenLengths = range(pagingSteps).map(() => time - 1);
const plain = train((model) => new AdamW(model.parameters(), { lr: 1e-3 }), evenLengths);
const state = base
  .copy()
  .parameters()
  .reduce((n, { size }) => n + 8 * size, 0);
const paged = [1, 2, 4].map((part) => {
  const budget = Math.max(PAGE, Math.ceil(state / part));
  const run = train(
    (model) => new PagedAdamW(model.parameters(), { lr: 1e-3, budget, pageBytes: PAGE }),
    evenLengths,
  );
  return { part, budget, name: part === 1 ? "all of it" : `1/${part} of it`, ...run };
});
const sameWeights = (a: readonly Float32Array[], b: readonly Float32Array[]): boolean =>
  a.every((w, i) => w.every((value, j) => value === b[i][j]));
const equal = paged.map(({ weights }) => sameWeights(weights, plain.weights));
display(
  table(
    paged.map(({ name, total }, i) => ({
      "budget, of the state": name,
      "peak resident, KiB": (total?.peakResidentBytes ?? 0) / KIB,
      faults: total?.faults ?? 0,
      evictions: total?.evictions ?? 0,
      "read, MiB": (total?.bytesRead ?? 0) / MIB,
      "written, MiB": (total?.bytesWritten ?? 0) / MIB,
      "equal to AdamW, bit for bit": equal[i],
    })),
    {
      title: `${pagingSteps} steps of full fine-tuning; the state is ${(state / KIB).toFixed(0)} KiB in pages of 16`,
    },
  ),
);
const paging = paged.flatMap(({ name, log }) => log.map((row) => ({ ...row, budget: name })));
display(
  linePlot(paging, {
    x: "step",
    y: "faults",
    series: "budget",
    title: "Page faults in each step, by budget",
  }),
);
display(
  linePlot(paging, {
    x: "step",
    y: "evictions",
    series: "budget",
    title: "Evictions in each step, by budget",
  }),
);
display(
  linePlot(paging, {
    x: "step",
    y: "mebibytes",
    series: "budget",
    title: "Bytes moved to and from the file in each step, by budget",
    yLabel: "MiB",
  }),
);

// %% [markdown]
// ### The spike that paging absorbs
//
// With gradient checkpointing memory is low on average, and highest in a step with a long sequence. Suppose the device
// fits an ordinary step plus half of the extra memory of a long one. With all of AdamW's state resident, the long step
// does not fit; with the state held to a budget, it does. (CUDA evicts pages when the spike comes; here the budget is
// in force at every step.)

// %% One long sequence among short ones

const SHORT = 16;
const LONG = time - 1;
const spikeAt = 5;
const lengths = range(10).map((step) => (step === spikeAt ? LONG : SHORT));
const unpaged = train((model) => new AdamW(model.parameters(), { lr: 1e-3 }), lengths);
// The first step makes the state, so it is left out of the comparison.
const shortPeak = Math.max(
  ...unpaged.log.filter(({ step }) => step > 1 && step !== spikeAt + 1).map(({ total }) => total),
);
const longPeak = unpaged.log[spikeAt].total;
const limit = Math.round((shortPeak + longPeak) / 2);
const spikeBudget = Math.max(PAGE, Math.floor((state - (longPeak - limit)) / PAGE) * PAGE);
const absorbed = train(
  (model) => new PagedAdamW(model.parameters(), { lr: 1e-3, budget: spikeBudget, pageBytes: PAGE }),
  lengths,
);
const spikes = [
  ...unpaged.log.map((row) => ({ ...row, optimizer: "AdamW", MiB: row.total / MIB })),
  ...absorbed.log.map((row) => ({ ...row, optimizer: "PagedAdamW", MiB: row.total / MIB })),
];
const over = (log: readonly PagedStep[]): number[] =>
  log.filter(({ total }) => total > limit).map(({ step }) => step);
display(
  linePlot(spikes, {
    x: "step",
    y: "MiB",
    series: "optimizer",
    title: `Peak bytes of each step: one of ${LONG} tokens among steps of ${SHORT}; dashed, the device`,
    plot: {
      y: { label: "MiB", grid: true, domain: [0, (1.05 * longPeak) / MIB] },
      marks: [
        Plot.line(spikes, { x: "step", y: "MiB", stroke: "optimizer" }),
        Plot.dot(spikes, { x: "step", y: "MiB", fill: "optimizer", r: 2.5 }),
        Plot.ruleY([limit / MIB], { strokeDasharray: "4,4" }),
        Plot.ruleY([0]),
      ],
    },
  }),
);
display(
  table(
    [
      { optimizer: "AdamW", run: unpaged, held: state },
      { optimizer: "PagedAdamW", run: absorbed, held: absorbed.total?.peakResidentBytes ?? 0 },
    ].map(({ optimizer, run, held }) => ({
      optimizer,
      "state in memory, KiB": held / KIB,
      "peak of a short step, KiB": run.log[spikeAt - 1].total / KIB,
      "peak of the long step, KiB": run.log[spikeAt].total / KIB,
      "the device, KiB": limit / KIB,
      "steps that do not fit": over(run.log).join(", ") || "none",
      faults: run.total?.faults ?? 0,
    })),
    { title: "A spike on a device that has no room for it" },
  ),
);

// %% [markdown]
// ## Elo (tables 1 and 7)
//
// The paper rates chatbots by judgements of pairs, $R_A \leftarrow R_A + K (S_A - E_A)$ with
// $E_A = 1/(1 + 10^{(R_B - R_A)/400})$, $K = 32$, from 1,000. A rating depends on the order of the judgements, so it is
// averaged over 10,000 random orders. The paper's judgements are not available. Here they are generated from known
// strengths (table 1's ratings), 80 for each pair, and the question is whether the procedure recovers the strengths.

// %% Ratings from generated judgements

const bots = [
  ["GPT-4", 1348],
  ["Guanaco 65B", 1022],
  ["Guanaco 33B", 992],
  ["Vicuna 13B", 974],
  ["ChatGPT", 966],
  ["Guanaco 13B", 916],
  ["Bard", 902],
  ["Guanaco 7B", 879],
] as const;
const strengths = bots.map(([, strength]) => strength);
const judgements = judge(strengths, 80, random(6));
const inOrders = eloInOrders(bots.length, judgements, { orders: settings.orders, random: random(7) });
const ratings = strengths.map((_, i) => meanStd(inOrders.map((order) => order[i])));
const asDrawn = elo(bots.length, judgements);
display(
  table(
    bots.map(([bot, strength], i) => ({
      bot,
      "strength given": strength,
      "one order: pair after pair": asDrawn[i],
      "mean of random orders": ratings[i].mean,
      "deviation of an order": ratings[i].std,
    })),
    {
      title: `Elo from ${judgements.length.toLocaleString("en")} judgements, ${settings.orders.toLocaleString("en")} orders`,
      columns: [
        "bot",
        "strength given",
        { key: "one order: pair after pair", digits: 0 },
        { key: "mean of random orders", digits: 0 },
        { key: "deviation of an order", digits: 0 },
      ],
      note: `Expected score of 100 points more: ${expectedScore(100).toFixed(3)} (paper: about 65 %); of 10 more: ${(100 * (expectedScore(10) - 0.5)).toFixed(2)} points above one half (paper: 1.5 %).`,
    },
  ),
);

// %% [markdown]
// ## What holds here
//
// Two data types after tuning are compared seed by seed. A claim "at least as good" *holds* when the mean difference
// says so; it holds *partly* when it does not, but the mean difference is within one standard deviation of the
// differences; otherwise it does not hold.

// %% Verdicts

const agrees = (here: number, there: number, digits: number): boolean =>
  here.toFixed(digits) === there.toFixed(digits);
/** Half a unit of a float32 probability below 1, times Q′ = 1/φ(Q) at the offset, over the largest; and of the result. */
const ROUNDING = (2 ** -25 * Math.sqrt(2 * Math.PI) * Math.exp(Q(offset) ** 2 / 2)) / Q(offset) + 2 ** -25;
const expectedSavings = [0.314, 0.607, 1.517, 3.044];
const references = Object.entries(reference).map(([name, { mse, mae }]) => {
  const here = lossAt("normal", 64, name);
  return Math.max(Math.abs(here.mse / mse - 1), Math.abs(here.mae / mae - 1));
});
const entropies = Object.entries(reference).flatMap(([name, { entropy }]) =>
  entropy === undefined ? [] : [Math.abs(lossAt("normal", 64, name).entropy - entropy)],
);
const errorOf = (distribution: string, size: number, type: string): number =>
  lossAt(distribution, size, type).relative;
const others = ["Int4", "E2M1", "E3M0", "FP4"];
const nf4Best = (distribution: string, size: number): boolean =>
  others.every((type) => errorOf(distribution, size, "NF4") < errorOf(distribution, size, type));
const bestPlaces = Object.keys(numbers).flatMap((x) =>
  SIZES.filter((size) => nf4Best(x, size)).map((size) => `${x}, ${size}`),
);
display(
  replication(
    [
      {
        claim: "NF4's values are the published ones; equation 4 as printed gives others",
        paper: "16 values (appendix E)",
        measured: `largest difference ${largestOf(values, published).toExponential(1)}; of equation 4 ${largestOf(equation4, published).toFixed(3)}`,
        holds: largestOf(values, published) <= 1e-7 && largestOf(equation4, published) > 1e-7,
      },
      {
        claim: "The construction written out here is the library's, and so is equation 4",
        paper: "§3, released code",
        measured: `${largestOf(released, values).toExponential(1)}, ${largestOf(equation4, [...nf4Equation4.values]).toExponential(1)}`,
        holds:
          largestOf(released, values) <= ROUNDING &&
          largestOf(equation4, [...nf4Equation4.values]) <= ROUNDING,
        note: `up to ${ROUNDING.toExponential(1)}: the released code rounds probabilities to float32, which Q magnifies`,
      },
      {
        claim: "Thresholds are the published midpoints",
        paper: "15 thresholds (released code)",
        measured: `largest difference ${largestOf(thresholds, publishedThresholds).toExponential(1)}`,
        holds: largestOf(thresholds, publishedThresholds) <= 1e-7,
      },
      {
        claim: "The offset is 1 - (1/32 + 1/30)/2",
        paper: "0.9677083 (released code)",
        measured: exactOffset.toFixed(8),
        holds: Math.abs(exactOffset - offset) < 1e-7,
      },
      {
        claim: "The 8-bit map has 256 values, from 5.5e-7 to 1",
        paper: "1.0, 0.99296874, ±5.5e-7 (released code)",
        measured: `${map8.values} values; ${map8.largest}, ${map8.second.toFixed(8)}, ${map8.smallest.toExponential(1)}`,
        holds:
          map8.values === 256 &&
          map8.largest === 1 &&
          agrees(map8.second, 0.99296874, 7) &&
          agrees(1e7 * map8.smallest, 5.5, 1),
      },
      {
        claim: "0.127 instead of 0.5 bits for constants, 4.127 instead of 4.5 in all",
        paper: "0.5, 0.127 (§3)",
        measured: [singly, doubly].map(({ bitsPerParameter }) => bitsPerParameter.toFixed(5)).join(", "),
        holds: agrees(singly.bitsPerParameter, 4.5, 3) && agrees(doubly.bitsPerParameter, 4.127, 3),
        note: "bytes of a real tensor",
      },
      {
        claim: "Double quantization saves about 3 GB on 65B",
        paper: "approximately 3 GB (§3)",
        measured: savedGB.map((x) => x.toFixed(3)).join(", "),
        holds: savedGB.every((x, i) => agrees(x, expectedSavings[i], 3)) && Math.round(savedGB[3]) === 3,
        note: "7B, 13B, 33B, 65B; expected 0.314, 0.607, 1.517, 3.044",
      },
      {
        claim: "Full fine-tuning of 65B takes more than 780 GB",
        paper: "more than 780 GB (§1)",
        measured: `${(sizes[3].full / GB).toFixed(0)} GB`,
        holds: sizes[3].full > 780 * GB,
      },
      {
        claim: "Figure 6's adapters are 18 d r, and the optimizer four times that",
        paper: figure6.map(({ paper }) => `${paper.adapters}/${paper.optimizer}`).join(", "),
        measured: figure6.map(({ rule }) => `${rule}/${4 * rule}`).join(", "),
        holds: figure6.every(({ rule, paper }) => rule === paper.adapters && 4 * rule === paper.optimizer),
        note: `MiB; not LLaMA's real shapes, which train ${figure6.map(({ trained }) => trained.toLocaleString("en")).join("; ")}`,
      },
      {
        claim: "Figure 6's totals are the sums of its parts",
        paper: figure6.map(({ paper }) => paper.label).join(", "),
        measured: figure6.map(({ sum }) => (sum / 1000).toFixed(2)).join(", "),
        holds: figure6.every(({ sum, paper }) => agrees(sum / 1000, Number(paper.label), 1)),
        note: "with gradients as large as the adapters; thousands of MiB",
      },
      {
        claim: "Table 6's memory column follows from 4-bit weights",
        paper: llamas.map(({ name }) => paperTable6[name][1]).join(", "),
        measured: sizes
          .map(
            ({ allFour, linearFour, rest, adapters }) =>
              `${(allFour / GB).toFixed(1)} to ${((linearFour + rest + adapters) / GB).toFixed(1)}`,
          )
          .join(", "),
        holds: sizes.every(({ name, allFour, linearFour, rest, adapters }) =>
          [allFour, linearFour + rest + adapters].some((bytes) =>
            agrees(bytes / GB, Number(paperTable6[name][1]), 0),
          ),
        ),
        note: "GB: everything in NF4 + DQ, to the rest and adapters in 16 bits",
      },
      {
        claim: "Table 4's means are those of its cells",
        paper: table4.map(({ printed }) => printed.toFixed(1)).join(", "),
        measured: table4.map((row) => row.mean.toFixed(2)).join(", "),
        holds: table4.every((row) => agrees(row.mean, row.printed, 1)) ? true : "partly",
        note: "NF4 + DQ's is printed 0.1 too high",
      },
      {
        claim: "100 Elo points are an expected score of about 65 %, 10 points of 1.5 % more than even",
        paper: "65 %, 1.5 % (§5)",
        measured: `${(100 * expectedScore(100)).toFixed(1)} %, ${(100 * (expectedScore(10) - 0.5)).toFixed(2)} %`,
        holds: Math.abs(expectedScore(100) - 0.65) <= 0.01 && Math.abs(expectedScore(10) - 0.515) <= 0.001,
      },
    ],
    "Exact",
  ),
);
display(
  replication(
    [
      {
        claim: "Errors on normal numbers are those of the reference",
        paper: "reference, not in the paper",
        measured: `within ${(100 * Math.max(...references)).toFixed(2)} % and ${Math.max(...entropies).toFixed(3)} bits`,
        holds: Math.max(...references) <= 0.02 && Math.max(...entropies) <= 0.02,
        note: "MSE, MAE and entropy of the data types it has; holds within 2 % and 0.02 bits",
      },
      {
        claim: "On normal numbers NF4 loses least of the 4-bit types",
        paper: "information-theoretically optimal (§3)",
        measured: ["NF4", ...others]
          .map((type) => `${type} ${lossAt("normal", 64, type).sqnr.toFixed(2)} dB`)
          .join(", "),
        holds: nf4Best("normal", 64),
        note: `blocks of 64; NF4 is best in: ${bestPlaces.join("; ") || "none"}`,
      },
      {
        claim: "and double quantization costs it next to nothing",
        paper: "without degrading performance (§3)",
        measured: `${lossAt("normal", 64, "NF4 + DQ").sqnr.toFixed(3)} against ${lossAt("normal", 64, "NF4").sqnr.toFixed(3)} dB`,
        holds: errorOf("normal", 64, "NF4 + DQ") < 1.01 * errorOf("normal", 64, "NF4"),
        note: "holds within 1 % of the error",
      },
      {
        claim: "Stored in 4 bits, NF4 + DQ is better than Int4, E2M1 and E3M0",
        paper: "27.41 < 29.48 < 31.07 < 34.34 (table 2)",
        measured: ["NF4 + DQ", "E3M0", "E2M1", "Int4"]
          .map((type) => `${type} ${mean(addedBy(type)).toFixed(4)}`)
          .join(", "),
        holds: ["Int4", "E2M1", "E3M0"].every((type) => mean(addedBy("NF4 + DQ")) < mean(addedBy(type))),
        note: `mean loss added to ${models.length} small models; the order of the Float4s is not part of the claim`,
      },
      {
        claim: "Bit for bit NF4 is better than FP4",
        paper: "figure 3",
        measured: models
          .map(
            ({ d }, i) => `d = ${d}: ${addedBy("NF4")[i].toFixed(4)} against ${addedBy("FP4")[i].toFixed(4)}`,
          )
          .join("; "),
        holds: models.every((_, i) => addedBy("NF4")[i] < addedBy("FP4")[i]),
        note: "same model, same bits",
      },
      {
        claim: "Double quantization saves bits at no loss",
        paper: "figure 3",
        measured: models.map((_, i) => (addedBy("NF4 + DQ")[i] - addedBy("NF4")[i]).toFixed(5)).join(", "),
        holds: mean(addedBy("NF4 + DQ")) - mean(addedBy("NF4")) < 0.1 * mean(addedBy("NF4")),
        note: "loss added by DQ; holds below a tenth of what NF4 adds",
      },
    ],
    "Stored",
  ),
);
const gap = before - mean(tunedBy("LoRA, float32").losses);
const recovered95 = (name: string): number[] => tunedBy(name).losses.map((loss) => (before - loss) / gap);
const atLeastAccurate = (first: string, second: string) =>
  atMost(
    accuraciesOf(first).map((x) => -x),
    accuraciesOf(second).map((x) => -x),
  );
const against = (first: string, second: string, of = (name: string) => [...tunedBy(name).losses]): string =>
  `${meanStd(of(first))} against ${meanStd(of(second))}`;
const placedAt = (where: string, r = rank) =>
  placed.find((row) => row.where === where && row.r === r) ?? placed[0];
const spanOfRanks =
  Math.max(...ranked.map((row) => mean(row.losses))) - Math.min(...ranked.map((row) => mean(row.losses)));
const mergeCost = mergers.map(({ kept, again }) => again - kept);
display(
  replication(
    [
      {
        claim: "LoRA on all layers matches full fine-tuning",
        paper: "88.8 against 88.6 (table 3)",
        measured: `loss ${against("LoRA, float32", "full fine-tuning")}`,
        holds: atMost(tunedBy("LoRA, float32").losses, fullLosses),
        seeds: settings.seeds,
        note: "one rate for each, not searched",
      },
      ...["QLoRA, Int8", "QLoRA, FP4", "QLoRA, NF4", "QLoRA, NF4 + DQ", "QLoRA, NF4 + DQ, bfloat16"].map(
        (name) => ({
          claim: `${name} recovers what LoRA in 32 bits gains`,
          paper: "tables 3 and 4",
          measured: recovered95(name),
          holds: mean(recovered95(name)) >= 0.95,
          note: "fraction of LoRA's gain on the house style; holds from 0.95",
        }),
      ),
      {
        claim: "QLoRA with NF4 + DQ is at least as good as 16-bit LoRA",
        paper: "53.1 (by its cells, 52.99) against 53.0 (table 4)",
        measured: `loss ${against("QLoRA, NF4 + DQ, bfloat16", "LoRA, bfloat16")}`,
        holds: atMost(tunedBy("QLoRA, NF4 + DQ, bfloat16").losses, tunedBy("LoRA, bfloat16").losses),
        seeds: settings.seeds,
      },
      {
        claim: "NF4 + DQ is at least as good as FP4 after tuning",
        paper: "53.1 against 52.2 (table 4)",
        measured: `loss ${against("QLoRA, NF4 + DQ", "QLoRA, FP4")}`,
        holds: atMost(tunedBy("QLoRA, NF4 + DQ").losses, tunedBy("QLoRA, FP4").losses),
        seeds: settings.seeds,
      },
      ...(classes.length > 0
        ? [
            {
              claim: "In accuracy too: NF4 + DQ at least as good as LoRA",
              paper: "88.8 and 88.6 to 88.8 (table 3)",
              measured: `${against("QLoRA, NF4 + DQ", "LoRA, float32", accuraciesOf)} %`,
              holds: atLeastAccurate("QLoRA, NF4 + DQ", "LoRA, float32"),
              seeds: settings.seeds,
              note: classes.map(({ name }) => name).join(", "),
            },
            {
              claim: "In accuracy too: NF4 + DQ at least as good as FP4",
              paper: "53.1 against 52.2 (table 4)",
              measured: `${against("QLoRA, NF4 + DQ", "QLoRA, FP4", accuraciesOf)} %`,
              holds: atLeastAccurate("QLoRA, NF4 + DQ", "QLoRA, FP4"),
              seeds: settings.seeds,
            },
          ]
        : []),
      {
        claim: "Computing in bfloat16 costs nothing",
        paper: "BF16 compute throughout",
        measured: `LoRA ${against("LoRA, bfloat16", "LoRA, float32")}; QLoRA ${against("QLoRA, NF4 + DQ, bfloat16", "QLoRA, NF4 + DQ")}`,
        holds: atMost(
          [...tunedBy("LoRA, bfloat16").losses, ...tunedBy("QLoRA, NF4 + DQ, bfloat16").losses],
          [...tunedBy("LoRA, float32").losses, ...tunedBy("QLoRA, NF4 + DQ").losses],
        ),
        seeds: settings.seeds,
      },
      {
        claim: "Adapters on queries and values alone fall short of all linear layers",
        paper: "figure 2",
        measured: `loss ${meanStd(placedAt(QV).losses)} against ${meanStd(placedAt(ALL).losses)}`,
        holds: placedAt(QV).losses.every((loss, seed) => loss > placedAt(ALL).losses[seed]),
        seeds: settings.seeds,
        note: "in every seed",
      },
      {
        claim: "The rank has no visible effect",
        paper: "figure 2 (r = 8 to 64)",
        measured: ranked.map(({ r, losses: l }) => `r = ${r}: ${meanStd(l)}`).join("; "),
        holds: spanOfRanks <= 0.05 * gap,
        seeds: settings.seeds,
        note: "holds when means differ by at most 5 % of LoRA's gain",
      },
      {
        claim: "Merging into a dense copy is exact; into NF4 it costs",
        paper: "(not in the paper)",
        measured: mergeCost,
        holds: mergers.every(({ kept, dense }) => Math.abs(dense - kept) <= 1e-4) && mean(mergeCost) > 0,
        note: `loss added by NF4; exact: within ${Math.max(...mergers.map(({ kept, dense }) => Math.abs(dense - kept))).toExponential(0)}`,
      },
    ],
    "After tuning",
  ),
);
display(
  replication(
    [
      ...measuredSteps.map(({ checkpointed, measured, formula }) => ({
        claim: `A QLoRA step${checkpointed ? ", checkpointed," : ""} peaks at what the formula says`,
        paper: "figure 6's kind of sum",
        measured: `${measured.peakTotal.toLocaleString("en")} of ${formula.total.toLocaleString("en")} bytes, ${(100 * (measured.peakTotal / formula.total - 1)).toFixed(1)} %`,
        holds:
          Math.abs(measured.peakTotal / formula.total - 1) <= 0.05 &&
          KEPT.every((category) => measured.peak[category] === formula[category]),
        note: "holds within 5 %, and to the byte for quantized, weights, adapters, gradients, optimizer",
      })),
      {
        claim: "Gradient checkpointing lowers the peak",
        paper: "567 to 18 MB of input gradients (§2)",
        measured: measuredSteps
          .map(({ measured }) => `${(measured.peakTotal / MIB).toFixed(1)} MiB`)
          .join(" to "),
        holds: measuredSteps[1].measured.peakTotal < measuredSteps[0].measured.peakTotal,
        note: `${settings.layers} blocks here, 32 there`,
      },
      {
        claim: "Paging changes no number",
        paper: "paged optimizers (§3)",
        measured: equal.every(Boolean) ? "equal bit for bit under every budget" : "different",
        holds: equal.every(Boolean) && sameWeights(unpaged.weights, absorbed.weights),
      },
      {
        claim: "Resident state stays within its budget",
        paper: "§3",
        measured: paged.map(({ total, budget }) => `${total?.peakResidentBytes} of ${budget}`).join(", "),
        holds: paged.every(({ total, budget }) => (total?.peakResidentBytes ?? Infinity) <= budget),
      },
      {
        claim: "Paging absorbs the spike of a long sequence",
        paper: "avoids the memory spikes (§3)",
        measured: `AdamW: over at step ${over(unpaged.log).join(", ") || "none"}; PagedAdamW: ${over(absorbed.log).join(", ") || "none"}`,
        holds: over(unpaged.log).length > 0 && over(absorbed.log).length === 0,
        note: `a device of ${(limit / MIB).toFixed(2)} MiB; a budget of ${(spikeBudget / KIB).toFixed(0)} KiB for the state`,
      },
    ],
    "Memory",
  ),
);

// %% What ran

display(
  table(
    [
      { what: "device", value: `${currentDevice().name}: ${currentDevice().adapter}` },
      { what: "Node", value: process.version },
      { what: "seeds", value: `${settings.seeds}, from 100 (adapters) and 200 (batches)` },
      {
        what: "trainings",
        value: `${settings.seeds * (trainings + placements.length)}, of ${steps} steps each`,
      },
      { what: "seconds", value: ((performance.now() - started) / 1000).toFixed(0) },
    ],
    { title: "What ran", volatile: true },
  ),
);
