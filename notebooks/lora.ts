// %% [markdown]
// # LoRA: Low-Rank Adaptation of Large Language Models
//
// Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2021, [arXiv:2106.09685](https://arxiv.org/abs/2106.09685).
//
// LoRA freezes the pretrained weights and trains two thin matrices beside each of them. This page derives the method
// beside the library's code, recomputes the paper's exact tables, and repeats its experiments at a small scale: a small
// GPT is pretrained here and adapted here. Every number was measured by this run unless its column says *paper*. Each
// claim is turned into a condition on measured numbers. The condition is fixed before the run; the verdict is printed
// even if it goes against the paper.
//
// **To run it:** `npm start -- lora` (`--full` for the long setting, `--set rank=2` to change a number). VS Code and
// Jupyter open `lora.ipynb` as it is; to execute it there, install the Deno kernel (`npm install --global deno`,
// `deno jupyter --install`) and build the library once (`npm run build`).

// %% Settings

import { type Tensor, tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { type GPT2, Linear, Module } from "lowrank/nn";
import { distanceToPlanted } from "./papers/lora/planted-update.ts";
import {
  biases,
  full,
  houlsby,
  lastBlock,
  lin,
  lora,
  loraEverywhere,
  type Method,
  preEmbed,
  preLayer,
  type Run,
  type Shift,
  Study,
  shiftTo,
  subscripted,
} from "./papers/lora/runs.ts";
import {
  type Amplification,
  amplification,
  type Matrix,
  type Overlap,
  overlap,
  projectionDistance,
  randomBasis,
  singularVectors,
  type TrainedUpdate,
} from "./papers/lora/subspaces.ts";
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
  table7,
  table15,
  table16,
  table18,
  table234,
} from "./papers/lora/tables.ts";
import { acceptability, entailment, sentiment } from "./support/data/classification.ts";
import { taskDomain, textDomain } from "./support/data/domain.ts";
import { anyStyle, FREE_CHOICE, houseStyle } from "./support/data/house-style.ts";
import { limited } from "./support/data/limited.ts";
import { pretrained } from "./support/experiments/base-model.ts";
import { accuracy } from "./support/experiments/evaluation.ts";
import { corner, latencies } from "./support/experiments/latency.ts";
import { atLeast, atMost, mean } from "./support/experiments/statistics.ts";
import {
  barPlot,
  type Claim,
  defineSettings,
  display,
  farShift,
  formatNumber,
  heatmap,
  linePlot,
  meanStd,
  replication,
  type Spread,
  settingsTable,
  table,
} from "./support/index.ts";

const settings = defineSettings({
  rank: { quick: 8, full: 8, about: "r of LoRA where something else varies", min: 1 },
  ranks: { quick: [1, 8, 16], full: [1, 2, 8, 64], about: "ranks of the rank study", min: 1 },
  tasks: { quick: 2, full: 3, about: "columns of table 2: the first so many of four tasks", min: 1 },
  examples: { quick: [24], full: [24, 96], about: "training examples of table 16", min: 1 },
  far: { quick: false, full: false, about: "table 5 on the far shift, too" },
  seeds: { quick: 1, full: 3, about: "independent runs of each", min: 1 },
  d: { quick: 64, full: 64, about: "width of the small GPT, a multiple of 4", min: 8 },
  layers: { quick: 2, full: 4, about: "its blocks", min: 1 },
  pretraining: { quick: 400, full: 1500, about: "steps of pretraining", min: 1 },
  steps: { quick: 40, full: 60, about: "steps of each adaptation", min: 1 },
  rows: { quick: 8, full: 8, about: "rows of a batch; twice as many to classify", min: 1 },
});
const { rank, seeds, steps, rows, d } = settings;
display(settingsTable(settings));

// %% [markdown]
// ## The method
//
// Fine-tuning changes a pretrained weight $W_0 \in \mathbb{R}^{d \times k}$ to $W_0 + \Delta W$. The paper's hypothesis
// is that $\Delta W$ has a low *intrinsic rank*. LoRA therefore writes it as a product from the start (equation 3, with
// the scaling of §4.1):
//
// $$h = W_0 x + \Delta W x = W_0 x + \tfrac{\alpha}{r} B A x, \qquad B \in \mathbb{R}^{d \times r},\; A \in \mathbb{R}^{r \times k}$$
//
// $W_0$ is frozen. $B$ starts at zero, so that training starts from the pretrained model. $A$ starts random: Gaussian
// in the text, uniform on $\pm 1/\sqrt{k}$ in the authors' code and here. In short, the library computes (in full in
// `lora/lora.ts`)
//
// ```ts
// const y = matmul(matmul(x, mT(A)).mul(scaling), mT(B)); // ΔW x = (α/r) B A x, for rows x
// const deltaWeight = matmul(B, A).mul(scaling);          // ΔW   = (α/r) B A
// ```
//
// Merging adds $\Delta W$ to $W_0$ once. After that, inference costs nothing extra.

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
// ### How much rank is enough: a task whose update has rank 4
//
// Suppose that a layer's ideal update is known: $\Delta W^* = U V^\top$ with four orthonormal columns each. The
// Eckart–Young theorem gives the best that any product of rank $r < 4$ can do: a relative squared error
// $\lVert \Delta W^* - B A \rVert_F^2 / \lVert \Delta W^* \rVert_F^2$ of $1 - r/4$. From $r = 4$ on the error can be
// zero. Does LoRA trained with AdamW reach these limits?

// %% Training against the planted update

const PLANTED = 4;
const byPlantedRank = [1, 2, 3, 4, 6, 8].map((r) => ({
  r,
  measured: distanceToPlanted(r, { width: 32, planted: PLANTED, steps: 400 }),
  bound: Math.max(0, 1 - r / PLANTED),
}));
display(
  table(
    byPlantedRank.map(({ r, measured, bound }) => ({
      r,
      measured: measured.toFixed(3),
      "Eckart and Young's bound": bound.toFixed(3),
    })),
    { title: "Squared distance to an update of rank 4, relative" },
  ),
);

// %% [markdown]
// ## How many parameters: the paper's counts, exactly
//
// LoRA on a layer of $k$ inputs and $d$ outputs trains $r(d + k)$ numbers. `countParameters` applies this formula, and
// those of the other methods, to the published configurations without allocating anything; a property test holds the
// result equal to the count of real tensors. With $L$ blocks of width $d$:
//
// | method | trains |
// | --- | --- |
// | LoRA on $n$ square matrices | $2 n d r$ |
// | PreEmbed, $l_p$ tokens before and $l_i$ within the prompt | $d (l_p + l_i)$ |
// | PreLayer | $L d (l_p + l_i)$ |
// | AdapterH, two per block | $2 L (2 d r + r + d)$ |
// | AdapterL, one per block and a layer norm with it | $L (2 d r + r + d) + 2 L d$ |
//
// Where the paper prints a different number, the last column says why.

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
      sum,
      value: formatNumber(value),
      paper,
      agrees,
      why: why ?? "",
    })),
    { title: "Arithmetic of the text" },
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
// $\phi = \tfrac1p (1 - d^2)$. But $d^2 = p - \sum \sigma_i^2$ and $\phi = \tfrac1p \sum \sigma_i^2$, where the
// $\sigma_i$ are the singular values of $U_1^\top U_2$. So it must be $\phi = 1 - d^2/p$:

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
//   style of a house (data to text, as in E2E), and to three classifications in the manner of GLUE: whether a sentence
//   mentions low prices (in the place of SST-2), whether its words are in order (CoLA), whether it follows from the
//   facts (MNLI and RTE).
// - **far**: the base has learned TypeScript declarations (`node_modules/@types/node`), and is adapted to the English
//   prose of their comments. Nearly everything is new.
//
// LoRA's hypothesis that the change has low rank is about the near case. Both are shown, and labelled.

// %% Pretraining

const TRAINED = 0.02; // numbers that came of training may differ by so much on another processor
const time = 79;
const SINGLE = 52; // a sentence alone and its label are shorter
const size = { d, layers: settings.layers, heads: 4, time };
const pretraining = { size, steps: settings.pretraining, rows: 12, lr: 3e-3, seed: 20 };
const source = taskDomain(anyStyle, { time, test: 64, random: random(10) });
const texts = farShift();
const restaurants = pretrained({ ...pretraining, domain: source });
const code = pretrained({
  ...pretraining,
  steps: Math.ceil(settings.pretraining / 2),
  domain: textDomain("declarations", texts.source, { time, windows: 64 }),
});
const house = shiftTo({
  kind: "near",
  base: restaurants,
  target: taskDomain(houseStyle, { time, test: 64, random: random(11) }),
  rows,
});
const glue = (
  [
    [sentiment, SINGLE],
    [acceptability, SINGLE],
    [entailment, time],
  ] as const
).map(([task, length]) => {
  const target = taskDomain(task, { time: length, test: 256, random: random(11) });
  return shiftTo({ kind: "near", base: restaurants, target, rows: 2 * rows });
});
const prose = shiftTo({
  kind: "far",
  base: code,
  target: textDomain("prose", texts.target, { time, windows: 64 }),
  rows,
});
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
      volatile: ["seconds of pretraining"],
      tolerance: TRAINED,
      title: "The bases and what they are adapted to",
      note: `Losses in nats per character of what is to be said. Free choices of style alone are worth ${FREE_CHOICE.toFixed(2)} nats a sentence. Accuracy: completions right to the last character.`,
    },
  ),
);

// %% [markdown]
// ## The methods and their training
//
// A method (`papers/lora/runs.ts`) prepares a copy of the base so that exactly its own parameters are trainable. All
// methods train with AdamW, a warm-up over a tenth of the steps and a linear decay, on the same batches for each seed;
// $\alpha = 2r$. Each method has one learning rate for all tasks. For full fine-tuning, LoRA on q and v, and PreLayer,
// two or three rates were tried, with a seed that is not among those reported; the other rates were not tuned. We
// choose the adapters' width so that they train at least as many parameters as LoRA. A run that two tables need is made
// once.

// %% The methods

const LORA = lora("qv", rank);
const [LIN, HOULSBY, PREFIX] = [lin(2 * rank), houlsby(rank), preLayer(rank)];
const study = new Study({ steps, seeds });
const losses = (shifted: Shift, method: Method): Spread => meanStd(study.losses(shifted, method));
const accuracies = (shifted: Shift, method: Method): Spread => meanStd(study.accuracies(shifted, method));
const closed = (shifted: Shift, method: Method): Spread => meanStd(study.closed(shifted, method));
/** Trainable parameters, and what part they are of all. */
const sizeOf = (shifted: Shift, method: Method) => {
  const { trainable, total } = study.run(shifted, method, 0);
  return { trainable, "% of all": (100 * trainable) / total };
};

// %% [markdown]
// ## Methods side by side (tables 2, 3 and 4)
//
// Accuracy is the fraction of held-out rows whose completion is right to the last character. For the house style the
// completion is a whole sentence; for the classifications chance is one half. LoRA is on queries and values, as in the
// paper.

// %% Near

const methods = [full, lastBlock, biases, LIN, HOULSBY, PREFIX, LORA];
const onAll = methods.filter((method) => method !== lastBlock);
study.make("near", columns, onAll);
study.make("last block", [house], [lastBlock]);
/** Mean accuracy over the columns, seed by seed. */
const averages = (method: Method): number[] =>
  Array.from({ length: seeds }, (_, seed) =>
    mean(columns.map((column) => study.accuracies(column, method)[seed])),
  );
display(
  table(
    methods.map((method) => ({
      method: method.name,
      ...sizeOf(house, method),
      "house style, loss": losses(house, method),
      "gap closed": closed(house, method),
      ...Object.fromEntries(
        columns
          .filter((column) => column === house || onAll.includes(method))
          .map((column) => [`${column.name}, %`, accuracies(column, method)]),
      ),
      mean: onAll.includes(method) ? meanStd(averages(method)) : null,
    })),
    {
      tolerance: TRAINED,
      title: "Methods on the near shift: loss in nats per character, accuracy in %",
      note: `${seeds} ${seeds === 1 ? "seed" : "seeds, mean ± standard deviation"}; ${steps} steps. Gap closed: (before − loss) / (before − full fine-tuning).`,
    },
  ),
);
display(
  table(table234, {
    title: "The paper's rows (tables 2, 3 and 4)",
    note: "RoBERTa-base for GLUE (CoLA: Matthews correlation), GPT-2 M for E2E.",
  }),
);

// %% Far

const farMethods = [full, LORA, loraEverywhere(rank)];
study.make("far", [prose], farMethods);
display(
  table(
    farMethods.map((method) => ({
      method: method.name,
      ...sizeOf(prose, method),
      loss: losses(prose, method),
      "gap closed": closed(prose, method),
    })),
    { tolerance: TRAINED, title: `Methods on the far shift: loss in nats per character` },
  ),
);

// %% [markdown]
// ## Memory and time of training, counted
//
// Every array is registered under a category. LoRA needs gradients and Adam moments for the adapter alone. The
// activations that are saved for backward shrink less, since gradients still pass through every block. (The paper's own
// figures, 1.2 TB to 350 GB and 32.5 to 43.1 tokens a second, are for weights sharded over many GPUs.)

// %% Peak bytes and milliseconds

const KiB = 1024;
display(
  table(
    methods.map((method) => {
      const all = study.runs(house, method);
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
    { volatile: ["ms a step"], title: "Memory by category, at its peak", note: "House style, first seed." },
  ),
);
display(
  barPlot(
    methods.map((method) => {
      const { memory } = study.run(house, method, 0);
      return { method: method.name, KiB: (memory.gradients + memory.optimizer) / KiB };
    }),
    { label: "method", value: "KiB", title: "Gradients and optimizer state" },
  ),
);

// %% [markdown]
// ## More parameters, fewer examples (tables 15 and 16)
//
// Table 15 makes each method larger: the rank of LoRA, the width of the adapters, the length of the prefixes. Table 16
// takes training data away.

// %% The size of each method

const ranks = [...new Set([...settings.ranks, rank])].filter((r) => r <= d).sort((a, b) => a - b);
const grown = [...new Set([ranks[0], rank, 4 * rank])];
const families = [
  { family: "PreEmbed", members: grown.map(preEmbed) },
  { family: "PreLayer", members: grown.map(preLayer) },
  { family: "AdapterH", members: grown.map(houlsby) },
  { family: "LoRA", members: ranks.map((r) => lora("qv", r)) },
];
study.make(
  "sizes",
  [house],
  families.flatMap(({ members }) => members),
);
const bySize = families.flatMap(({ family, members }) =>
  members.map((method) => ({
    family,
    method: method.name,
    trainable: sizeOf(house, method).trainable,
    loss: losses(house, method),
    "accuracy, %": accuracies(house, method),
  })),
);
display(
  table(bySize, {
    tolerance: TRAINED,
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
    title: "Loss on the house style, by trainable parameters",
    plot: { x: { type: "log", label: "trainable", ticks: [100, 1000, 10_000] } },
  }),
);
display(
  table(
    table15.map(({ method, sizes, wikiSQL, mnli }) => ({
      method,
      sizes,
      "WikiSQL, smallest to largest": wikiSQL.join(", "),
      "MNLI-m": mnli.map((value) => value.toFixed(1)).join(", "),
    })),
    { title: "The paper's table 15, GPT-3" },
  ),
);

// %% The size of the data

const scarce = settings.examples.map((count) => ({
  count,
  shifted: shiftTo({ ...house, target: limited(house.target, { rows: count, random: random(12) }) }),
}));
const dataMethods = [full, PREFIX, LORA];
study.make(
  "data",
  scarce.map(({ shifted }) => shifted),
  dataMethods,
);
display(
  table(
    dataMethods.map((method) => ({
      method: method.name,
      ...Object.fromEntries(
        scarce.flatMap(({ count, shifted }) => [
          [`${count} examples, loss`, losses(shifted, method)],
          [`${count}, accuracy %`, accuracies(shifted, method)],
        ]),
      ),
      "no end of them, loss": losses(house, method),
      "no end, accuracy %": accuracies(house, method),
    })),
    {
      tolerance: TRAINED,
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
// ## The same budget on different matrices (table 5)
//
// A fixed budget of parameters is spent on one matrix at a high rank, or on several matrices at lower ranks.

// %% Seven ways to spend it

const budget = 4 * Math.max(1, Math.round(rank / 4));
const SETS = ["q", "k", "v", "o", "qk", "qv", "qkvo"] as const;
type Matrices = (typeof SETS)[number];
const spending = (set: Matrices): Method => lora(set, budget / set.length);
const studied = settings.far ? [house, prose] : [house];
study.make("matrices", studied, SETS.map(spending));
display(
  table(
    SETS.map((set) => ({
      matrices: subscripted(set),
      r: budget / set.length,
      trainable: sizeOf(house, spending(set)).trainable,
      "near: loss": losses(house, spending(set)),
      "near: accuracy, %": accuracies(house, spending(set)),
      ...(settings.far ? { "far: loss": losses(prose, spending(set)) } : {}),
      "paper: WikiSQL": table5[set][0],
      "paper: MNLI": table5[set][1],
    })),
    {
      tolerance: TRAINED,
      title: "The same budget on different matrices (table 5)",
      note: "Losses: less is better; the paper's accuracies: more.",
    },
  ),
);

// %% [markdown]
// ## Which rank? (tables 6 and 18)
//
// How large must $r$ be? The paper sweeps $r$ from 1 to full rank, 1,024. In the full setting the sweep here ends at
// full rank, too, $r = d$. Look for the rank at which the loss stops falling.

// %% The rank study

const [least, most] = [ranks[0], ranks[ranks.length - 1]];
const fewer = ranks.filter((r) => r <= 8 || r === most);
const RANKED = ["q", "qv", "qkvo"] as const;
study.make(
  "ranks",
  [house],
  RANKED.flatMap((set) => fewer.map((r) => lora(set, r))),
);
study.make("ranks, far", [prose], [lora("qv", least), lora("qv", most)]);
display(
  table(
    RANKED.map((set) => ({
      matrices: subscripted(set),
      ...Object.fromEntries(fewer.map((r) => [`r = ${r}`, losses(house, lora(set, r))])),
      "paper: WikiSQL at r = 1, 2, 4, 8, 64": Object.values(table6[set])
        .map((value) => value.toFixed(1))
        .join(", "),
    })),
    {
      tolerance: TRAINED,
      title: "Loss by matrices and rank, near shift (table 6)",
      note: "House style. Losses: less is better; the paper's accuracies: more.",
    },
  ),
);
const byRank = ranks.map((r) => ({
  rank: r,
  trainable: sizeOf(house, lora("qv", r)).trainable,
  loss: losses(house, lora("qv", r)),
  "accuracy, %": accuracies(house, lora("qv", r)),
  "gap closed": closed(house, lora("qv", r)),
  "paper: loss on E2E": table18[r] ?? null,
}));
display(
  table(byRank, {
    tolerance: TRAINED,
    title: "LoRA on queries and values, by rank (table 18)",
    note: `House style; α = 2r; full rank is ${d} here and 1,024 in the paper.`,
  }),
);
display(linePlot(byRank, { x: "rank", y: "loss", xScale: "log", title: "Loss on the house style, by rank" }));

// %% [markdown]
// ## What the update looks like (table 7, figures 3, 4 and 8)
//
// Two sets of directions are compared by $\phi(i, j) = \lVert U_1[:, :i]^\top U_2[:, :j] \rVert_F^2 / \min(i, j)$,
// which lies between 0 (orthogonal) and 1 (one contains the other). For random directions its mean is $\max(i, j)/d$:
// next to nothing in the paper's 12,288 dimensions, but not in the few dimensions here. Therefore a control of random
// directions stands beside the maps.
//
// The paper takes the right-singular vectors of $A$. But $A$ starts random. If training changes $A$ only a little, its
// singular vectors are still those of the random start, and two runs cannot agree. $\Delta W = \tfrac{\alpha}{r} B A$
// starts at zero, so its singular vectors are compared as well.

// %% Directions

const low = ranks.findLast((r) => r <= 8 && r < most) ?? least;
const high = ranks.findLast((r) => r > low && r <= d / 2) ?? most;
const block = Math.floor((settings.layers - 1) / 2);
const LETTERS = ["q", "v"] as const;
type Letter = (typeof LETTERS)[number];
/** W, A and ΔW of W_q or W_v in a block in the middle. */
function updateOf(r: number, seed: number, letter: Letter): TrainedUpdate {
  const { updates } = study.run(house, lora("qv", r), seed).read;
  return updates.get(`transformer.h.${block}.attn.c_attn.${letter}`) as TrainedUpdate;
}
const inA = (r: number, seed: number, letter: Letter): Matrix =>
  singularVectors(updateOf(r, seed, letter).A).right;
const inDelta = (r: number, seed: number, letter: Letter): Matrix =>
  singularVectors(updateOf(r, seed, letter).delta).right;
const byChance = (r: number, name: string): Matrix => randomBasis(d, r, random(13).split(name));
const map = (title: string, cells: readonly Overlap[]): void =>
  display(heatmap(cells, { x: "j", y: "i", value: "phi", domain: [0, 1], title }));

// %% Figure 3: do two ranks find the same directions?

for (const letter of LETTERS) {
  const cells = overlap(inA(low, 0, letter), inA(high, 0, letter), [low, high]);
  map(`Figure 3: φ between A at r = ${low} (i) and r = ${high} (j), W_${letter}, block ${block + 1}`, cells);
}
map(
  `Control: ${low} (i) and ${high} (j) random directions in ${d} dimensions`,
  overlap(byChance(low, "low"), byChance(high, "high"), [low, high]),
);

// %% Figure 4: do two seeds?

for (const letter of LETTERS) {
  const cells = overlap(inA(high, 0, letter), inA(high, 1, letter), [high, high]);
  map(`Figure 4: φ between A of two seeds at r = ${high}, W_${letter}, block ${block + 1}`, cells);
}

// %% The same of ΔW, along the diagonal

const diagonal = (pair: string, first: Matrix, second: Matrix) =>
  overlap(first, second, [low, low])
    .filter(({ i, j }) => i === j)
    .map(({ i, phi }) => ({ i, φ: phi, pair }));
display(
  linePlot(
    [
      ...LETTERS.flatMap((letter) => [
        ...diagonal(`ΔW_${letter}, two ranks`, inDelta(low, 0, letter), inDelta(high, 0, letter)),
        ...diagonal(`ΔW_${letter}, two seeds`, inDelta(high, 0, letter), inDelta(high, 1, letter)),
      ]),
      ...diagonal("random", byChance(low, "low"), byChance(high, "high")),
    ],
    { x: "i", y: "φ", series: "pair", title: `φ(i, i) of ΔW, r = ${low} and ${high}, block ${block + 1}` },
  ),
);

// %% Figure 8: does ΔW lie along the main directions of W?

const ofW = singularVectors(updateOf(high, 0, "q").W).right;
for (const r of [low, high]) {
  const cells = overlap(ofW, inDelta(r, 0, "q"), [Math.min(d, 16), Math.min(r, 8)]);
  map(`Figure 8: φ between W_q (i) and ΔW_q at r = ${r} (j), block ${block + 1}`, cells);
}

// %% Table 7: how much of W lies where ΔW acts, and by how much it is amplified

const amplified = [...new Set([low, high])].map((r) => ({
  r,
  all: Array.from({ length: seeds }, (_, seed) =>
    amplification(updateOf(r, seed, "q"), r, random(14).split(seed)),
  ),
}));
const row7 = (
  who: string,
  r: number,
  part: (key: keyof Amplification) => number | Spread,
  chance: number,
) => ({
  who,
  r,
  "‖W_q‖": part("normW"),
  "‖ΔW_q‖": part("normDelta"),
  "‖UᵀW_qV‖ by ΔW_q": part("byDelta"),
  "by W_q": part("byW"),
  "by chance": part("byRandom"),
  "‖W_q‖ r/d": chance,
  factor: part("factor"),
});
display(
  table(
    [
      ...amplified.map(({ r, all }) =>
        row7("here", r, (key) => meanStd(all.map((one) => one[key])), (all[0].normW * r) / d),
      ),
      ...table7.map((row) => row7("paper", row.r, (key) => row[key], (row.normW * row.r) / 12_288)),
    ],
    {
      tolerance: TRAINED,
      title: "Table 7: what W_q has in the directions of ΔW_q, in its own, and in random ones",
      note: `Here block ${block + 1} of ${settings.layers}, d = ${d}; the paper's is block 48 of 96, d = 12,288. Factor: ‖ΔW_q‖ / ‖UᵀW_qV‖ by ΔW_q.`,
    },
  ),
);

// %% [markdown]
// ## No latency at inference (table 1)
//
// The table times the forward pass of the base, of the merged model, of LoRA left unmerged, and of the two kinds of
// adapter layers. They run in turns, so that a drift of the machine's speed affects all alike. For each, the fastest
// tenth is shown.

// %% Latency, in turns

const forMerging = inject(restaurants.copy(), { method: "lora", rank, target: "c_attn", seed: 1 });
const contestants: readonly { readonly name: string; readonly model: GPT2 }[] = [
  { name: "base", model: restaurants.copy() },
  { name: "LoRA, merged", model: forMerging.toPlain() },
  { name: "LoRA, not merged", model: forMerging.model },
  { name: "AdapterL", model: LIN.prepare(restaurants.copy(), 1) },
  { name: "AdapterH", model: HOULSBY.prepare(restaurants.copy(), 1) },
];
const timed = [
  { batch: 16, length: time },
  { batch: 4, length: 40 },
  { batch: 1, length: 20 },
].map(({ batch, length }, at) => {
  const ids = corner(house.target.batch(batch, random(5)).ids, batch, length);
  const ms = latencies(
    contestants.map(({ model }) => model),
    ids,
    40,
  );
  return {
    shape: `${batch} × ${length}`,
    ms,
    slower: ms.map((one) => 100 * (one / ms[0] - 1)),
    paper: table1[at],
  };
});
const signed = (value: number): string => `${value > 0 ? "+" : ""}${value.toFixed(0)} %`;
display(
  table(
    timed.flatMap(({ shape, ms, slower, paper }) =>
      contestants.map(({ name }, i) => ({
        "batch × length": shape,
        model: name,
        ms: ms[i],
        "against base": signed(slower[i]),
        "paper, batch × length": `${paper.batch} × ${paper.length}`,
        "paper, against base": [
          "",
          "0 %",
          "",
          `+${paper.printed[0].toFixed(1)} %`,
          `+${paper.printed[1].toFixed(1)} %`,
        ][i],
      })),
    ),
    { volatile: ["ms", "against base"], title: "Latency of one forward pass (table 1)" },
  ),
);
const modulesOf = (model: GPT2): string =>
  [...model.namedModules()].map(([path, module]) => `${path} ${module.constructor.name}`).join();

// %% [markdown]
// ## What holds here
//
// Methods are compared seed by seed. A claim "at least as good" *holds* when the mean difference says so; it holds
// *partly* when it does not, but the mean difference is within one standard deviation of the differences. Where the
// paper says that two methods are on a par, the fractions of the gap that they close may differ by 0.05.

// %% Verdicts: methods

const CLOSE = 0.05;
const range = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);
const allOrSome = (parts: readonly boolean[]): Claim["holds"] =>
  parts.every(Boolean) ? true : parts.some(Boolean) ? "partly" : false;
const onPar = (shifted: Shift, paper: string): Claim => ({
  claim: `LoRA is on a par with full fine-tuning: ${shifted.kind}, ${shifted.name}`,
  paper,
  measured: study.closed(shifted, LORA),
  holds: mean(study.closed(shifted, LORA)) >= 1 - CLOSE,
  note: `gap closed, with ${sizeOf(shifted, LORA)["% of all"].toFixed(1)} % of the parameters; holds from ${1 - CLOSE}`,
});
const asAccurate = (other: Method, paper: string): Claim => ({
  claim: `LoRA is at least as accurate as ${other.name}`,
  paper,
  measured: `${meanStd(averages(LORA))} against ${meanStd(averages(other))} %`,
  holds: atLeast(averages(LORA), averages(other)),
  seeds,
  note: `mean over ${columns.length} near tasks; ${sizeOf(house, LORA).trainable.toLocaleString("en")} against ${sizeOf(house, other).trainable.toLocaleString("en")} parameters`,
});
const lower = (claim: string, paper: string, better: Method, worse: Method, shifted: Shift): Claim => ({
  claim,
  paper,
  measured: `${losses(shifted, better)} against ${losses(shifted, worse)}`,
  holds: atMost(study.losses(shifted, better), study.losses(shifted, worse)),
  seeds,
  note: "loss on the house style",
});
/** Whether the last of a family is worse than its best, by more than the noise. */
const endsWorse = (members: readonly Method[]): boolean => {
  const best = members.reduce((a, b) => (Number(losses(house, b)) < Number(losses(house, a)) ? b : a));
  const last = members[members.length - 1];
  return last !== best && atMost(study.losses(house, last), study.losses(house, best)) === false;
};
const [fewest] = scarce;
const closedByRank = ranks.map((r) => mean(study.closed(house, lora("qv", r))));
display(
  replication(
    [
      onPar(house, "70.4 against 68.2 BLEU (table 3, GPT-2 M)"),
      onPar(prose, "no such case in the paper"),
      asAccurate(full, "87.2 against 86.4 (table 2, RoBERTa-base)"),
      asAccurate(biases, "87.2 against 85.2 (table 2, RoBERTa-base)"),
      asAccurate(HOULSBY, "88.6 against 86.4 (table 2, RoBERTa-large, 0.8M)"),
      asAccurate(LIN, "70.4 against 66.3 BLEU (table 3, GPT-2 M)"),
      lower("LoRA is better than the last block", "70.4 against 68.1 BLEU (table 3)", LORA, lastBlock, house),
      lower("LoRA is better than PreLayer", "70.4 against 69.7 BLEU (table 3)", LORA, PREFIX, house),
      {
        claim: "A longer prefix is not always better",
        paper: "WikiSQL falls after 256 + 8 tokens and, per layer, after 8 + 8 (table 15)",
        measured: families
          .slice(0, 2)
          .map(({ family, members }) => `${family} ${members.map((one) => losses(house, one)).join(", ")}`)
          .join("; "),
        holds: allOrSome(families.slice(0, 2).map(({ members }) => endsWorse(members))),
        seeds,
        note: `loss at lengths ${grown.join(", ")}; holds when the longest is worse than the best, partly for one of the two`,
      },
      {
        claim: "LoRA is stable in its size",
        paper: "73.3 to 73.8 from 4.7M to 301.9M (table 15)",
        measured: `gap closed ${closedByRank.map((part) => part.toFixed(3)).join(", ")}`,
        holds: range(closedByRank) <= CLOSE,
        seeds,
        note: `at r = ${ranks.join(", ")}; holds when all lie within ${CLOSE}`,
      },
      lower(
        `With ${fewest.count} examples, LoRA is at least as good as full fine-tuning`,
        "63.8 against 60.2 with 100 examples (table 16)",
        LORA,
        full,
        fewest.shifted,
      ),
      lower(
        `With ${fewest.count} examples, a prefix is worse than full fine-tuning`,
        "48.3 against 60.2 with 100 examples (table 16)",
        full,
        PREFIX,
        fewest.shifted,
      ),
    ],
    "Methods (tables 2, 3, 4, 15 and 16)",
  ),
);

// %% Verdicts: matrices and ranks

const of = (shifted: Shift, sets: readonly Matrices[]): number[] =>
  sets.map((set) => mean(study.losses(shifted, spending(set))));
const text = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(", ");
const aboutMatrices = (shifted: Shift): Claim[] => {
  const queryOrKey = of(shifted, ["q", "k"]);
  const others = of(shifted, ["v", "o", "qk", "qv", "qkvo"]);
  const [together] = of(shifted, ["qv"]);
  const alone = of(shifted, ["q", "v"]);
  const spread = of(shifted, ["qv", "qkvo"]);
  const single = of(shifted, ["q", "k", "v", "o"]);
  return [
    {
      claim: `${shifted.kind}: all of the budget on W_q or on W_k is worst`,
      paper: "70.4 and 70.0, the others from 71.4 (table 5)",
      measured: `loss ${text(queryOrKey)}; the others ${text(others)}`,
      holds: Math.min(...queryOrKey) > Math.max(...others),
      seeds,
    },
    {
      claim: `${shifted.kind}: W_q and W_v together beat either alone`,
      paper: "73.7 against 70.4 and 73.0 (table 5)",
      measured: `loss ${text([together])} against ${text(alone)}`,
      holds: together < Math.min(...alone),
      seeds,
    },
    {
      claim: `${shifted.kind}: more matrices at a lower rank beat any one at a higher`,
      paper: "73.7 against at most 73.2 (table 5)",
      measured: `loss ${text(spread)} against ${text(single)}`,
      holds: Math.max(...spread) < Math.min(...single),
      seeds,
    },
  ];
};
const littleSuffices = (shifted: Shift, set: "qv" | "qkvo", paper: string): Claim => {
  const [few, many] = [least, most].map((r) => study.closed(shifted, lora(set, r)));
  return {
    claim: `${shifted.kind}: a very small r suffices on ${subscripted(set)}`,
    paper,
    measured: `gap closed ${meanStd(few)} at r = ${least}, ${meanStd(many)} at r = ${most}`,
    holds: mean(few) >= mean(many) - CLOSE,
    seeds,
    note: `holds when r = ${least} is at most ${CLOSE} behind`,
  };
};
const [queries, both] = ["q", "qv"].map((set) => fewer.map((r) => mean(study.losses(house, lora(set, r)))));
const lossAt = ranks.map((r) => mean(study.losses(house, lora("qv", r))));
const plateau = lossAt.filter((_, i) => ranks[i] >= 16);
/** To be asked only where there are two ranks from 16 on. */
const isFlat: Claim = {
  claim: "near: the loss falls up to r = 16 and is flat from there to full rank",
  paper: "1.23 at r = 1, 1.16 from 16 to 512, 1.17 at 1,024 (table 18)",
  measured: `loss ${text(lossAt)}`,
  holds: plateau[0] < lossAt[0] && range(plateau) <= 0.1 * (lossAt[0] - plateau[0]),
  seeds,
  note: `at r = ${ranks.join(", ")}; flat: within a tenth of the fall`,
};
display(
  replication(
    [
      ...studied.flatMap(aboutMatrices),
      littleSuffices(house, "qv", "73.4 at r = 1, 73.5 at r = 64 (table 6)"),
      littleSuffices(house, "qkvo", "74.1 at r = 1, 73.9 at r = 64 (table 6)"),
      littleSuffices(prose, "qv", "no such case in the paper"),
      {
        claim: "near: W_q alone stays behind W_q, W_v at every rank",
        paper: "68.8 to 70.5 against 73.3 to 73.8 (table 6)",
        measured: `loss ${text(queries)} against ${text(both)}`,
        holds: queries.every((loss, i) => loss > both[i]),
        seeds,
        note: `at r = ${fewer.join(", ")}`,
      },
      ...(plateau.length > 1 ? [isFlat] : []),
      {
        claim: "planted: rank 4 suffices for an update of rank 4, and less does not",
        paper: "a low intrinsic rank is sufficient (§4.1); here known by construction",
        measured: byPlantedRank.map(({ r, measured }) => `${measured.toFixed(3)} at ${r}`).join(", "),
        holds: byPlantedRank.every(({ r, measured, bound: floor }) =>
          r >= PLANTED ? measured < 0.01 : measured > floor - 1e-6,
        ),
        note: "squared distance, relative; holds below 0.01 from r = 4 on, and above the bound before",
      },
    ],
    "Matrices and ranks (tables 5, 6 and 18)",
  ),
);

// %% Verdicts: directions

const phiAt = (cells: readonly Overlap[]): number => cells[cells.length - 1].phi;
const everySeed = (value: (seed: number) => number): number[] =>
  Array.from({ length: seeds }, (_, seed) => value(seed));
const sharedTop = (basis: typeof inA): number[][] =>
  LETTERS.map((letter) =>
    everySeed((seed) => phiAt(overlap(basis(low, seed, letter), basis(high, seed, letter), [1, 1]))),
  );
const topClaim = (what: string, basis: typeof inA, note: string): Claim => {
  const shared = sharedTop(basis);
  return {
    claim: `The top direction of ${what} is shared between ranks: φ(1, 1) > 0.5`,
    paper: "> 0.5 for W_q and W_v (figure 3)",
    measured: shared.map((values, i) => `${meanStd(values)} (W_${LETTERS[i]})`).join(", "),
    holds: allOrSome(shared.map((values) => mean(values) > 0.5)),
    seeds,
    note,
  };
};
const betweenSeeds = LETTERS.map((letter) =>
  phiAt(overlap(inA(high, 0, letter), inA(high, 1, letter), [low, low])),
);
const tenth = Math.max(1, Math.round(d / 10));
const four = Math.min(4, high);
const alongW = everySeed((seed) => phiAt(overlap(ofW, inDelta(high, seed, "q"), [tenth, four])));
const [{ r: lowest, all: lowestAll }] = amplified;
const part = (key: keyof Amplification): number[] => lowestAll.map((one) => one[key]);
const factors = amplified.map(({ all }) => meanStd(all.map(({ factor }) => factor)));
display(
  replication(
    [
      topClaim(
        "A",
        inA,
        `r = ${low} and ${high}; chance is ${(1 / d).toFixed(3)}; partly: one of the two matrices`,
      ),
      topClaim("ΔW", inDelta, "the same without A's random start"),
      {
        claim: "W_q shares more directions between seeds than W_v",
        paper: "ΔW_q has a higher intrinsic rank (figure 4)",
        measured: betweenSeeds.map((value, i) => `${value.toFixed(3)} (W_${LETTERS[i]})`).join(", "),
        holds: betweenSeeds[0] > betweenSeeds[1],
        note: `φ(${low}, ${low}) of A at r = ${high}; chance is ${(low / d).toFixed(3)}`,
      },
      {
        claim: "ΔW hardly lies along the main directions of W",
        paper: "barely above 0.2 (figure 8)",
        measured: alongW,
        holds: mean(alongW) <= 0.25,
        note: `φ(${tenth}, ${four}): a tenth of W's directions; chance is ${(Math.max(tenth, four) / d).toFixed(3)}; holds up to 0.25`,
      },
      {
        claim: "ΔW acts where W is, more than chance would",
        paper: "0.32 against 0.02 (table 7)",
        measured: `${meanStd(part("byDelta"))} against ${meanStd(part("byRandom"))}`,
        holds: mean(part("byDelta")) > mean(part("byRandom")),
        seeds,
        note: `‖UᵀW_qV‖ at r = ${lowest}`,
      },
      {
        claim: "but not where W is strong: it amplifies what W has and does not stress",
        paper: "0.32 against 21.67 (table 7)",
        measured: `${meanStd(part("byDelta"))} against ${meanStd(part("byW"))}`,
        holds: mean(part("byDelta")) < 0.5 * mean(part("byW")),
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
    ],
    "Directions (figures 3, 4 and 8; table 7)",
  ),
);

// %% Verdicts: memory and time

const moments = ({ memory }: Run): number => memory.gradients + memory.optimizer;
const [fullRun, loraRun] = [full, LORA].map((method) => study.run(house, method, 0));
const perStep = (method: Method): Spread =>
  meanStd(study.runs(house, method).map(({ seconds }) => (1000 * seconds) / steps));
const slower = (i: number): string =>
  timed.map((one) => `${signed(one.slower[i])} at ${one.shape}`).join(", ");
const [, , short] = timed;
display(
  replication(
    [
      {
        claim: "Gradients and optimizer state are those of the adapter alone",
        paper: "no need to keep them for frozen parameters (§4.2)",
        measured: `${moments(loraRun).toLocaleString("en")} bytes, against ${moments(fullRun).toLocaleString("en")}`,
        holds: [fullRun, loraRun].every((run) => moments(run) === 12 * run.trainable),
        note: "4 bytes of gradient and 8 of moments for each trained parameter",
      },
      {
        claim: "A step takes less time than full fine-tuning's",
        paper: "25 % speedup (§4.2)",
        measured: `${perStep(LORA)} against ${perStep(full)} ms`,
        holds: Number(perStep(LORA)) < Number(perStep(full)),
        seeds,
        volatile: true,
        note: "no communication is saved here; what LoRA adds weighs more in a small model",
      },
      {
        claim: "Merged LoRA costs nothing at inference",
        paper: "no additional latency (table 1)",
        measured: slower(1),
        holds: modulesOf(contestants[1].model) === modulesOf(contestants[0].model),
        volatile: true,
        note: "decided by structure: the merged model has the base's modules and no others",
      },
      {
        claim: "Adapter layers cost latency at every shape",
        paper: "+2.2 % to +30.3 % (table 1)",
        measured: `L ${slower(3)}; H ${slower(4)}`,
        holds: timed.every((one) => one.slower[3] > 0 && one.slower[4] > 0),
        volatile: true,
      },
      {
        claim: "most of all for a short input alone",
        paper: "+20.7 and +30.3 % at batch 1 (table 1)",
        measured: `${signed(short.slower[3])} and ${signed(short.slower[4])} at ${short.shape}`,
        holds: allOrSome(
          [3, 4].map((i) => timed.every((one) => one === short || one.slower[i] < short.slower[i])),
        ),
        volatile: true,
        note: "partly: one of the two kinds",
      },
    ],
    "Memory and time (§4.2, table 1)",
  ),
);

// %% What ran

display(
  table(
    [
      { what: "adaptations", value: String(study.made.size) },
      { what: "seeds", value: `${seeds}, from 100 (adapters) and 200 (batches)` },
    ],
    { title: "What ran" },
  ),
);
