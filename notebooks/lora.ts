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

import { noGrad, type Tensor, tensor } from "lowrank/autograd";
import { currentDevice, frobeniusNorm, kernelCounts, random, scope } from "lowrank/core";
import { inject, type Target } from "lowrank/lora";
import { AdamW, fit, type GPT2, Linear, Module } from "lowrank/nn";
import { adapt } from "./support/adaptation.ts";
import { pretrained } from "./support/base-model.ts";
import {
  adapterH,
  adapterL,
  bitFit,
  fullFineTuning,
  lastBlocks,
  prefixEmbedding,
  prefixLayer,
} from "./support/baselines.ts";
import { acceptability, entailment, sentiment } from "./support/classification.ts";
import { type Domain, taskDomain, textDomain } from "./support/domain.ts";
import { accuracy, validationLoss } from "./support/evaluation.ts";
import { anyStyle, FREE_CHOICE, houseStyle } from "./support/house-style.ts";
import {
  barPlot,
  type Claim,
  defineSettings,
  display,
  farShift,
  heatmap,
  linePlot,
  meanStd,
  progress,
  replication,
  type Spread,
  settingsTable,
  table,
} from "./support/index.ts";
import { limited } from "./support/limited.ts";
import {
  arithmetic,
  glueCounts,
  gpt2Counts,
  gpt3Counts,
  type Printed,
  printedAs,
  table1,
  table5,
  table6,
  table15,
  table16,
  table18,
  table234,
} from "./support/lora-tables.ts";
import { separateAttention } from "./support/separate-attention.ts";
import { atLeast, atMost, mean } from "./support/statistics.ts";
import {
  type Amplification,
  amplification,
  type Overlap,
  overlap,
  projectionDistance,
  randomBasis,
  singularVectors,
  type TrainedUpdate,
  updatesOf,
} from "./support/subspaces.ts";

const started = performance.now();
const settings = defineSettings({
  rank: { quick: 8, full: 8, about: "r of LoRA where something else varies", min: 1 },
  ranks: { quick: [1, 8, 32], full: [1, 2, 4, 8, 16, 32, 64], about: "ranks of the rank study" },
  tasks: { quick: 2, full: 4, about: "columns of table 2: the first so many of four tasks", min: 1 },
  seeds: { quick: 1, full: 3, about: "independent runs of each", min: 1 },
  d: { quick: 64, full: 64, about: "width of the small GPT", min: 8 },
  layers: { quick: 2, full: 4, about: "its blocks", min: 1 },
  pretraining: { quick: 400, full: 1500, about: "steps of pretraining, each base", min: 1 },
  steps: { quick: 30, full: 120, about: "steps of each adaptation", min: 1 },
  rows: { quick: 12, full: 12, about: "rows of a batch", min: 1 },
});
const { rank, seeds, steps, rows, d } = settings;
display(settingsTable(settings));

// %% [markdown]
// ## The method
//
// Fine-tuning changes a pretrained weight $W_0 \in \mathbb{R}^{d \times k}$ to $W_0 + \Delta W$. The paper's hypothesis
// is that $\Delta W$ has a low *intrinsic rank*, so it is written as a product from the start (its equation 3):
//
// $$h = W_0 x + \Delta W x = W_0 x + \tfrac{\alpha}{r} B A x, \qquad B \in \mathbb{R}^{d \times r},\; A \in \mathbb{R}^{r \times k}$$
//
// $W_0$ is frozen. $B$ starts at zero, so that training starts from the pretrained model, and $A$ starts random: Gaussian
// in the text, uniform on $\pm 1/\sqrt{k}$ in the authors' code and here. The library's lines (`lora/lora.ts`) are
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
const B = small.parameters().find(({ requiresGrad, shape }) => requiresGrad && shape[0] === 12) as Tensor;
B.assign(random(4).normal(B.size, 0, 1)); // as if trained
const adapted = small.forward(x).toArray();
small.merge();
const merged = small.forward(x).toArray();
small.unmerge();
const unmerged = small.disabled(() => small.forward(x)).toArray();
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
      {
        claim: "Unmerged, W0 is back, bit for bit",
        paper: "recover W0 by subtracting BA (§4.1)",
        measured: `largest difference ${largest(unadapted, unmerged)}`,
        holds: largest(unadapted, unmerged) === 0,
        note: "the library keeps W0; a subtraction would round",
      },
    ],
    "Three numbers to check",
  ),
);

// %% [markdown]
// ### Where rank stops sufficing: a task whose update has rank 4
//
// Let a layer's ideal update be known: $\Delta W^* = U V^\top$ with four orthonormal columns each. By Eckart and Young
// no product of rank $r < 4$ comes closer than $\lVert \Delta W^* - B A \rVert_F^2 / \lVert \Delta W^* \rVert_F^2 = 1 - r/4$, and
// from $r = 4$ on nothing is in the way of zero. Does LoRA under AdamW get there?

// %% Training against the planted update

const WIDTH = 32;
const PLANTED = 4;
const planted = (() => {
  const [U, V] = ["U", "V"].map((side) => randomBasis(WIDTH, PLANTED, random(6).split(side)));
  const [left, right] = [U, V].map(({ values }) => tensor(Float32Array.from(values), [WIDTH, PLANTED]));
  return left.matmul(right.transpose(0, 1)); // ΔW* [32, 32]
})();
function distanceAfterTraining(r: number): number {
  const layer = new Linear(WIDTH, WIDTH, { bias: false, rng: random(7) });
  const goal = layer.weight.detach().add(planted);
  const net = new Net();
  net.layer = layer;
  const model = inject(net, { method: "lora", rank: r, alpha: r, target: "layer", seed: 8 });
  const trained = model.parameters().filter(({ requiresGrad }) => requiresGrad);
  fit(model, {
    steps: 400,
    optimizer: new AdamW(trained, { lr: 2e-2, weightDecay: 0 }),
    schedule: (step) => 1 - step / 400,
    batch: (step) =>
      tensor(
        random(9)
          .split(step)
          .normal(64 * WIDTH, 0, 1),
        [64, WIDTH],
      ),
    loss: (input) =>
      model
        .forward(input)
        .sub(input.matmul(goal.transpose(0, 1)))
        .square()
        .mean(),
    progress: false,
  });
  const [update] = updatesOf(model).values();
  const error = update.delta.values.map((value, i) => value - planted.value.data[i]);
  return (frobeniusNorm(error) / frobeniusNorm(planted.value.data)) ** 2;
}
const byPlantedRank = [1, 2, 3, 4, 6, 8].map((r) => ({
  r,
  measured: scope(() => distanceAfterTraining(r)),
  "Eckart and Young": Math.max(0, 1 - r / PLANTED),
}));
display(
  table(byPlantedRank, {
    title: "Squared distance to an update of rank 4, relative",
    columns: ["r", { key: "measured", digits: 4 }, { key: "Eckart and Young", digits: 4 }],
  }),
);

// %% [markdown]
// ## How many parameters: the paper's counts, exactly
//
// LoRA on a layer of $k$ inputs and $d$ outputs trains $r(d + k)$ numbers. `countParameters` applies that and the
// formulae of the other methods to the published configurations, without allocating anything; a property test holds it
// equal to the count of real tensors. With $L$ blocks of width $d$:
//
// | method | trains |
// | --- | --- |
// | LoRA on $n$ square matrices | $2 n d r$ |
// | PreEmbed, $l_p$ tokens before and $l_i$ within the prompt | $d (l_p + l_i)$ |
// | PreLayer | $L d (l_p + l_i)$ |
// | AdapterH, two per block | $2 L (2 d r + r + d)$ |
// | AdapterL, one per block and a layer norm with it | $L (2 d r + r + d) + 2 L d$ |
//
// Where the paper prints something else, the last column says why.

// %% Tables 2, 3, 4, 5, 13, 14 and 15: trainable parameters

function displayCounts(title: string, counts: readonly Printed[]): void {
  display(
    table(
      counts.map((row) => ({
        model: row.model,
        method: row.method,
        "counted here": row.exact,
        "paper, millions": row.paper,
        agrees: { rounded: "yes", "cut off": "cut off", no: "no" }[printedAs(row)],
        why: row.why ?? "",
      })),
      { title },
    ),
  );
}
displayCounts("GPT-3 (tables 4, 5 and 15)", gpt3Counts);
displayCounts("GPT-2 (tables 3, 13 and 14)", gpt2Counts);
displayCounts("The models of GLUE (table 2)", glueCounts);

// %% Sizes, factors and speeds

display(
  table(
    arithmetic.map(({ figure, sum, value, paper, agrees, why }) => ({
      figure,
      sum: sum,
      value,
      paper,
      agrees: agrees ? "yes" : "no",
      why: why ?? "",
    })),
    {
      title: "Arithmetic of the text",
      columns: [
        "figure",
        "sum",
        {
          key: "value",
          format: (value) =>
            Number(value)
              .toPrecision(4)
              .replace(/^9286$/, "9,286"),
        },
        "paper",
        "agrees",
        "why",
      ],
    },
  ),
);
display(
  table(
    table1.flatMap(({ batch, length, adapters, base, adapterL, adapterH, printed }) =>
      [
        { adapter: "AdapterL", ms: adapterL, percent: printed[0] },
        { adapter: "AdapterH", ms: adapterH, percent: printed[1] },
      ].map(({ adapter, ms, percent }) => ({
        "batch × length": `${batch} × ${length}`,
        adapter: `${adapter}, ${adapters}`,
        "merged LoRA, ms": base,
        "adapter, ms": ms,
        "computed, %": (100 * (ms / base - 1)).toFixed(1),
        "paper, %": percent.toFixed(1),
        agrees: (100 * (ms / base - 1)).toFixed(1) === percent.toFixed(1) ? "yes" : "no",
      })),
    ),
    { title: "Table 1, its percentages from its milliseconds" },
  ),
);

// %% [markdown]
// Appendix G prints the relation between the similarity $\phi$ of two subspaces and their projection distance $d$ as
// $\phi = \tfrac1p (1 - d^2)$. With $d^2 = p - \sum \sigma_i^2$, $\sigma_i$ the singular values of $U_1^\top U_2$, and
// $\phi = \tfrac1p \sum \sigma_i^2$, it must be $1 - d^2/p$:

// %% The misprint

const p = 4;
const [first, second] = ["first", "second"].map((name) => randomBasis(16, p, random(12).split(name)));
const phiOf = overlap(first, second, [p, p]).at(-1)?.phi as number;
const distance = projectionDistance(first, second);
display(
  table(
    [
      { quantity: "φ, by equation 4", value: phiOf },
      { quantity: "1 − d²/p", value: 1 - distance ** 2 / p },
      { quantity: "(1 − d²)/p, as printed", value: (1 - distance ** 2) / p },
    ],
    { title: `Two random subspaces of ${p} dimensions in 16` },
  ),
);

// %% [markdown]
// ## Two shifts, near and far
//
// The paper adapts models whose pretraining covers nearly everything to tasks within their reach. A small model offers
// both that case and its opposite:
//
// - **near**: the base has learned to put a restaurant's facts into words in any of 54 styles. It is adapted to the one
//   style of a house (data to text, as E2E), and to three classifications in the manner of GLUE: whether a sentence
//   speaks of low prices (SST-2's place), whether its words are in order (CoLA's), whether it follows from the facts
//   (MNLI's and RTE's).
// - **far**: the base has learned TypeScript declarations (`node_modules/@types/node`), and is adapted to the English
//   prose of their comments. Nearly everything is new.
//
// LoRA's hypothesis, that the change has low rank, is about the first. Both are shown, and labelled.

// %% Pretraining

const time = 79;
const SINGLE = 52; // a sentence alone and its label are shorter
const size = { d, layers: settings.layers, heads: 4, time };
const pretraining = { size, steps: settings.pretraining, rows: 12, lr: 3e-3, seed: 20 };
const shift = farShift();
const restaurants = pretrained({
  ...pretraining,
  domain: taskDomain(anyStyle, { time, test: 64, random: random(10) }),
});
const code = pretrained({
  ...pretraining,
  domain: textDomain("declarations", shift.source, { time, windows: 64 }),
});

/** A base and what it is adapted to. */
interface Shift {
  readonly name: string;
  readonly kind: "near" | "far";
  readonly base: typeof restaurants;
  readonly target: Domain;
  /** The target's loss before any adaptation. */
  readonly before: number;
}
const shiftTo = (kind: Shift["kind"], base: Shift["base"], target: Domain): Shift => ({
  name: target.name,
  kind,
  base,
  target,
  before: validationLoss(base.copy(), target),
});
const house = shiftTo("near", restaurants, taskDomain(houseStyle, { time, test: 64, random: random(11) }));
const prose = shiftTo("far", code, textDomain("prose", shift.target, { time, windows: 64 }));
const glue = (
  [
    [sentiment, SINGLE],
    [acceptability, SINGLE],
    [entailment, time],
  ] as const
).map(([task, length]) =>
  shiftTo("near", restaurants, taskDomain(task, { time: length, test: 256, random: random(11) })),
);
const columns = [house, ...glue].slice(0, settings.tasks);
display(
  table(
    [...columns, prose].map(({ name, kind, base, before, target }) => ({
      shift: kind,
      "pretrained on": base === restaurants ? "restaurants, any style" : "declarations",
      "loss there": base.loss,
      "adapted to": name,
      "loss there, before": before,
      "accuracy, before": kind === "near" ? accuracy(base.copy(), target) : null,
      "seconds of pretraining": base.seconds ?? "from the cache",
    })),
    {
      title: "The bases and what they are adapted to",
      note: `Losses in nats per character of what is to be said. Free choices of style alone are worth ${FREE_CHOICE.toFixed(2)} nats a sentence. Accuracy: completions right to the last character.`,
    },
  ),
);

// %% [markdown]
// ## What is run
//
// A method prepares a copy of the base so that its own parameters are trainable; all train with AdamW, a warm-up of a
// tenth of the steps and a linear decay, on the same batches seed by seed. Each has one learning rate, chosen before with
// a seed that is not among those reported. $\alpha = 2r$. A run that two tables need is made once.

// %% Methods and runs

interface Method {
  readonly name: string;
  readonly lr: number;
  readonly prepare: (model: GPT2, seed: number) => GPT2;
}
const MATRICES: Readonly<Record<string, string>> = {
  q: "c_attn.q",
  k: "c_attn.k",
  v: "c_attn.v",
  o: "attn.c_proj",
};
const subscripted = (matrices: string): string => [...matrices].map((letter) => `W_${letter}`).join(", ");

/** LoRA on some of W_q, W_k, W_v and W_o: "qv". Each rank starts from an A of its own. */
const lora = (matrices: string, r: number): Method => ({
  name: `LoRA ${subscripted(matrices)}, r = ${r}`,
  lr: 1e-2,
  prepare: (model, seed) =>
    loraOn(
      [...matrices].map((letter) => MATRICES[letter]),
      r,
    )(separateAttention(model), 1000 * r + seed),
});
const loraOn =
  (target: Target, r: number) =>
  (model: GPT2, seed: number): GPT2 => {
    inject(model, { method: "lora", rank: r, alpha: 2 * r, target, seed });
    return model;
  };
const houlsby = (width: number): Method => ({
  name: `AdapterH, r = ${width}`,
  lr: 1e-2,
  prepare: (model, seed) => adapterH(model, { width, rng: random(seed) }),
});
const lin = (width: number): Method => ({
  name: `AdapterL, r = ${width}`,
  lr: 5e-3,
  prepare: (model, seed) => adapterL(model, { width, rng: random(seed) }),
});
const preEmbed = (tokens: number): Method => ({
  name: `PreEmbed, l = ${tokens}`,
  lr: 2e-2,
  prepare: (model, seed) => prefixEmbedding(model, { tokens, rng: random(seed) }),
});
const preLayer = (tokens: number): Method => ({
  name: `PreLayer, l = ${tokens}`,
  lr: 2e-2,
  prepare: (model, seed) => prefixLayer(model, { tokens, rng: random(seed) }),
});
const FULL: Method = { name: "full fine-tuning", lr: 2e-3, prepare: fullFineTuning };
const TOP: Method = { name: "last block", lr: 3e-3, prepare: (model) => lastBlocks(model, 1) };
const BITFIT: Method = { name: "BitFit", lr: 1e-2, prepare: bitFit };
const EVERYWHERE: Method = {
  name: `LoRA, all linear layers, r = ${rank}`,
  lr: 5e-3,
  prepare: loraOn("all-linear", rank),
};
const LORA = lora("qv", rank);
/** As many parameters as LoRA, or a few more. */
const [HOULSBY, LIN, PREFIX] = [houlsby(rank), lin(2 * rank), preLayer(rank)];

function train(shifted: Shift, method: Method, seed: number) {
  const make = (): GPT2 => method.prepare(shifted.base.copy(), 100 + seed);
  const options = { domain: shifted.target, steps, rows, lr: method.lr, seed: 200 + seed };
  return adapt(make, options, (model) => ({
    accuracy: accuracy(model, shifted.target),
    updates: updatesOf(model),
  }));
}
type Run = ReturnType<typeof train>;
const made = new Map<string, Run>();
function run(shifted: Shift, method: Method, seed: number): Run {
  const key = `${shifted.name}: ${method.name}: ${seed}`;
  const found = made.get(key) ?? train(shifted, method, seed);
  made.set(key, found);
  return found;
}
/** One run for each seed. */
const runs = (shifted: Shift, method: Method): Run[] =>
  Array.from({ length: seeds }, (_, seed) => run(shifted, method, seed));
const losses = (shifted: Shift, method: Method): number[] => runs(shifted, method).map(({ loss }) => loss);
const accuracies = (shifted: Shift, method: Method): number[] =>
  runs(shifted, method).map(({ read }) => read.accuracy);

/** The part of the gap between base and full fine-tuning that a method closes, seed by seed. */
const closed = (shifted: Shift, method: Method): number[] => {
  const full = losses(shifted, FULL);
  return losses(shifted, method).map((loss, seed) => (shifted.before - loss) / (shifted.before - full[seed]));
};
/** Makes the runs that a table is about to ask for, with a bar. */
function make(label: string, wanted: readonly (readonly [Shift, Method])[]): void {
  const bar = progress(wanted.length, label);
  for (const [shifted, method] of wanted) {
    runs(shifted, method);
    bar.tick();
  }
  bar.done();
}
const pairs = (shifts: readonly Shift[], methods: readonly Method[]): (readonly [Shift, Method])[] =>
  shifts.flatMap((shifted) => methods.map((method) => [shifted, method] as const));

// %% [markdown]
// ## Methods side by side (tables 2, 3 and 4)
//
// Accuracy is the fraction of held-out rows whose completion is right to the last character; for the house style that is
// a whole sentence, for the classifications chance is one half. LoRA is on queries and values, as in the paper.

// %% Near

const methods = [FULL, TOP, BITFIT, LIN, HOULSBY, PREFIX, LORA];
make("near", [
  ...pairs(
    columns,
    methods.filter((method) => method !== TOP),
  ),
  [house, TOP],
]);
const percent = (values: readonly number[]): Spread => meanStd(values.map((value) => 100 * value));
/** Mean over the columns, seed by seed. */
const averages = (method: Method): number[] =>
  Array.from({ length: seeds }, (_, seed) => mean(columns.map((column) => accuracies(column, method)[seed])));
display(
  table(
    methods.map((method) => {
      const [{ trainable, total }] = runs(house, method);
      return {
        method: method.name,
        trainable,
        "% of all": (100 * trainable) / total,
        "house style, loss": meanStd(losses(house, method)),
        ...Object.fromEntries(
          columns.map((column) => [
            column.name,
            column === house || method !== TOP ? percent(accuracies(column, method)) : null,
          ]),
        ),
        mean: method === TOP ? null : percent(averages(method)),
      };
    }),
    {
      title: "Methods on the near shift: accuracy in %",
      note: `${seeds} ${seeds === 1 ? "seed" : "seeds, mean ± standard deviation"}; ${steps} steps.`,
    },
  ),
);
display(
  table(table234, {
    title: "The paper's rows (tables 2, 3 and 4)",
    note: "RoBERTa-base unless the column says otherwise.",
  }),
);

// %% Far

const farMethods = [FULL, LORA, EVERYWHERE];
make("far", pairs([prose], farMethods));
display(
  table(
    farMethods.map((method) => {
      const [{ trainable, total }] = runs(prose, method);
      return {
        method: method.name,
        trainable,
        "% of all": (100 * trainable) / total,
        loss: meanStd(losses(prose, method)),
        perplexity: meanStd(losses(prose, method).map(Math.exp)),
        "gap closed": meanStd(closed(prose, method)),
      };
    }),
    {
      title: `Methods on the far shift (loss before: ${prose.before.toFixed(3)})`,
      note: "Nats per character. Gap closed: (before − loss) / (before − full fine-tuning).",
    },
  ),
);

// %% [markdown]
// ## Memory and time of training, counted
//
// Every array is registered under what it is for. LoRA's gradients and Adam moments are those of the adapter alone; what
// is saved for backward shrinks less, since activations still carry gradients through every block. (The paper's own
// figures, 1.2 TB to 350 GB and 32.5 to 43.1 tokens a second, are for weights sharded over many GPUs.)

// %% Peak bytes and seconds

const KiB = 1024;
display(
  table(
    methods.map((method) => {
      const all = runs(house, method);
      const [{ memory }] = all;
      return {
        method: method.name,
        "weights, KiB": memory.weights / KiB,
        "adapters, KiB": memory.adapters / KiB,
        "gradients, KiB": memory.gradients / KiB,
        "optimizer, KiB": memory.optimizer / KiB,
        "saved for backward, KiB": memory.saved / KiB,
        "ms a step": meanStd(all.map(({ seconds }) => (1000 * seconds) / steps)),
      };
    }),
    { title: "Memory by category, at its peak", note: "House style, first seed." },
  ),
);
display(
  barPlot(
    methods.map((method) => {
      const [{ memory }] = runs(house, method);
      return { method: method.name, KiB: (memory.gradients + memory.optimizer) / KiB };
    }),
    { label: "method", value: "KiB", title: "Gradients and optimizer state" },
  ),
);

// %% [markdown]
// ## The same budget on different matrices (table 5)
//
// One budget of parameters, spent on one matrix at a high rank or on several at lower ones.

// %% Seven ways to spend it

const budget = 4 * Math.max(1, Math.round(rank / 4));
const SETS = ["q", "k", "v", "o", "qk", "qv", "qkvo"] as const;
const spent = SETS.map((set) => ({ set, method: lora(set, budget / set.length) }));
make(
  "matrices",
  pairs(
    [house, prose],
    spent.map(({ method }) => method),
  ),
);
display(
  table(
    spent.map(({ set, method }) => ({
      matrices: subscripted(set),
      r: budget / set.length,
      trainable: runs(house, method)[0].trainable,
      "near: loss": meanStd(losses(house, method)),
      "near: accuracy, %": percent(accuracies(house, method)),
      "far: loss": meanStd(losses(prose, method)),
      "paper: WikiSQL": table5[set][0],
      "paper: MNLI": table5[set][1],
    })),
    {
      title: "The same budget on different matrices",
      note: "Losses: less is better; the paper's accuracies: more.",
    },
  ),
);

// %% [markdown]
// ## Which rank? (tables 6 and 18)
//
// Table 18 goes on to full rank. Here that is $r = d$.

// %% The rank study

const ranks = [...new Set([...settings.ranks, rank])].filter((r) => r <= d).sort((a, b) => a - b);
const fewer = ranks.filter((r) => r <= 8 || r === ranks.at(-1));
const [smallest, largestRank] = [ranks[0], ranks[ranks.length - 1]];
const RANKED = ["q", "qv", "qkvo"] as const;
make("ranks", [
  ...pairs(
    [house],
    RANKED.flatMap((set) => (set === "qv" ? ranks : fewer).map((r) => lora(set, r))),
  ),
  ...pairs(
    [prose],
    [smallest, largestRank].map((r) => lora("qv", r)),
  ),
]);
display(
  table(
    RANKED.map((set) => ({
      matrices: subscripted(set),
      ...Object.fromEntries(fewer.map((r) => [`r = ${r}`, meanStd(losses(house, lora(set, r)))])),
      "paper: WikiSQL at r = 1, 2, 4, 8, 64": Object.values(table6[set]).join(", "),
    })),
    {
      title: "Loss by matrices and rank, near shift (table 6)",
      note: "House style; the paper's are accuracies.",
    },
  ),
);
const byRank = ranks.map((r) => ({
  rank: r,
  trainable: runs(house, lora("qv", r))[0].trainable,
  loss: meanStd(losses(house, lora("qv", r))),
  "accuracy, %": percent(accuracies(house, lora("qv", r))),
  "gap closed": meanStd(closed(house, lora("qv", r))),
  "paper: validation loss on E2E": table18[r] ?? null,
}));
display(
  table(byRank, {
    title: "LoRA on queries and values, by rank (table 18)",
    note: `House style; α = 2r; r = ${d} is full rank.`,
  }),
);
display(linePlot(byRank, { x: "rank", y: "loss", xScale: "log", title: "Loss on the house style, by rank" }));

// %% [markdown]
// ## More parameters, more data (tables 15 and 16)
//
// Table 15 grows each method: LoRA's and the adapters' rank, the prefixes' length. Table 16 shrinks the training data.

// %% The size of each method

const grown = [...new Set([ranks[0], ...ranks.filter((r) => r === rank), Math.min(32, d)])];
const families: readonly { readonly family: string; readonly members: readonly Method[] }[] = [
  { family: "PreEmbed", members: grown.map(preEmbed) },
  { family: "PreLayer", members: grown.map(preLayer) },
  { family: "AdapterH", members: grown.map(houlsby) },
  { family: "LoRA", members: ranks.map((r) => lora("qv", r)) },
];
make(
  "sizes",
  pairs(
    [house],
    families.flatMap(({ members }) => members),
  ),
);
const bySize = families.flatMap(({ family, members }) =>
  members.map((method) => ({
    family,
    method: method.name,
    trainable: runs(house, method)[0].trainable,
    loss: meanStd(losses(house, method)),
    "accuracy, %": percent(accuracies(house, method)),
  })),
);
display(
  table(bySize, {
    title: "House style, by size of the method (table 15)",
    columns: ["method", "trainable", "loss", "accuracy, %"],
  }),
);
display(
  linePlot(bySize, {
    x: "trainable",
    y: "loss",
    series: "family",
    xScale: "log",
    title: "Loss by trainable parameters",
  }),
);
display(
  table(
    table15.map(({ method, sizes, wikiSQL, mnli }) => ({
      method,
      sizes,
      "WikiSQL, smallest to largest": wikiSQL.join(", "),
      "MNLI-m": mnli.join(", "),
    })),
    { title: "The paper's table 15, GPT-3" },
  ),
);

// %% The size of the data

const amounts = settings.seeds > 1 ? [24, 96] : [24];
const dataMethods = [FULL, PREFIX, LORA];
const scarce = amounts.map((examples) =>
  shiftTo("near", restaurants, limited(house.target, { rows: examples, random: random(12) })),
);
make("data", pairs(scarce, dataMethods));
display(
  table(
    dataMethods.map((method) => ({
      method: method.name,
      ...Object.fromEntries(
        scarce.map((one, i) => [`${amounts[i]} examples: loss`, meanStd(losses(one, method))]),
      ),
      "no end of them: loss": meanStd(losses(house, method)),
      ...Object.fromEntries(
        scarce.map((one, i) => [`${amounts[i]}: accuracy, %`, percent(accuracies(one, method))]),
      ),
      "no end: accuracy, %": percent(accuracies(house, method)),
    })),
    {
      title: "House style, by number of training examples (table 16)",
      note: `${steps} steps each: few examples are seen often.`,
    },
  ),
);
display(
  table(table16, {
    title: "The paper's table 16: MNLI on GPT-3, by training examples",
    columns: ["method", "100", "1k", "10k", "392k"],
  }),
);

// %% [markdown]
// ## What the update looks like (table 7, figures 3, 4 and 8)
//
// Two subspaces of directions are compared by
// $\phi(i, j) = \lVert U_1[:, :i]^\top U_2[:, :j] \rVert_F^2 / \min(i, j)$, between 0 (orthogonal) and 1 (one within the
// other). Random ones have $\max(i, j)/d$ on average: next to nothing in the paper's 12,288 dimensions, but not in the
// ${d} here. The control stands beside each map.

// %% Figure 3: do two ranks find the same directions?

const low = ranks.find((r) => r >= 4 && r < largestRank) ?? smallest;
const high = ranks.filter((r) => r <= d / 2).at(-1) ?? largestRank;
const middle = Math.floor((settings.layers - 1) / 2);
const LETTERS = ["q", "v"] as const;
const updateOf = (r: number, seed: number, letter: "q" | "v"): TrainedUpdate =>
  [...run(house, lora("qv", r), seed).read.updates].find(
    ([path]) => path.includes(`h.${middle}.`) && path.endsWith(`c_attn.${letter}`),
  )?.[1] as TrainedUpdate;
const directions = (r: number, seed: number, letter: "q" | "v") =>
  singularVectors(updateOf(r, seed, letter).A).right;
const gaussian = (r: number, name: string) => randomBasis(d, r, random(13).split(name));
const most = (r: number): number => Math.min(r, d);
for (const letter of LETTERS) {
  display(
    heatmap(overlap(directions(low, 0, letter), directions(high, 0, letter), [most(low), most(high)]), {
      x: "j",
      y: "i",
      value: "phi",
      domain: [0, 1],
      title: `Figure 3: φ between A at r = ${low} and at r = ${high}, ΔW_${letter}, block ${middle + 1}`,
    }),
  );
}
display(
  heatmap(overlap(gaussian(low, "low"), gaussian(high, "high"), [most(low), most(high)]), {
    x: "j",
    y: "i",
    value: "phi",
    domain: [0, 1],
    title: `Control: random directions, ${low} and ${high} of ${d}`,
  }),
);
const topShared = LETTERS.map((letter) =>
  Array.from(
    { length: seeds },
    (_, seed) => overlap(directions(low, seed, letter), directions(high, seed, letter), [1, 1])[0].phi,
  ),
);

// %% Figure 4: do two seeds?

for (const letter of LETTERS) {
  display(
    heatmap(overlap(directions(high, 0, letter), directions(high, 1, letter), [most(high), most(high)]), {
      x: "j",
      y: "i",
      value: "phi",
      domain: [0, 1],
      title: `Figure 4: φ between two seeds at r = ${high}, ΔW_${letter}, block ${middle + 1}`,
    }),
  );
}
display(
  heatmap(overlap(gaussian(high, "one"), gaussian(high, "other"), [most(high), most(high)]), {
    x: "j",
    y: "i",
    value: "phi",
    domain: [0, 1],
    title: `Control: random directions, ${high} and ${high} of ${d}`,
  }),
);

// %% [markdown]
// The $A$ of a run is its random start and what training added. Their spectra say how much there is to compare: only
// directions whose singular values rise above the start were learned. $\Delta W = \tfrac{\alpha}{r} B A$ has no such
// start, since $B = 0$, and so its own directions are compared as well.

// %% The same of ΔW, at φ(i, i)

const updateDirections = (r: number, seed: number, letter: "q" | "v") =>
  singularVectors(updateOf(r, seed, letter).delta).right;
const diagonal = (name: string, cells: readonly Overlap[]) =>
  cells.filter(({ i, j }) => i === j).map(({ i, phi }) => ({ i, φ: phi, pair: name }));
const upTo = [most(low), most(low)] as const;
const agreement = [
  ...LETTERS.flatMap((letter) => [
    ...diagonal(
      `ΔW_${letter}, r = ${low} and ${high}`,
      overlap(updateDirections(low, 0, letter), updateDirections(high, 0, letter), upTo),
    ),
    ...diagonal(
      `ΔW_${letter}, two seeds, r = ${high}`,
      overlap(updateDirections(high, 0, letter), updateDirections(high, 1, letter), upTo),
    ),
  ]),
  ...diagonal("random", overlap(gaussian(low, "low"), gaussian(high, "high"), upTo)),
];
display(
  linePlot(agreement, { x: "i", y: "φ", series: "pair", title: "φ(i, i) between the first i directions" }),
);

// %% Figure 8: does ΔW lie along W's main directions?

const DELTAS = [...new Set([low, high])];
const W = (): TrainedUpdate => updateOf(high, 0, "q");
for (const r of DELTAS) {
  display(
    heatmap(overlap(singularVectors(W().W).right, updateDirections(r, 0, "q"), [d, Math.min(most(r), 8)]), {
      x: "j",
      y: "i",
      value: "phi",
      domain: [0, 1],
      title: `Figure 8: φ between W_q (i) and ΔW_q at r = ${r} (j), block ${middle + 1}`,
    }),
  );
}

// %% Table 7: how much of W lies where ΔW acts, and by how much it is amplified

const amplified = DELTAS.map((r) => ({
  r,
  all: Array.from({ length: seeds }, (_, seed) =>
    amplification(updateOf(r, seed, "q"), r, random(14).split(seed)),
  ),
}));
const PAPER7 = [
  { r: 4, byDelta: 0.32, byW: 21.67, byRandom: 0.02, normDelta: 6.91, normW: 61.95, factor: 21.5 },
  { r: 64, byDelta: 1.9, byW: 37.71, byRandom: 0.33, normDelta: 3.57, normW: 61.95, factor: 2 },
];
const row7 = (
  who: string,
  r: number,
  part: (key: keyof Amplification) => number | Spread,
  expected: number,
) => ({
  "": who,
  r,
  "‖W_q‖": part("normW"),
  "‖ΔW_q‖": part("normDelta"),
  "‖UᵀWV‖, ΔW_q": part("byDelta"),
  W_q: part("byW"),
  random: part("byRandom"),
  "‖W_q‖ r/d": expected,
  factor: part("factor"),
});
display(
  table(
    [
      ...amplified.map(({ r, all }) =>
        row7("here", r, (key) => meanStd(all.map((one) => one[key])), (all[0].normW * r) / d),
      ),
      ...PAPER7.map((paper) => row7("paper", paper.r, (key) => paper[key], (paper.normW * paper.r) / 12_288)),
    ],
    {
      title: "Table 7: the part of W_q in the directions of ΔW_q, of W_q, and of chance",
      note: `Here block ${middle + 1} of ${settings.layers}, d = ${d}; the paper's is block 48 of 96, d = 12,288. Factor: ‖ΔW_q‖ / ‖UᵀWV‖.`,
    },
  ),
);

// %% [markdown]
// ## No latency at inference (table 1)
//
// The forward pass of the base, of the merged model, of LoRA left unmerged, and of the two kinds of adapter layers,
// measured in turns so that drift of the machine's speed touches all alike. Of each, the fastest tenth is the time it
// takes when nothing disturbs it.

// %% Latency, in turns

const SHAPES = [
  { batch: 16, length: time },
  { batch: 4, length: 40 },
  { batch: 1, length: 20 },
];
const TURNS = 40;
const forMerging = inject(restaurants.copy(), { method: "lora", rank, target: "c_attn", seed: 1 });
const contestants: readonly { readonly name: string; readonly model: GPT2 }[] = [
  { name: "base", model: restaurants.copy() },
  { name: "LoRA, merged", model: forMerging.toPlain() },
  { name: "LoRA, not merged", model: forMerging.model },
  { name: "AdapterL", model: LIN.prepare(restaurants.copy(), 1) },
  { name: "AdapterH", model: HOULSBY.prepare(restaurants.copy(), 1) },
];
const latencies = SHAPES.map(({ batch, length }) => {
  const { data } = house.target.batch(batch, random(5)).ids;
  const cut = Array.from({ length: batch }, (_, row) => [
    ...data.slice(row * (time + 1), row * (time + 1) + length),
  ]);
  const ids = { data: Int32Array.from(cut.flat()), shape: [batch, length] };
  const seen = contestants.map(() => [] as number[]);
  for (let turn = -5; turn < TURNS; turn++) {
    contestants.forEach(({ model }, i) => {
      const start = performance.now();
      scope(() => noGrad(() => model.eval().forward(ids).value.data));
      if (turn >= 0) seen[i].push(performance.now() - start);
    });
  }
  const ms = seen.map((times) => times.sort((a, b) => a - b)[Math.floor(TURNS / 10)]);
  return { shape: `${batch} × ${length}`, ms, slower: ms.map((one) => 100 * (one / ms[0] - 1)) };
});
display(
  table(
    latencies.flatMap(({ shape, ms, slower }, at) =>
      contestants.map(({ name }, i) => ({
        "batch × length": shape,
        model: name,
        ms: ms[i],
        "against base": `${slower[i].toFixed(0)} %`,
        "paper: batch × length": `${table1[at].batch} × ${table1[at].length}`,
        paper: [
          "",
          "0 %",
          "",
          `+${table1[at].printed[0].toFixed(1)} %`,
          `+${table1[at].printed[1].toFixed(1)} %`,
        ][i],
      })),
    ),
    { title: "Latency of one forward pass", note: `The fastest tenth of ${TURNS} turns.` },
  ),
);
/** Operations of a forward pass are those of the base exactly when the modules are. */
const modulesOf = (model: GPT2): string =>
  [...model.namedModules()].map(([path, module]) => `${path} ${module.constructor.name}`).join();
const sameModules = modulesOf(contestants[1].model) === modulesOf(contestants[0].model);

// %% [markdown]
// ## What holds here
//
// "On a par" and "at most" compare seed by seed: a claim *holds* when the mean difference says so, *partly* when it does
// not but is within the standard deviation of the differences. Where the paper's claim is that something is within the
// noise, the measure is the gap closed, $(\text{before} - \text{loss}) / (\text{before} - \text{full fine-tuning})$, and
// the tolerance 0.05.

// %% Verdicts: quality

const CLOSE = 0.05;
const spreadOf = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);
const verdictOfBoth = (parts: readonly boolean[]): Claim["holds"] =>
  parts.every((part) => part) || (parts.some((part) => part) && "partly");
/** Whether the last of a family is worse than its best by more than the noise. */
const rises = (members: readonly Method[]): boolean => {
  const byMember = members.map((one) => mean(losses(house, one)));
  const best = byMember.indexOf(Math.min(...byMember));
  const last = members.length - 1;
  return best < last && atMost(losses(house, members[last]), losses(house, members[best])) === false;
};
const against = (a: readonly number[], b: readonly number[]): string => `${meanStd(a)} against ${meanStd(b)}`;
const share = ((100 * runs(house, LORA)[0].trainable) / runs(house, FULL)[0].trainable).toFixed(1);
const lower = (claim: string, paper: string, method: Method, other: Method): Claim => ({
  claim,
  paper,
  measured: against(losses(house, method), losses(house, other)),
  holds: atMost(losses(house, method), losses(house, other)),
  seeds,
  note: "loss on the house style",
});
const scarcest = scarce[0];
const onPar = ({ name, kind }: Shift, shifted: Shift): Claim => ({
  claim: `LoRA is on a par with full fine-tuning: ${kind}, ${name}`,
  paper: kind === "near" ? "70.4 against 68.2 BLEU (table 3, GPT-2 M)" : "no such case in the paper",
  measured: closed(shifted, LORA),
  holds: mean(closed(shifted, LORA)) >= 1 - CLOSE,
  note: `gap closed with ${share} % of the parameters; holds from ${1 - CLOSE}`,
});
display(
  replication(
    [
      onPar(house, house),
      onPar(prose, prose),
      {
        claim: "and on average over the near tasks",
        paper: "87.2 against 86.4 (table 2, RoBERTa-base)",
        measured: `${against(
          averages(LORA).map((v) => 100 * v),
          averages(FULL).map((v) => 100 * v),
        )} %`,
        holds: atLeast(averages(LORA), averages(FULL)),
        seeds,
        note: `mean accuracy over ${columns.map(({ name }) => name).join("; ")}`,
      },
      ...[LIN, HOULSBY, BITFIT].map(
        (other): Claim => ({
          claim: `LoRA is at least as accurate as ${other.name}`,
          paper: {
            [LIN.name]: "70.4 against 66.3 BLEU (table 3)",
            [HOULSBY.name]: "88.6 against 86.4 (table 2, RoBERTa-large, 0.8M)",
            [BITFIT.name]: "87.2 against 85.2 (table 2)",
          }[other.name] as string,
          measured: `${against(
            averages(LORA).map((v) => 100 * v),
            averages(other).map((v) => 100 * v),
          )} %`,
          holds: atLeast(averages(LORA), averages(other)),
          seeds,
          note: `mean over the near tasks; ${runs(house, LORA)[0].trainable.toLocaleString("en")} against ${runs(house, other)[0].trainable.toLocaleString("en")} parameters`,
        }),
      ),
      lower("LoRA is better than the last block", "70.4 against 68.1 BLEU (table 3)", LORA, TOP),
      lower("LoRA is better than PreLayer", "70.4 against 69.7 BLEU (table 3)", LORA, PREFIX),
      {
        claim: "Longer prefixes do not help without end: the longest is worse than the best",
        paper: "PreEmbed falls after 256 tokens, PreLayer after 8 (table 15)",
        measured: families
          .slice(0, 2)
          .map(
            ({ family, members }) =>
              `${family} ${members.map((one) => meanStd(losses(house, one)).toString()).join(", ")}`,
          )
          .join("; "),
        holds: verdictOfBoth(families.slice(0, 2).map(({ members }) => rises(members))),
        seeds,
        note: `lengths ${grown.join(", ")}; partly: one of the two kinds`,
      },
      {
        claim: "LoRA is stable in its size",
        paper: "73.3 to 73.8 from 4.7M to 301.9M (table 15)",
        measured: `gap closed ${ranks.map((r) => mean(closed(house, lora("qv", r))).toFixed(3)).join(", ")}`,
        holds: spreadOf(ranks.map((r) => mean(closed(house, lora("qv", r))))) <= CLOSE,
        seeds,
        note: `r = ${ranks.join(", ")}; holds when they lie within ${CLOSE}`,
      },
      {
        claim: "With few examples LoRA is at least as good as full fine-tuning",
        paper: "63.8 against 60.2 with 100 examples (table 16)",
        measured: against(losses(scarcest, LORA), losses(scarcest, FULL)),
        holds: atMost(losses(scarcest, LORA), losses(scarcest, FULL)),
        seeds,
        note: `loss after ${amounts[0]} examples`,
      },
      {
        claim: "and prefixes are worse than full fine-tuning",
        paper: "48.3 against 60.2 with 100 examples (table 16)",
        measured: against(losses(scarcest, PREFIX), losses(scarcest, FULL)),
        holds: atLeast(losses(scarcest, PREFIX), losses(scarcest, FULL)),
        seeds,
      },
    ],
    "Methods (tables 2, 3, 4, 15 and 16)",
  ),
);

// %% Verdicts: matrices and ranks

const bySet = (shifted: Shift, set: (typeof SETS)[number]): number[] =>
  losses(shifted, lora(set, budget / set.length));
const better = (sets: readonly (typeof SETS)[number][], shifted: Shift): number =>
  Math.min(...sets.map((set) => mean(bySet(shifted, set))));
const matrixClaims = [house, prose].flatMap((shifted): Claim[] => [
  {
    claim: `${shifted.kind}: all of the budget on W_q or W_k is worst`,
    paper: "70.4 and 70.0, the others from 71.4 (table 5)",
    measured: `loss ${mean(bySet(shifted, "q")).toFixed(4)} and ${mean(bySet(shifted, "k")).toFixed(4)}, the others up to ${Math.max(...["v", "o", "qk", "qv", "qkvo"].map((set) => mean(bySet(shifted, set as "v")))).toFixed(4)}`,
    holds:
      Math.min(mean(bySet(shifted, "q")), mean(bySet(shifted, "k"))) >
      Math.max(...(["v", "o", "qk", "qv", "qkvo"] as const).map((set) => mean(bySet(shifted, set)))),
    seeds,
  },
  {
    claim: `${shifted.kind}: W_q and W_v together beat either alone`,
    paper: "73.7 against 70.4 and 73.0 (table 5)",
    measured: `loss ${mean(bySet(shifted, "qv")).toFixed(4)} against ${better(["q", "v"], shifted).toFixed(4)}, the better of the two`,
    holds: mean(bySet(shifted, "qv")) < better(["q", "v"], shifted),
    seeds,
  },
  {
    claim: `${shifted.kind}: more matrices at a lower rank beat any one at a higher`,
    paper: "73.7 against at most 73.2 (table 5)",
    measured: `loss ${better(["qv", "qkvo"], shifted).toFixed(4)} against ${better(["q", "k", "v", "o"], shifted).toFixed(4)}`,
    holds: better(["qv", "qkvo"], shifted) < better(["q", "k", "v", "o"], shifted),
    seeds,
  },
]);
const rankClaim = (shifted: Shift, set: "qv" | "qkvo"): Claim => {
  const [few, many] = [smallest, largestRank].map((r) => closed(shifted, lora(set, r)));
  return {
    claim: `${shifted.kind}: a very small r suffices on ${subscripted(set)}`,
    paper:
      set === "qv" ? "73.4 at r = 1, 73.5 at r = 64 (table 6)" : "74.1 at r = 1, 73.9 at r = 64 (table 6)",
    measured: `gap closed ${meanStd(few)} at r = ${smallest}, ${meanStd(many)} at r = ${largestRank}`,
    holds: mean(few) >= mean(many) - CLOSE,
    seeds,
    note: `holds when r = ${smallest} is at most ${CLOSE} behind`,
  };
};
const queries = fewer.map((r) => mean(losses(house, lora("q", r))));
const both = fewer.map((r) => mean(losses(house, lora("qv", r))));
const plateau = ranks.filter((r) => r >= 16).map((r) => mean(losses(house, lora("qv", r))));
const atRank = (r: number): number => mean(losses(house, lora("qv", r)));
display(
  replication(
    [
      ...matrixClaims,
      rankClaim(house, "qv"),
      rankClaim(house, "qkvo"),
      rankClaim(prose, "qv"),
      {
        claim: "near: W_q alone stays behind W_q, W_v at every rank",
        paper: "68.8 to 70.5 against 73.3 to 73.8 (table 6)",
        measured: `loss ${queries.map((v) => v.toFixed(4)).join(", ")} against ${both.map((v) => v.toFixed(4)).join(", ")}`,
        holds: queries.every((v, i) => v > both[i]),
        seeds,
        note: `r = ${fewer.join(", ")}`,
      },
      {
        claim: "near: the loss falls up to r = 16 and is flat from there to full rank",
        paper: "1.23 at r = 1, 1.16 from 16 to 512, 1.17 at 1,024 (table 18)",
        measured: ranks.map((r) => `${atRank(r).toFixed(4)} at ${r}`).join(", "),
        holds:
          plateau.length > 0 &&
          Math.min(...plateau) < atRank(smallest) &&
          spreadOf(plateau) <= 0.1 * (atRank(smallest) - Math.min(...plateau)),
        seeds,
        note: "flat: within a tenth of the fall from the smallest rank",
      },
      {
        claim: "planted: rank 4 suffices for an update of rank 4, and nothing below",
        paper: "low intrinsic rank (§4.1), here by construction",
        measured: byPlantedRank.map(({ r, measured }) => `${measured.toFixed(3)} at ${r}`).join(", "),
        holds: byPlantedRank.every(({ r, measured, "Eckart and Young": floor }) =>
          r >= PLANTED ? measured < 0.01 : measured >= floor - 1e-6,
        ),
        note: "squared distance, relative; below 0.01 from r = 4 on, and never below the bound",
      },
    ],
    "Matrices and ranks (tables 5, 6 and 18)",
  ),
);

// %% Verdicts: directions, memory, latency

const lastPhi = (cells: readonly Overlap[]): number => cells[cells.length - 1].phi;
const [amplifiedLow] = amplified;
const meanOf = (list: readonly Amplification[], key: keyof Amplification): number =>
  mean(list.map((one) => one[key]));
const factors = amplified.map(({ all }) => meanStd(all.map(({ factor }) => factor)));
const seedOverlap = LETTERS.map((letter) =>
  lastPhi(overlap(directions(high, 0, letter), directions(high, 1, letter), [most(low), most(low)])),
);
const alongW = lastPhi(
  overlap(singularVectors(W().W).right, updateDirections(high, 0, "q"), [
    Math.max(1, Math.round(d / 10)),
    Math.min(4, most(high)),
  ]),
);
const [full, adaptedRun] = [runs(house, FULL)[0], runs(house, LORA)[0]];
const moments = ({ memory }: Run): number => memory.gradients + memory.optimizer;
const perStep = (method: Method): number[] =>
  runs(house, method).map(({ seconds }) => (1000 * seconds) / steps);
display(
  replication(
    [
      {
        claim: "The top direction is shared between ranks: φ(1, 1) > 0.5",
        paper: "> 0.5 for W_q and W_v (figure 3)",
        measured: LETTERS.map((letter, i) => `${meanStd(topShared[i])} (ΔW_${letter})`).join(", "),
        holds: verdictOfBoth(topShared.map((values) => mean(values) > 0.5)),
        seeds,
        note: `A at r = ${low} and ${high}; chance is ${(1 / d).toFixed(3)}; partly: one of the two`,
      },
      {
        claim: "W_q shares more directions between seeds than W_v",
        paper: "higher intrinsic rank of ΔW_q (figure 4)",
        measured: `φ(${most(low)}, ${most(low)}) = ${seedOverlap.map((v) => v.toFixed(3)).join(" and ")}`,
        holds: seedOverlap[0] > seedOverlap[1],
        note: `r = ${high}; chance is ${(most(low) / d).toFixed(3)}`,
      },
      {
        claim: "ΔW lies hardly along the main directions of W",
        paper: "barely above 0.2 (figure 8)",
        measured: alongW,
        holds: alongW <= 0.25,
        note: `φ(${Math.max(1, Math.round(d / 10))}, ${Math.min(4, most(high))}), a tenth of W's directions; chance is ${(Math.max(d / 10, 4) / d).toFixed(2)}`,
      },
      {
        claim: "ΔW acts where W is, more than chance would",
        paper: "0.32 against 0.02 (table 7)",
        measured: `${meanOf(amplifiedLow.all, "byDelta").toFixed(3)} against ${meanOf(amplifiedLow.all, "byRandom").toFixed(3)}`,
        holds: meanOf(amplifiedLow.all, "byDelta") > meanOf(amplifiedLow.all, "byRandom"),
        seeds,
        note: `‖UᵀWV‖ at r = ${amplifiedLow.r}`,
      },
      {
        claim: "but not where W is strongest",
        paper: "0.32 against 21.67 (table 7)",
        measured: `${meanOf(amplifiedLow.all, "byDelta").toFixed(3)} against ${meanOf(amplifiedLow.all, "byW").toFixed(3)}`,
        holds: meanOf(amplifiedLow.all, "byDelta") < 0.5 * meanOf(amplifiedLow.all, "byW"),
        seeds,
        note: "holds below one half",
      },
      {
        claim: "The amplification is larger at a low rank than at a high one",
        paper: "21.5 at r = 4, about 2 at r = 64 (table 7)",
        measured: factors.map((factor, i) => `${factor} at r = ${amplified[i].r}`).join(", "),
        holds: Number(factors[0]) > Number(factors[factors.length - 1]),
        seeds,
      },
      {
        claim: "Gradients and optimizer state are those of the adapter alone",
        paper: "no need to keep them for frozen parameters (§4.2)",
        measured: `${moments(adaptedRun).toLocaleString("en")} bytes, against ${moments(full).toLocaleString("en")}`,
        holds: moments(adaptedRun) === 12 * adaptedRun.trainable && moments(full) === 12 * full.trainable,
        note: "4 bytes of gradient and 8 of moments for each parameter",
      },
      {
        claim: "A step takes less time than full fine-tuning's",
        paper: "25 % speedup (§4.2)",
        measured: `${against(perStep(LORA), perStep(FULL))} ms`,
        holds: mean(perStep(LORA)) < mean(perStep(FULL)),
        seeds,
        note: "no communication is saved here, and on so small a model the added operations cost more than they do on a large one",
      },
      {
        claim: "Merged LoRA costs nothing at inference",
        paper: "no additional latency (table 1)",
        measured: latencies.map(({ shape, slower }) => `${slower[1].toFixed(0)} % at ${shape}`).join(", "),
        holds: sameModules,
        note: "decided by structure: the merged model has the base's modules, and no others",
      },
      {
        claim: "Adapter layers cost latency",
        paper: "2.2 % to 30.3 % (table 1)",
        measured: latencies
          .map(({ shape, slower }) => `${slower[3].toFixed(0)} and ${slower[4].toFixed(0)} % at ${shape}`)
          .join(", "),
        holds: latencies.every(({ slower }) => slower[3] > 0 && slower[4] > 0),
      },
      {
        claim: "most of all for short inputs in small batches",
        paper: "20.7 and 30.3 % at batch 1 (table 1)",
        measured: `${latencies[2].slower[3].toFixed(0)} and ${latencies[2].slower[4].toFixed(0)} % at ${latencies[2].shape}`,
        holds: [3, 4].every(
          (i) =>
            latencies[2].slower[i] > latencies[0].slower[i] &&
            latencies[2].slower[i] > latencies[1].slower[i],
        ),
      },
    ],
    "Directions, memory and time (figures 3, 4 and 8; tables 1 and 7)",
  ),
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
      { what: "seeds", value: `${seeds}, from 100 (adapters) and 200 (batches)` },
      { what: "adaptations", value: String(made.size) },
      { what: "seconds", value: ((performance.now() - started) / 1000).toFixed(0) },
    ],
    { title: "What ran" },
  ),
);
