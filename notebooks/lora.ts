// %% [markdown]
// # LoRA: Low-Rank Adaptation of Large Language Models
//
// Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2021, [arXiv:2106.09685](https://arxiv.org/abs/2106.09685).
//
// This page derives the method beside the library's own lines, recomputes the paper's exact tables, and repeats its
// experiments scaled down: a small GPT, pretrained here, adapted here. Every number below was measured by this run
// unless its column says *paper*. A claim of the paper is a predicate, and its verdict is whatever it is.
//
// **To open it:** run `npm start -- lora` (`--full` for the long setting, `--set rank=2` to change a number); VS Code
// and Jupyter show `lora.ipynb` as it is, and execute it with the Deno kernel (`deno jupyter --install`) from the
// folder of the checkout.

// %% Settings

import { type Tensor, tensor } from "lowrank/autograd";
import { currentDevice, kernelCounts, random, scope, svd } from "lowrank/core";
import { countParameters, inject, LoRA, type Target } from "lowrank/lora";
import { type GPT2, Linear, Module } from "lowrank/nn";
import { type Adaptation, adapt } from "./support/adaptation.ts";
import { pretrained } from "./support/base-model.ts";
import { adapterH, adapterL, bitFit, fullFineTuning, lastBlocks } from "./support/baselines.ts";
import { taskDomain, textDomain } from "./support/domain.ts";
import { validationLoss } from "./support/evaluation.ts";
import { anyStyle, FREE_CHOICE, houseStyle } from "./support/house-style.ts";
import {
  barPlot,
  defineSettings,
  display,
  farShift,
  heatmap,
  linePlot,
  md,
  meanStd,
  progress,
  replication,
  settingsTable,
  table,
} from "./support/index.ts";
import { separateAttention } from "./support/separate-attention.ts";

const settings = defineSettings({
  rank: { quick: 8, full: 8, about: "r of the runs that vary something else", min: 1 },
  ranks: { quick: [1, 2, 8], full: [1, 2, 4, 8, 32], about: "ranks of the rank study" },
  seeds: { quick: 2, full: 3, about: "independent runs", min: 1 },
  d: { quick: 64, full: 128, about: "width of the small GPT", min: 8 },
  layers: { quick: 2, full: 4, about: "its blocks", min: 1 },
  pretraining: { quick: 400, full: 2500, about: "steps of pretraining, each base", min: 1 },
  steps: { quick: 50, full: 300, about: "steps of each adaptation", min: 1 },
  rows: { quick: 12, full: 16, about: "rows of a batch", min: 1 },
});
display(settingsTable(settings));

// %% [markdown]
// ## The method
//
// Fine-tuning changes a pretrained weight $W_0 \in \mathbb{R}^{d \times k}$ to $W_0 + \Delta W$. The paper's hypothesis
// is that $\Delta W$ has a low *intrinsic rank*, so it is written as a product from the start (its equation 3):
//
// $$h = W_0 x + \Delta W x = W_0 x + \tfrac{\alpha}{r} B A x, \qquad B \in \mathbb{R}^{d \times r},\; A \in \mathbb{R}^{r \times k}$$
//
// $W_0$ is frozen. $A$ starts random and $B$ at zero, so that training starts from the pretrained model. The library's
// lines (`lora/lora.ts`) are
//
// ```ts
// update(site, x)    { return site.up(site.down(x, A).mul(scaling), B); }  // (α/r) B A x
// deltaWeight()      { return matmul(B, A).mul(scaling); }                 // ΔW = (α/r) B A
// ```
//
// Merging adds $\Delta W$ to $W_0$ once; nothing is left to compute at inference.

// %% A layer, adapted by hand

class Net extends Module {
  layer = new Linear(16, 12, { rng: random(1) });
  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}
const small = inject(new Net(), { method: "lora", rank: 4, alpha: 8, target: "layer", seed: 2 });
const x = tensor(random(3).normal(5 * 16, 0, 1), [5, 16]);
const atStart = small.forward(x).toArray();
const unadapted = small.disabled(() => small.forward(x)).toArray();
const B = small
  .parameters()
  .find((parameter) => parameter.requiresGrad && parameter.shape[0] === 12) as Tensor;
B.assign(random(4).normal(B.size, 0, 1)); // as if trained
const adapted = small.forward(x).toArray();
small.merge();
const merged = small.forward(x).toArray();
const largest = (a: Float32Array, b: Float32Array): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i])));
/** 16 + 4 products and sums on each side, of terms below 16: see test/lora. */
const bound = 2 * (16 + 4) * 16 * 2 ** -24;
display(
  replication(
    [
      {
        claim: "At the start, B = 0: the adapted layer is the pretrained one",
        paper: "ΔW = BA is zero at the beginning (§4.1)",
        measured: `largest difference ${largest(atStart, unadapted)}`,
        holds: largest(atStart, unadapted) === 0,
      },
      {
        claim: "Merged, it computes what it computed adapted",
        paper: "W = W0 + BA (§4.1)",
        measured: `largest difference ${largest(adapted, merged).toExponential(1)}`,
        holds: largest(adapted, merged) <= bound,
        note: `float32 allows ${bound.toExponential(1)}`,
      },
    ],
    "Two numbers to check",
  ),
);

// %% [markdown]
// ## How many parameters: the paper's counts, exactly
//
// LoRA on a layer of $k$ inputs and $d$ outputs trains $r(d + k)$ numbers. `countParameters` applies that to the
// published configurations, without allocating anything; the same function is held equal to the count of real tensors
// by a property test. Where the paper prints something else, the last column says why.

// %% Tables 2, 3, 4 and 15: trainable parameters

interface CountRow {
  readonly model: string;
  readonly method: string;
  readonly count: number;
  /** In millions, as printed. */
  readonly paper: string;
  readonly why?: string;
}
const lora = (config: "roberta-base" | "roberta-large" | "deberta-v2-xxlarge", rank: number): number =>
  countParameters("lora", {
    config,
    rank,
    target: config.startsWith("deberta") ? ["query_proj", "value_proj"] : ["query", "value"],
  }).trainable;
const gpt = (config: "gpt2-medium" | "gpt2-large" | "gpt3-175b", rank: number): number =>
  countParameters("lora", { config, rank, target: "c_attn", slices: { c_attn: [true, false, true] } })
    .trainable;
const qkvo = (rank: number): number =>
  countParameters("lora", {
    config: "gpt3-175b",
    rank,
    target: ["attn.c_attn", "attn.c_proj"],
    slices: { c_attn: [true, true, true] },
  }).trainable;
const counts: readonly CountRow[] = [
  { model: "RoBERTa-base", method: "LoRA r_q = r_v = 8", count: lora("roberta-base", 8), paper: "0.3" },
  { model: "RoBERTa-large", method: "LoRA r_q = r_v = 8", count: lora("roberta-large", 8), paper: "0.8" },
  {
    model: "DeBERTa-XXL",
    method: "LoRA r_q = r_v = 16",
    count: lora("deberta-v2-xxlarge", 16),
    paper: "4.7",
    why: "table 10 says r = 8, which gives 2.4; the released scripts use 16",
  },
  {
    model: "GPT-2 M",
    method: "LoRA r_q = r_v = 4",
    count: gpt("gpt2-medium", 4),
    paper: "0.35",
    why: "0.35 is the row of prefix-layer tuning; the released checkpoint holds 393,216 numbers",
  },
  {
    model: "GPT-2 L",
    method: "LoRA r_q = r_v = 4",
    count: gpt("gpt2-large", 4),
    paper: "0.77",
    why: "as for GPT-2 M",
  },
  { model: "GPT-3 175B", method: "LoRA r_q = r_v = 1", count: gpt("gpt3-175b", 1), paper: "4.7" },
  { model: "GPT-3 175B", method: "LoRA r_q = r_v = 2", count: gpt("gpt3-175b", 2), paper: "9.4" },
  {
    model: "GPT-3 175B",
    method: "LoRA r_q = r_v = 4",
    count: gpt("gpt3-175b", 4),
    paper: "18.8",
    why: "cut off, not rounded",
  },
  { model: "GPT-3 175B", method: "LoRA r_q = r_v = 8", count: gpt("gpt3-175b", 8), paper: "37.7" },
  {
    model: "GPT-3 175B",
    method: "LoRA r_q = r_v = 64",
    count: gpt("gpt3-175b", 64),
    paper: "301.9",
    why: "cut off",
  },
  { model: "GPT-3 175B", method: "LoRA r = 1 on q, k, v, o", count: qkvo(1), paper: "9.4" },
  { model: "GPT-3 175B", method: "LoRA r = 2 on q, k, v, o", count: qkvo(2), paper: "18.8", why: "cut off" },
  { model: "GPT-3 175B", method: "LoRA r = 4 on q, k, v, o", count: qkvo(4), paper: "37.7" },
];
/** Whether `paper`, in millions, is `count` rounded or cut off to as many decimals. */
const prints = (count: number, paper: string): boolean => {
  const decimals = paper.split(".")[1]?.length ?? 0;
  const millions = count / 1e6;
  const cut = Math.floor(millions * 10 ** decimals) / 10 ** decimals;
  return millions.toFixed(decimals) === paper || cut.toFixed(decimals) === paper;
};
display(
  table(
    counts.map(({ model, method, count, paper, why }) => ({
      model,
      method,
      "counted here": count,
      "paper, millions": paper,
      agrees: prints(count, paper) ? "yes" : "no",
      why: why ?? "",
    })),
    { title: "Trainable parameters" },
  ),
);
const gpt3 = countParameters("full", { config: "gpt3-175b" }).total;
display(md`
  GPT-3's ${gpt3.toLocaleString("en")} parameters against the ${gpt("gpt3-175b", 4).toLocaleString("en")} of
  $r_q = r_v = 4$: a factor of **${Math.round(gpt3 / gpt("gpt3-175b", 4)).toLocaleString("en")}**. The abstract's
  "10,000 times" is that factor, rounded up.
`);

// %% [markdown]
// ## Two shifts, near and far
//
// The paper adapts models whose pretraining covers nearly everything to tasks within their reach. A small model offers
// both that case and its opposite:
//
// - **near**: the base has learned to put a restaurant's facts into words in any of 54 styles, and is adapted to the one
//   style of a house (data to text in the manner of E2E). Nothing is new but a few rules.
// - **far**: the base has learned TypeScript declarations (`node_modules/@types/node`), and is adapted to the English
//   prose of their comments. Nearly everything is new.
//
// LoRA's hypothesis, that the change has low rank, is about the first. Both are shown, and labelled.

// %% Pretraining

const time = 79;
const size = { d: settings.d, layers: settings.layers, heads: 4, time };
const shift = farShift();
const near = {
  name: "near",
  source: taskDomain(anyStyle, { time, test: 64, random: random(10) }),
  target: taskDomain(houseStyle, { time, test: 64, random: random(11) }),
};
const far = {
  name: "far",
  source: textDomain("declarations", shift.source, { time, windows: 64 }),
  target: textDomain("prose", shift.target, { time, windows: 64 }),
};
const regimes = [near, far].map((regime) => {
  const base = pretrained({
    domain: regime.source,
    size,
    steps: settings.pretraining,
    rows: settings.rows,
    lr: 3e-3,
    seed: 20,
  });
  return { ...regime, base, before: validationLoss(base.copy(), regime.target) };
});
type Regime = (typeof regimes)[number];
display(
  table(
    regimes.map(({ name, source, target, base, before }) => ({
      shift: name,
      "pretrained on": source.name,
      "loss there": base.loss,
      "adapted to": target.name,
      "loss there, before": before,
      "seconds of pretraining": base.seconds ?? "from the cache",
    })),
    {
      title: "The bases",
      note: `Losses in nats per character. Free choices of style alone are worth ${FREE_CHOICE.toFixed(2)} nats a sentence.`,
      volatile: ["seconds of pretraining"],
    },
  ),
);

// %% [markdown]
// ## Methods side by side (tables 2 and 3)
//
// Full fine-tuning, the last block, biases only (BitFit), adapter layers (Houlsby's, Lin's), and LoRA on queries and
// values or on all linear layers. Quality is the fraction of the gap that a method closes,
// $(\text{base} - \text{method})/(\text{base} - \text{full fine-tuning})$.

// %% Training all of them

interface Method {
  readonly name: string;
  readonly lr: number;
  readonly prepare: (model: GPT2, seed: number) => GPT2;
}
const onLayers =
  (rank: number, target: Target) =>
  (model: GPT2, seed: number): GPT2 => {
    inject(model, { method: "lora", rank, alpha: 2 * rank, target, seed });
    return model;
  };
const QV: Target = ["c_attn.q", "c_attn.v"];
const loraQV = (rank: number): Method => ({
  name: `LoRA q, v, r = ${rank}`,
  lr: 1e-2,
  prepare: (model, seed) => onLayers(rank, QV)(separateAttention(model), seed),
});
const methods: readonly Method[] = [
  { name: "full fine-tuning", lr: 2e-3, prepare: fullFineTuning },
  { name: "last block", lr: 3e-3, prepare: (model) => lastBlocks(model, 1) },
  { name: "BitFit", lr: 1e-2, prepare: bitFit },
  { name: "Adapter H", lr: 5e-3, prepare: (model, seed) => adapterH(model, { width: 4, rng: random(seed) }) },
  { name: "Adapter L", lr: 5e-3, prepare: (model, seed) => adapterL(model, { width: 8, rng: random(seed) }) },
  loraQV(settings.rank),
  { name: `LoRA all linear, r = ${settings.rank}`, lr: 5e-3, prepare: onLayers(settings.rank, "all-linear") },
];

/** One method on one shift, once per seed. */
function runs<T>(regime: Regime, method: Method, read: (model: GPT2) => T): Adaptation<T>[] {
  return Array.from({ length: settings.seeds }, (_, seed) => {
    const make = (): GPT2 => method.prepare(regime.base.copy(), 100 + seed);
    const { steps, rows } = settings;
    return adapt(make, { domain: regime.target, steps, rows, lr: method.lr, seed: 200 + seed }, read);
  });
}

const bar = progress(regimes.length * methods.length, "methods");
const compared = regimes.map((regime) => ({
  regime,
  results: methods.map((method) => {
    const all = runs(regime, method, () => null);
    bar.tick();
    return { method, all, losses: all.map(({ loss }) => loss) };
  }),
}));
bar.done();
const recovered = (regime: Regime, losses: readonly number[]): number[] => {
  const { results } = compared.find((one) => one.regime === regime) as (typeof compared)[number];
  return losses.map((loss, seed) => (regime.before - loss) / (regime.before - results[0].losses[seed]));
};
for (const { regime, results } of compared) {
  display(
    table(
      results.map(({ method, all, losses }) => ({
        method: method.name,
        trainable: all[0].trainable,
        "% of all": (100 * all[0].trainable) / all[0].total,
        loss: meanStd(losses),
        perplexity: meanStd(losses.map(Math.exp)),
        "gap closed": meanStd(recovered(regime, losses)),
        seconds: meanStd(all.map(({ seconds }) => seconds)),
      })),
      {
        title: `Methods, ${regime.name} shift (loss before: ${regime.before.toFixed(3)})`,
        note: `${settings.seeds} seeds, mean ± standard deviation; loss in nats per character on held-out rows.`,
        volatile: ["seconds"],
      },
    ),
  );
}

// %% [markdown]
// ## Memory, counted
//
// Not estimated: every array is registered under what it is for. LoRA's gradients and Adam moments are those of the
// adapter alone; what is saved for backward shrinks less, since activations still carry gradients through every block.

// %% Peak bytes in training

const kilobytes = (bytes: number): number => bytes / 1024;
display(
  table(
    compared[0].results.map(({ method, all: [{ memory }] }) => ({
      method: method.name,
      "weights, KiB": kilobytes(memory.weights),
      "adapters, KiB": kilobytes(memory.adapters),
      "gradients, KiB": kilobytes(memory.gradients),
      "optimizer, KiB": kilobytes(memory.optimizer),
      "saved for backward, KiB": kilobytes(memory.saved),
    })),
    { title: "Memory by category, at its peak", note: "Near shift, first seed." },
  ),
);
display(
  barPlot(
    compared[0].results.map(({ method, all: [{ memory }] }) => ({
      method: method.name,
      KiB: kilobytes(memory.gradients + memory.optimizer),
    })),
    { label: "method", value: "KiB", title: "Gradients and optimizer state" },
  ),
);

// %% [markdown]
// ## Which rank? (table 6) And do ranks share directions? (figure 3)
//
// Figure 3 compares the right-singular vectors of $A$ trained at two ranks:
// $\phi(i, j) = \lVert U_1[:, :i]^\top U_2[:, :j] \rVert_F^2 / \min(i, j)$, between 0 and 1.

// %% The rank study

/** Right-singular vectors of the first block's A for queries: rows, the most important first. */
function rightVectors(model: GPT2): { V: Float64Array; n: number; p: number } {
  for (const [name, module] of model.namedModules()) {
    if (module instanceof LoRA && name.includes("c_attn.q")) {
      const [r, n] = module.A.shape;
      const { V } = svd(module.A.toArray(), r, n); // V [n, min(r, n)]
      return { V, n, p: Math.min(r, n) };
    }
  }
  throw new Error("no LoRA on c_attn.q");
}
const rankBar = progress(regimes.length * settings.ranks.length, "ranks");
const ranked = regimes.map((regime) => ({
  regime,
  results: settings.ranks.map((rank) => {
    const method = loraQV(rank);
    // Each rank starts from an A of its own: from one seed, the first rows of a larger A are the smaller one.
    const prepare = (model: GPT2, seed: number): GPT2 => method.prepare(model, 1000 * rank + seed);
    const all = runs(regime, { ...method, prepare }, rightVectors);
    rankBar.tick();
    return { rank, all, losses: all.map(({ loss }) => loss) };
  }),
}));
rankBar.done();
const rankRows = ranked.flatMap(({ regime, results }) =>
  results.map(({ rank, losses }) => ({
    shift: regime.name,
    rank,
    loss: meanStd(losses),
    "gap closed": meanStd(recovered(regime, losses)),
  })),
);
display(
  table(rankRows, { title: "LoRA on queries and values, by rank", note: `α = 2r, ${settings.seeds} seeds.` }),
);
display(
  linePlot(rankRows, {
    x: "rank",
    y: "gap closed",
    series: "shift",
    xScale: "log",
    title: "Gap closed, by rank",
  }),
);

// %% Subspace similarity between the smallest rank above one and the largest

function similarity(
  a: ReturnType<typeof rightVectors>,
  b: ReturnType<typeof rightVectors>,
): { i: number; j: number; phi: number }[] {
  const squared = (i: number, j: number): number => {
    let dot = 0;
    for (let t = 0; t < a.n; t++) dot += a.V[t * a.p + i] * b.V[t * b.p + j];
    return dot * dot;
  };
  return Array.from({ length: a.p }, (_, i) =>
    Array.from({ length: b.p }, (_, j) => {
      let sum = 0;
      for (let s = 0; s <= i; s++) for (let t = 0; t <= j; t++) sum += squared(s, t);
      return { i: i + 1, j: j + 1, phi: sum / Math.min(i + 1, j + 1) };
    }),
  ).flat();
}
const low = ranked[0].results[Math.min(1, ranked[0].results.length - 1)];
const high = ranked[0].results[ranked[0].results.length - 1];
const phi = similarity(low.all[0].read, high.all[0].read);
display(
  heatmap(phi, {
    x: "j",
    y: "i",
    value: "phi",
    domain: [0, 1],
    title: `φ between A at r = ${low.rank} and at r = ${high.rank}, W_q of the first block, near shift`,
  }),
);
const top = low.all.map(({ read }, seed) => similarity(read, high.all[seed].read)[0].phi);
display(md`
  Two random directions in ${settings.d} dimensions would have $\\phi(1, 1) = 1/${settings.d} \\approx ${(1 / settings.d).toFixed(3)}$ on average.
`);

// %% [markdown]
// ## Which matrices? (table 5)
//
// One budget of parameters, spent on one matrix at a high rank or on several at lower ones.

// %% Seven ways to spend the same budget

const budget = Math.max(4, settings.rank);
const choices: readonly { readonly name: string; readonly target: Target; readonly rank: number }[] = [
  { name: "W_q", target: "c_attn.q", rank: budget },
  { name: "W_k", target: "c_attn.k", rank: budget },
  { name: "W_v", target: "c_attn.v", rank: budget },
  { name: "W_o", target: "attn.c_proj", rank: budget },
  { name: "W_q, W_k", target: ["c_attn.q", "c_attn.k"], rank: budget / 2 },
  { name: "W_q, W_v", target: ["c_attn.q", "c_attn.v"], rank: budget / 2 },
  {
    name: "W_q, W_k, W_v, W_o",
    target: ["c_attn.q", "c_attn.k", "c_attn.v", "attn.c_proj"],
    rank: budget / 4,
  },
].map((choice) => ({ ...choice, rank: Math.max(1, Math.floor(choice.rank)) }));
const paperTable5: Record<string, string> = {
  W_q: "70.4 / 91.0",
  W_k: "70.0 / 90.8",
  W_v: "73.0 / 91.0",
  W_o: "73.2 / 91.3",
  "W_q, W_k": "71.4 / 91.3",
  "W_q, W_v": "73.7 / 91.3",
  "W_q, W_k, W_v, W_o": "73.7 / 91.7",
};
const matrixBar = progress(regimes.length * choices.length, "matrices");
const matrices = regimes.map((regime) => ({
  regime,
  results: choices.map(({ name, target, rank }) => {
    const method = {
      name,
      lr: 1e-2,
      prepare: (model: GPT2, seed: number) => onLayers(rank, target)(separateAttention(model), seed),
    };
    const all = runs(regime, method, () => null);
    matrixBar.tick();
    return { name, rank, trainable: all[0].trainable, losses: all.map(({ loss }) => loss) };
  }),
}));
matrixBar.done();
display(
  table(
    choices.map(({ name, rank }, i) => ({
      matrices: name,
      r: rank,
      trainable: matrices[0].results[i].trainable,
      "near: loss": meanStd(matrices[0].results[i].losses),
      "far: loss": meanStd(matrices[1].results[i].losses),
      "paper: WikiSQL / MNLI": paperTable5[name],
    })),
    { title: "The same budget on different matrices" },
  ),
);

// %% [markdown]
// ## No latency at inference (table 1)
//
// The forward pass of the base, of the merged model, of LoRA left unmerged, and of the two kinds of adapter layers,
// measured in turns so that drift of the machine's speed touches all alike; medians.

// %% Latency, in turns

const { base } = regimes[0];
const rows = [1, 8];
const forMerging = inject(base.copy(), { method: "lora", rank: settings.rank, target: "c_attn", seed: 1 });
const contestants: readonly { readonly name: string; readonly model: GPT2 }[] = [
  { name: "base", model: base.copy() },
  { name: "LoRA, merged", model: forMerging.toPlain() },
  { name: "LoRA, not merged", model: forMerging.model },
  { name: "Adapter L", model: adapterL(base.copy(), { width: 8, rng: random(1) }) },
  { name: "Adapter H", model: adapterH(base.copy(), { width: 4, rng: random(1) }) },
];
const TURNS = 40;
const latencies = rows.map((count) => {
  const ids = near.target.batch(count, random(5)).ids;
  const input = { data: ids.data.slice(0, count * time), shape: [count, time] };
  const seen = contestants.map(() => [] as number[]);
  for (let turn = 0; turn < TURNS + 5; turn++) {
    contestants.forEach(({ model }, i) => {
      const start = performance.now();
      scope(() => model.eval().forward(input).value.data);
      if (turn >= 5) seen[i].push(performance.now() - start);
    });
  }
  return seen.map((times) => times.sort((a, b) => a - b)[TURNS / 2]);
});
const paperTable1 = ["100 %", "100 %", "", "+20.7 %", "+30.3 %"];
display(
  table(
    contestants.map(({ name }, i) => ({
      model: name,
      "batch 1, ms": latencies[0][i],
      "batch 1 against base": `${(100 * (latencies[0][i] / latencies[0][0] - 1)).toFixed(0)} %`,
      "batch 8, ms": latencies[1][i],
      "batch 8 against base": `${(100 * (latencies[1][i] / latencies[1][0] - 1)).toFixed(0)} %`,
      "paper, batch 1": paperTable1[i],
    })),
    {
      title: "Latency of one forward pass",
      note: `Median of ${TURNS} turns; ${time} tokens a row.`,
      volatile: ["batch 1, ms", "batch 1 against base", "batch 8, ms", "batch 8 against base"],
    },
  ),
);
/** Operations of a forward pass are those of the base exactly when the modules are. */
const sameModules =
  [...contestants[1].model.namedModules()].length === [...contestants[0].model.namedModules()].length;

// %% [markdown]
// ## What holds here

// %% Verdicts

const results = (regime: Regime) =>
  (compared.find((one) => one.regime === regime) as (typeof compared)[number]).results;
const lossesOf = (list: readonly { readonly losses: readonly number[] }[], i: number): readonly number[] =>
  list[i].losses;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const claims = regimes.flatMap((regime, which) => {
  const full = results(regime)[0];
  const all = results(regime)[6];
  const closed = recovered(regime, all.losses);
  const rankResults = ranked[which].results;
  const [smallest, biggest] = [rankResults[0], rankResults[rankResults.length - 1]];
  const [atSmallest, atBiggest] = [recovered(regime, smallest.losses), recovered(regime, biggest.losses)];
  const matrix = matrices[which].results;
  const single = mean([mean(lossesOf(matrix, 0)), mean(lossesOf(matrix, 1))]);
  return [
    {
      claim: `${regime.name}: LoRA is on a par with full fine-tuning`,
      paper: "87.2 against 86.4 (RoBERTa-base, table 2)",
      measured: closed.map((part) => part),
      holds: mean(closed) >= 0.95,
      note: `fraction of the gap closed with ${((100 * all.all[0].trainable) / full.all[0].trainable).toFixed(1)} % of the parameters; holds from 0.95`,
    },
    {
      claim: `${regime.name}: a very small r suffices`,
      paper: "73.4 at r = 1, 73.5 at r = 64 (table 6)",
      measured: `${meanStd(atSmallest)} at r = ${smallest.rank}, ${meanStd(atBiggest)} at r = ${biggest.rank}`,
      holds: mean(atBiggest) - mean(atSmallest) <= 0.05,
      seeds: settings.seeds,
      note: "holds when the gap closed differs by at most 0.05",
    },
    {
      claim: `${regime.name}: W_q and W_v together beat W_q or W_k alone`,
      paper: "73.7 against 70.4 and 70.0 (table 5)",
      measured: `loss ${mean(lossesOf(matrix, 5)).toFixed(3)} against ${single.toFixed(3)}`,
      holds: mean(lossesOf(matrix, 5)) < Math.min(mean(lossesOf(matrix, 0)), mean(lossesOf(matrix, 1))),
      seeds: settings.seeds,
    },
  ];
});
display(
  replication([
    ...claims,
    {
      claim: "The top direction is shared between ranks: φ(1, 1) > 0.5",
      paper: "> 0.5 (figure 3)",
      measured: top,
      holds: mean(top) > 0.5,
      note: `r = ${low.rank} and r = ${high.rank}, near shift`,
    },
    {
      claim: "Merged LoRA costs nothing at inference",
      paper: "no additional latency (table 1)",
      measured: `${(100 * (latencies[0][1] / latencies[0][0] - 1)).toFixed(0)} % at batch 1`,
      holds: sameModules,
      note: "decided by structure: the merged model has the base's modules, and no others",
      volatile: true,
    },
    {
      claim: "Adapter layers cost latency at batch 1",
      paper: "+20.7 % and +30.3 % (table 1)",
      measured: `${[3, 4].map((i) => `${(100 * (latencies[0][i] / latencies[0][0] - 1)).toFixed(0)} %`).join(" and ")}`,
      holds: latencies[0][3] > latencies[0][0] && latencies[0][4] > latencies[0][0],
      volatile: true,
    },
  ]),
);

// %% What ran

display(
  table(
    [
      { what: "device", value: `${currentDevice().name}: ${currentDevice().adapter}` },
      {
        what: "matrix products, by device",
        value: Object.entries(kernelCounts())
          .filter(([name]) => name.endsWith("matmul"))
          .map(([name, n]) => `${name.split(" ")[0]} ${n.toLocaleString("en")}`)
          .join(", "),
      },
      { what: "Node", value: process.version },
      { what: "seeds", value: `${settings.seeds}, from 100 (adapters) and 200 (batches)` },
    ],
    { title: "What ran", volatile: true },
  ),
);
