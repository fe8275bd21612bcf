// %% [markdown]
// # The family on one base
//
// LoRA, rsLoRA, DoRA, AdaLoRA, LoRA+ and LoRA-FA adapt the same pretrained model to the same task with the same
// batches, and full fine-tuning is the yardstick. How many parameters does each method train, how much memory does it
// need, how long does a step take, and how low is the loss in the end? And does each still merge into the weights?
// Every number was measured by this run unless its column says *paper*. Each claim is turned into a condition on
// measured numbers. The condition is fixed before the run; the verdict is printed even if it goes against the paper.
//
// **To run it:** `npm start -- lora-family` (`--full` for the long setting, `--set rank=2` to change a number). VS Code
// and Jupyter open `lora-family.ipynb` as it is; to execute it there, install the Deno kernel
// (`npm install --global deno`, `deno jupyter --install`) and build the library once (`npm run build`).

// %% Settings

import * as Plot from "@observablehq/plot";
import { matmul, noGrad, Tensor } from "lowrank/autograd";
import { array, currentDevice, measureMemory, type NDArray, random, scope } from "lowrank/core";
import {
  AdaLoRA,
  type AdaptedLayer,
  type AdaptedModel,
  type Adapter,
  type AdapterConfig,
  BudgetAllocator,
  countParameters,
  DoRA,
  inject,
  LoraFA,
  LoraFAAdamW,
  laws,
  loraPlus,
  orthogonality,
  trial,
} from "lowrank/lora";
import { AdamW, type GPT2, type Module } from "lowrank/nn";
import { taskDomain } from "./support/data/domain.ts";
import { anyStyle, houseStyle } from "./support/data/house-style.ts";
import { pretrained } from "./support/experiments/base-model.ts";
import { fullFineTuning } from "./support/experiments/baselines.ts";
import { validationLoss } from "./support/experiments/evaluation.ts";
import { adamW, type Prepared, type Run, runMethod } from "./support/experiments/harness.ts";
import { atMost, mean } from "./support/experiments/statistics.ts";
import {
  barPlot,
  type Claim,
  defineSettings,
  display,
  heatmap,
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
  rank: { quick: 4, full: 8, about: "r of every method; AdaLoRA's average at the end", min: 1 },
  ratio: { quick: 4, about: "λ of LoRA+: the rate of B over that of A", min: 1 },
  ranks: { quick: [1, 4, 16], full: [1, 2, 4, 8, 16, 32, 64], about: "ranks at which memory is measured" },
  seeds: { quick: 2, full: 3, about: "independent runs", min: 1 },
  d: { quick: 64, about: "width of the small GPT", min: 8 },
  layers: { quick: 2, full: 4, about: "its blocks", min: 2 },
  pretraining: { quick: 400, full: 1500, about: "steps of pretraining", min: 1 },
  steps: { quick: 50, full: 120, about: "steps of each adaptation", min: 10 },
  rows: { quick: 12, about: "rows of a batch", min: 1 },
  sweep: { quick: false, full: true, about: "search each method's rate, with a seed of its own" },
});
display(settingsTable(settings));

// %% [markdown]
// ## The family
//
// All of them adapt a frozen weight $W_0 \in \mathbb{R}^{d \times k}$ by a matrix of rank at most $r$, with a scaling
// $s = \alpha/r$:
//
// | method | the adapted weight | trains | what is new |
// | --- | --- | --- | --- |
// | [LoRA](https://arxiv.org/abs/2106.09685) | $W_0 + \tfrac{\alpha}{r} B A$ | $A$, $B$ | the update is a product from the start |
// | [rsLoRA](https://arxiv.org/abs/2312.03732) | $W_0 + \tfrac{\alpha}{\sqrt r} B A$ | $A$, $B$ | a factor under which gradients do not fade as $r$ grows |
// | [DoRA](https://arxiv.org/abs/2402.09353) | $m \, (W_0 + s B A) / \lVert W_0 + s B A \rVert$ | $A$, $B$, $m$ | magnitude and direction are separate |
// | [AdaLoRA](https://arxiv.org/abs/2303.10512) | $W_0 + s P \Lambda Q$ | $P$, $\Lambda$, $Q$ | training finds the rank of each layer |
// | [LoRA+](https://arxiv.org/abs/2402.12354) | as LoRA | as LoRA | $B$ learns $\lambda$ times as fast as $A$ |
// | [LoRA-FA](https://arxiv.org/abs/2308.03303) | as LoRA | $B$ | $A$ is frozen, so the layer's input is not kept |
//
// In the library each is a choice of `method` for `inject`, of an optimizer, or of both:
//
// ```ts
// inject(model, { method: "dora", rank, alpha, target: "all-linear" })    // another layer
// new AdamW(loraPlus(model, { lr, ratio }))                               // another optimizer, the same layer
// new LoraFAAdamW(model, { lr, correctGradient: true })                   // both
// ```

// %% How each method is put on a model and trained

/** What is looked at after training. */
interface Subject {
  /** Null for full fine-tuning. */
  readonly adapted: AdaptedModel<GPT2> | null;
  /** AdaLoRA's budget b(t) and the singular values in use, by step. */
  readonly budget: { readonly step: number; readonly allowed: number; readonly inUse: number }[];
}
interface Method {
  readonly name: string;
  /** The rate used unless a search finds another. */
  readonly lr: number;
  readonly prepare: (model: GPT2, lr: number, seed: number) => Prepared<Subject>;
}

const { rank } = settings;
const target = "all-linear";
/** α = 2r: a factor of 2 for all but rsLoRA, which has 2√r. */
const common: AdapterConfig = { rank, alpha: 2 * rank, target };

/** A method that differs in its layer, in its optimizer, or in both. */
const adapted =
  (config: Partial<AdapterConfig>, optimizer: (model: Module, lr: number) => AdamW = adamW) =>
  (model: GPT2, lr: number, seed: number): Prepared<Subject> => {
    const module = inject(model, { ...common, ...config, seed } as AdapterConfig);
    return { module, adapted: { adapted: module, budget: [] }, optimizer: optimizer(module, lr) };
  };

/** The adapters of a model by the name of their layer. */
const partsOf = (model: AdaptedModel<GPT2>): [string, Adapter][] => [...model.adapter("default")];

/** AdaLoRA starts at rank 3r/2 and ends with r triplets per layer on average (§4: b(0) = 1.5 b(T)). */
const initialRank = Math.ceil(1.5 * rank);
function adaLora(model: GPT2, lr: number, seed: number): Prepared<Subject> {
  const config = { method: "adalora", rank: initialRank, alpha: 2 * initialRank, target, seed } as const;
  const module = inject(model, config);
  const parts = partsOf(module).map(([, part]) => part as AdaLoRA);
  const { steps } = settings;
  const allocator = new BudgetAllocator(parts, {
    totalSteps: steps,
    warmup: Math.round(0.15 * steps),
    final: Math.round(0.4 * steps),
    target: rank * parts.length,
  });
  const budget: Subject["budget"] = [];
  return {
    module,
    adapted: { adapted: module, budget },
    optimizer: adamW(module, lr),
    penalty: () => orthogonality(parts, { weight: 0.1 }),
    beforeStep: () => allocator.observe(),
    afterStep(step) {
      allocator.allocate(step + 1);
      const inUse = parts.reduce((sum, part) => sum + part.activeRank(), 0);
      budget.push({ step: step + 1, allowed: allocator.budget(step + 1), inUse });
    },
    kept: allocator.scores.flatMap((scores) => Object.values(scores).flatMap(Object.values) as NDArray[]),
  };
}

const FULL: Method = {
  name: "full fine-tuning",
  lr: 1e-3,
  prepare(model, lr) {
    fullFineTuning(model);
    return { module: model, adapted: { adapted: null, budget: [] }, optimizer: adamW(model, lr) };
  },
};
const plus = (model: Module, lr: number): AdamW =>
  new AdamW(loraPlus(model, { lr, ratio: settings.ratio }), { lr, weightDecay: 0 });
const corrected = (model: Module, lr: number): AdamW =>
  new LoraFAAdamW(model, { lr, weightDecay: 0, correctGradient: true });
const methods: readonly Method[] = [
  FULL,
  { name: "LoRA", lr: 1e-2, prepare: adapted({ method: "lora" }) },
  { name: "rsLoRA", lr: 1e-2, prepare: adapted({ method: "lora", rankStabilized: true }) },
  { name: "DoRA", lr: 1e-2, prepare: adapted({ method: "dora" }) },
  { name: "AdaLoRA", lr: 1e-1, prepare: adaLora },
  { name: "LoRA+", lr: 1e-2, prepare: adapted({ method: "lora" }, plus) },
  { name: "LoRA-FA", lr: 3e-2, prepare: adapted({ method: "lora-fa" }) },
  { name: "LoRA-FA, corrected", lr: 3e-2, prepare: adapted({ method: "lora-fa" }, corrected) },
];

// %% [markdown]
// ## The laws of the family
//
// The library states what holds for these methods as laws: a sentence with an equation and a check for each
// (`lora/laws/index.ts`). The tests run each law on hundreds of random layers. Here each is tried on a few, for every
// method to which it applies, on a linear layer, GPT-2's transposed one, an embedding and a convolution. *Exact* means
// to the last bit. For the other laws rounding bounds the error, and the table shows the largest fraction of that
// bound.

// %% Every law, tried

const TRIALS = 4;
const sites = ["linear", "conv1d", "embedding", "conv2d"] as const;
const tried = Object.values(laws).map((law) => {
  const findings = law.methods.flatMap((method) =>
    sites.flatMap((site) =>
      Array.from({ length: TRIALS }, (_, seed) =>
        law.check({ ...trial, method, site, values: law.values ?? "real", seed }),
      ),
    ),
  );
  const used = Math.max(...findings.map(({ error, bound }) => (bound > 0 ? error / bound : 0)));
  const exact = findings.every(({ error }) => error === 0);
  return { law, findings, holds: findings.every(({ holds }) => holds), exact, used };
});
display(
  table(
    tried.map(({ law, findings, holds, exact, used }) => ({
      law: law.statement,
      equation: law.equation,
      methods: law.methods.join(", "),
      trials: findings.length,
      error: exact ? "exact" : `${(100 * used).toFixed(1)} % of the bound`,
      holds,
    })),
    { title: "The laws" },
  ),
);

// %% [markdown]
// ## One base, one task
//
// The base has learned to put a restaurant's facts into words in any of 54 styles. It is adapted to the one style of a
// house, whose rules it must find. (Data to text, in the manner of the E2E restaurants.)

// %% Pretraining, or the cache

const time = 79;
const source = taskDomain(anyStyle, { time, test: 64, random: random(10) });
const domain = taskDomain(houseStyle, { time, test: 64, random: random(11) });
const { steps, rows } = settings;
const base = pretrained({
  domain: source,
  size: { d: settings.d, layers: settings.layers, heads: 4, time },
  steps: settings.pretraining,
  rows,
  lr: 3e-3,
  seed: 20,
});
const before = validationLoss(base.copy(), domain);
display(
  table(
    [
      {
        "pretrained on": source.name,
        "loss there": base.loss,
        "adapted to": domain.name,
        "loss there, before": before,
        "seconds of pretraining": base.seconds ?? "from the cache",
      },
    ],
    {
      title: "The base",
      note: "Losses in nats per character, on held-out facts.",
      volatile: ["seconds of pretraining"],
    },
  ),
);

// %% [markdown]
// ## How many parameters
//
// `countParameters` works from formulae and a configuration, without allocating anything. Here its result stands beside
// a count of the tensors themselves, on our base. The last columns apply it to LLaMA-3.2-3B, for which PEFT's
// MetaMathQA benchmark printed counts of its own ($r = 32$ on queries and values; AdaLoRA from $r = 64$).
//
// | per layer $d \times k$ | trains | adds frozen |
// | --- | --- | --- |
// | LoRA, rsLoRA, LoRA+ | $r(d + k)$ | |
// | DoRA | $r(d + k) + d$ | |
// | AdaLoRA | $r(d + k) + r$, $r$ the rank at the start | |
// | LoRA-FA | $r d$ | $r k$ |

// %% Formula against tensors

const config = base.fields;
const counted: Readonly<Record<string, ReturnType<typeof countParameters>>> = {
  "full fine-tuning": countParameters("full", { config }),
  LoRA: countParameters("lora", { config, rank, target }),
  rsLoRA: countParameters("rslora", { config, rank, target }),
  DoRA: countParameters("dora", { config, rank, target }),
  AdaLoRA: countParameters("adalora", { config, rank: initialRank, target }),
  "LoRA+": countParameters("lora-plus", { config, rank, target }),
  "LoRA-FA": countParameters("lora-fa", { config, rank, target }),
  "LoRA-FA, corrected": countParameters("lora-fa", { config, rank, target }),
};
const tensors = methods.map(({ name, lr, prepare }) =>
  scope(() => {
    const { module, optimizer } = prepare(base.copy(), lr, 1);
    const sizes = (list: readonly { readonly size: number }[]): number =>
      list.reduce((sum, { size }) => sum + size, 0);
    const real = { trainable: sizes(optimizer.parameters()), total: sizes(module.parameters()) };
    for (const storage of module.storages()) storage.release();
    return { name, formula: counted[name], real };
  }),
);
const countsAgree = tensors.every(
  ({ formula, real }) => formula.trainable === real.trainable && formula.total === real.total,
);
const llama = { config: "llama-3.2-3b", target: ["q_proj", "v_proj"] } as const;
const published = [
  { method: "LoRA", count: countParameters("lora", { ...llama, rank: 32 }).trainable, paper: 9_175_040 },
  {
    method: "LoRA-FA",
    count: countParameters("lora-fa", { ...llama, rank: 32 }).trainable,
    paper: 3_670_016,
  },
  { method: "DoRA", count: countParameters("dora", { ...llama, rank: 32 }).trainable, paper: 9_289_728 },
  {
    method: "AdaLoRA",
    count: countParameters("adalora", { ...llama, rank: 64 }).trainable,
    paper: 18_353_664,
  },
];
display(
  table(
    tensors.map(({ name, formula, real }) => {
      const other = published.find(({ method }) => method === name);
      return {
        method: name,
        "trainable, formula": formula.trainable,
        "trainable, tensors": real.trainable,
        "total, formula": formula.total,
        "total, tensors": real.total,
        "% of all": formula.percent,
        "LLaMA-3.2-3B": other?.count ?? null,
        "LLaMA-3.2-3B, published": other?.paper ?? null,
      };
    }),
    {
      title: "Parameters",
      note: `Our base: r = ${rank} on every linear layer, AdaLoRA from ${initialRank}.`,
    },
  ),
);

// %% [markdown]
// ## Training
//
// Every method trains on the same batches in the same order, seed by seed, with AdamW without weight decay, a warm-up
// over a tenth of the steps and a linear decay. Each has a learning rate of its own, the best of a grid of half
// decades, found with a seed that is not among those reported: one shared learning rate would favour whichever method
// it happens to suit. Within a seed the methods take turns, so that a drift of the machine's speed affects all alike.

// %% The rates

const SEARCH_SEED = 999;
const run = <T>(method: Method, lr: number, seed: number, read: (subject: Subject) => T): Run<T> =>
  runMethod(
    () => base.copy(),
    (model) => method.prepare(model, lr, 100 + seed),
    { domain, steps, rows, seed: 200 + seed },
    read,
  );
const GRID = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1];
const neighbours = (lr: number): number[] => GRID.filter((other) => other / lr > 0.2 && other / lr < 5);
const searchBar = progress(settings.sweep ? 3 * methods.length : 0, "rates");
const rates = methods.map((method) => {
  const tried = (settings.sweep ? neighbours(method.lr) : []).map((lr) => {
    const { loss } = run(method, lr, SEARCH_SEED, () => null);
    searchBar.tick();
    return { lr, loss };
  });
  tried.sort((a, b) => a.loss - b.loss);
  return { method, lr: tried[0]?.lr ?? method.lr, tried };
});
searchBar.done();
display(
  table(
    rates.map(({ method, lr, tried }) => ({
      method: method.name,
      rate: String(lr),
      found: tried.length
        ? tried.map((one) => `${one.loss.toFixed(3)} at ${one.lr}`).join(", ")
        : "before, in this setting",
    })),
    { title: "Learning rates", note: `LoRA+: the rate of A; B has ${settings.ratio} times as much.` },
  ),
);

// %% [markdown]
// A trained adapter is merged before it is released, and its layers compute the same rows twice: $W_0 x + \Delta W x$
// and $(W_0 + \Delta W) x$. How far apart may the two be? Let $M = |W_0| + s|B||A|$ entry by entry. Either way of
// computing an output sums products whose absolute values sum to $M|x| + |b|$, and rounds each at most $k + r + 12$
// times ($k$ terms of the one product, $r$ of the other, and the few steps around them). So each is within
// $(k + r + 12)\,u\,(M|x| + |b|)$ of the exact value, $u = 2^{-24}$, and they are within twice that of each other. (For
// DoRA the terms are $g \circ (W_0 + sBA)$ and three times $W_0$, which is subtracted and added again.)

// %% What is read from a trained model: ranks, and how exactly it merges

/** u: the relative rounding of one float32 operation. */
const UNIT = 2 ** -24;

/** The largest difference, the bound there, and the largest fraction of its bound that any output reaches. */
interface Merged {
  readonly error: number;
  readonly bound: number;
  readonly share: number;
}

/** M [out, in]. */
function magnitude({ site }: AdaptedLayer, part: Adapter): Tensor {
  const W = site.weight().abs();
  const factors = part.factors(); // B and A with s in one of them; P and s Λ Q
  if (factors) return W.add(matmul(factors.B.abs(), factors.A.abs()));
  if (!(part instanceof DoRA)) throw new TypeError(`no factors: ${part.method}`);
  const V = W.add(matmul(part.B.abs(), part.A.abs()).mul(part.scaling));
  return V.mul(part.gain(site).abs().reshape(site.out, 1)).add(W.mul(3));
}

/** Adapted against merged: 32 rows of normal numbers through each layer, as they come from a layer norm. */
function mergeError(model: AdaptedModel<GPT2>): Merged {
  model.eval();
  return noGrad(() => {
    const trials = Array.from(model.layers, ([name, layer]) => {
      const { site } = layer;
      const part = layer.adapters.get("default") as Adapter;
      const x = new Tensor(
        array(
          random(7)
            .split(name)
            .normal(32 * site.in, 0, 1),
          [32, site.in],
        ),
      );
      const Mx = matmul(x.abs(), magnitude(layer, part).permute(1, 0)); // [32, out]
      const b = site.addBias(Mx.mul(0)).abs();
      const bounds = Mx.add(b).mul(2 * (site.in + part.rank + 12) * UNIT);
      return { layer, x, bounds: bounds.toArray(), adapted: layer.forward(x).toArray() };
    });
    model.merge();
    const outputs = trials.flatMap(({ layer, x, bounds, adapted }) => {
      const merged = layer.forward(x).toArray();
      return Array.from(adapted, (y, i) => {
        const error = Math.abs(y - merged[i]);
        return { error, bound: bounds[i], share: error / bounds[i] };
      });
    });
    model.unmerge();
    const worst = outputs.reduce((most, next) => (next.error > most.error ? next : most));
    return { ...worst, share: outputs.reduce((most, { share }) => Math.max(most, share), 0) };
  });
}

/** Singular values in use, layer by layer, and the parameters of their triplets. */
const ranksOf = (model: AdaptedModel<GPT2>): { layer: string; rank: number; parameters: number }[] =>
  partsOf(model).flatMap(([layer, part]) => {
    if (!(part instanceof AdaLoRA)) return [];
    const inUse = part.activeRank();
    return [{ layer, rank: inUse, parameters: inUse * (part.P.shape[0] + 1 + part.Q.shape[1]) }];
  });

/** How far A Aᵀ is from a multiple of the identity: the largest entry off the diagonal over the mean of the diagonal. */
const skew = (model: AdaptedModel<GPT2>): number[] =>
  partsOf(model).flatMap(([, part]) => {
    if (!(part instanceof LoraFA)) return [];
    const gram = matmul(part.A, part.A.permute(1, 0)).toArray();
    const r = part.rank;
    const diagonal = Array.from({ length: r }, (_, i) => gram[i * (r + 1)]);
    const off = Array.from(gram).filter((_, i) => i % (r + 1) !== 0);
    return [Math.max(...off.map(Math.abs), 0) / (diagonal.reduce((sum, value) => sum + value, 0) / r)];
  });

// %% All runs

const trainBar = progress(settings.seeds * methods.length * steps, "training");
const perSeed = Array.from({ length: settings.seeds }, (_, seed) =>
  rates.map(({ method, lr }) => {
    const read = ({ adapted: model, budget }: Subject) => ({
      merged: model && mergeError(model),
      ranks: model ? ranksOf(model) : [],
      skew: model ? noGrad(() => skew(model)) : [],
      budget,
    });
    const result = run(method, lr, seed, read);
    trainBar.tick(steps);
    return result;
  }),
);
trainBar.done();

/** What a tenth of the values are below: of times on a machine that has other things to do, the part that is ours. */
const decile = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 10)];
const results = methods.map(({ name }, i) => {
  const runs = perSeed.map((seed) => seed[i]);
  return {
    name,
    runs,
    losses: runs.map(({ loss }) => loss),
    closed: runs.map(({ loss }, seed) => (before - loss) / (before - perSeed[seed][0].loss)),
    milliseconds: runs.map(({ seconds }) => 1000 * decile(seconds)),
  };
});
const of = (name: string): (typeof results)[number] => {
  const found = results.find((one) => one.name === name);
  if (!found) throw new RangeError(`no method ${name}`);
  return found;
};

// %% [markdown]
// ## Quality

// %% Held-out loss

display(
  table(
    results.map(({ name, runs, losses, closed, milliseconds }) => ({
      method: name,
      trainable: runs[0].trainable,
      "% of full": (100 * runs[0].trainable) / of(FULL.name).runs[0].trainable,
      loss: meanStd(losses),
      "gap closed": meanStd(closed),
      "ms a step": meanStd(milliseconds),
    })),
    {
      title: `Quality after ${steps} steps (loss before: ${before.toFixed(3)})`,
      note: `${settings.seeds} seeds, mean ± standard deviation. Gap closed: (before − method)/(before − full fine-tuning). Milliseconds: of each run's steps, the fastest tenth took less.`,
      volatile: ["ms a step"],
    },
  ),
);
display(
  barPlot(
    results.map(({ name, losses }) => ({ method: name, loss: meanStd(losses) })),
    { label: "method", value: "loss", title: "Held-out loss by method", valueLabel: "nats per character" },
  ),
);

// %% Learning curves

const windows = 10;
const curves = results.flatMap(({ name, runs }) =>
  Array.from({ length: windows }, (_, w) => {
    const [from, to] = [Math.floor((w * steps) / windows), Math.floor(((w + 1) * steps) / windows)];
    return { method: name, step: to, loss: mean(runs.map(({ losses }) => mean(losses.slice(from, to)))) };
  }),
);
display(
  linePlot(curves, {
    x: "step",
    y: "loss",
    series: "method",
    title: "Training loss",
    yLabel: `loss, mean of a ${windows}th of the steps and all seeds`,
  }),
);

// %% [markdown]
// The curves show the task's loss alone. AdaLoRA minimises a larger sum: the regulariser
// $0.1 \sum (\lVert P^\top P - I \rVert_F^2 + \lVert Q Q^\top - I \rVert_F^2)$ must first bring $P$ and $Q$, which
// start at $\mathcal N(0, 0.02^2)$, to orthonormal columns and rows. That takes a large learning rate and the first
// steps.

// %% [markdown]
// ## Memory
//
// The bytes are counted, not estimated: every array is registered under a category. With adapters, gradients and Adam's
// two moments are needed for the adapters alone, not for *all* weights. The activations saved for backward are another
// matter: gradients still pass through every block, so most activations are still needed.

// %% Peak bytes by category

const KiB = 1024;
const memoryRows = results.map(({ name, runs: [{ memory, peak }] }) => ({ name, memory, peak }));
display(
  table(
    memoryRows.map(({ name, memory, peak }) => ({
      method: name,
      weights: memory.weights / KiB,
      adapters: memory.adapters / KiB,
      gradients: memory.gradients / KiB,
      optimizer: memory.optimizer / KiB,
      "saved for backward": memory.saved / KiB,
      "peak of everything": peak / KiB,
    })),
    {
      title: "Memory in training, KiB",
      note: `First seed; ${rows} rows of ${time} tokens. Each category at its own peak; the last column, at one moment, has temporaries too. AdaLoRA's optimizer state includes its importance scores.`,
    },
  ),
);
const keptCategories = ["adapters", "gradients", "optimizer"] as const;
const keptRows = memoryRows.flatMap(({ name, memory }) =>
  keptCategories.map((category) => ({ method: name, category, KiB: memory[category] / KiB })),
);
const adapterRows = keptRows.filter(({ method }) => method !== FULL.name);
display(
  plot(
    {
      marginLeft: 130,
      height: 60 + 28 * (methods.length - 1),
      x: { label: "KiB", grid: true },
      y: { label: null, domain: methods.slice(1).map(({ name }) => name) },
      color: { type: "categorical", domain: [...keptCategories] },
      marks: [Plot.barX(adapterRows, { x: "KiB", y: "method", fill: "category" }), Plot.ruleX([0])],
    },
    {
      title: "Adapters, gradients and optimizer state",
      legend: true,
      text: methods
        .map(({ name }) => {
          const own = keptRows.filter(({ method }) => method === name);
          return `${name.padEnd(20)} ${own.map((row) => `${row.category} ${Math.round(row.KiB)}`).join(", ")} KiB`;
        })
        .join("\n"),
    },
  ),
);
display(
  barPlot(
    memoryRows.map(({ name, memory }) => ({ method: name, MiB: memory.saved / KiB / KiB })),
    { label: "method", value: "MiB", title: "Saved for backward" },
  ),
);

// %% [markdown]
// ## LoRA-FA: what freezing A saves
//
// Of the two gradients, $\partial L / \partial A = s B^\top g x^\top$ needs the layer's input $x$, while
// $\partial L / \partial B = s\, g (A x)^\top$ needs only $A x$: $r$ numbers per token in place of $k + r$. In a block
// of width $d$ the inputs of the four linear layers have widths $d$, $d$, $d$ and $4d$, and nothing else keeps them. So
// LoRA should save exactly $7d$ numbers more than LoRA-FA for each token and block, at every rank.

// %% Saved bytes by rank

function savedBytes(method: "lora" | "lora-fa", r: number): number {
  const model = inject(base.copy(), { method, rank: r, target, seed: 1 });
  const { ids, labels } = domain.batch(rows, random(1));
  model.train();
  const { peak } = measureMemory(() => model.model.loss(ids, labels).backward());
  for (const storage of model.storages()) storage.release();
  return peak.saved;
}
const tokens = rows * time;
const inputBytes = 7 * settings.d * settings.layers * tokens * 4;
const fitting = settings.ranks.filter((r) => r <= settings.d);
const bySaved = fitting.map((r) => ({ r, lora: savedBytes("lora", r), fa: savedBytes("lora-fa", r) }));
display(
  table(
    bySaved.map(({ r, lora, fa }) => ({
      r,
      "LoRA, bytes": lora,
      "LoRA-FA, bytes": fa,
      difference: lora - fa,
      "7 d × blocks × tokens × 4": inputBytes,
      "LoRA / LoRA-FA": lora / fa,
    })),
    { title: "Saved for backward, by rank" },
  ),
);
display(
  linePlot(
    bySaved.flatMap(({ r, lora, fa }) => [
      { r, method: "LoRA", MiB: lora / KiB / KiB },
      { r, method: "LoRA-FA", MiB: fa / KiB / KiB },
    ]),
    {
      x: "r",
      y: "MiB",
      series: "method",
      xScale: "log",
      title: "Saved for backward, by rank",
      plot: {
        y: {
          label: "MiB",
          domain: [0, Math.max(...bySaved.map(({ lora }) => lora)) / KiB / KiB],
          grid: true,
        },
      },
    },
  ),
);

// %% [markdown]
// ## AdaLoRA: how the budget is spent
//
// The budget falls from $b(0) = \tfrac32 b(T)$ along a cubic. At each step the triplets with the lowest scores in the
// whole model are masked. A masked triplet keeps its vectors, so it can come back until the allocation is fixed.
// ($\Lambda$ starts at zero and the first learning rate of the warm-up is zero, so after step 1 no triplet is in use
// yet.)

// %% Budget and ranks

const ada = of("AdaLoRA").runs;
const budgetRows = ada[0].read.budget.flatMap(({ step, allowed, inUse }) => [
  { step, triplets: allowed, what: "budget b(t)" },
  { step, triplets: inUse, what: "singular values in use" },
]);
display(
  linePlot(budgetRows, {
    x: "step",
    y: "triplets",
    series: "what",
    title: "AdaLoRA's budget, and what is in use (first seed)",
    plot: {
      marks: [
        Plot.line(budgetRows, {
          filter: ({ what }: (typeof budgetRows)[number]) => what.startsWith("budget"),
          x: "step",
          y: "triplets",
          stroke: "what",
          strokeWidth: 5,
          strokeOpacity: 0.4,
        }),
        Plot.dot(budgetRows, {
          filter: ({ what }: (typeof budgetRows)[number]) => what.startsWith("singular"),
          x: "step",
          y: "triplets",
          fill: "what",
          r: 2,
        }),
        Plot.ruleY([0]),
      ],
    },
  }),
);
const placed = ada[0].read.ranks.map(({ layer }, i) => {
  const [, block, matrix] = /h\.(\d+)\.(.*)$/.exec(layer) ?? ["", "", layer];
  return { block: Number(block) + 1, matrix, rank: mean(ada.map(({ read }) => read.ranks[i].rank)) };
});
display(
  heatmap(placed, {
    x: "matrix",
    y: "block",
    value: "rank",
    domain: [0, initialRank],
    digits: 1,
    title: `Ranks at the end, from ${initialRank} each, mean of ${settings.seeds} seeds`,
  }),
);
const average = (chosen: (place: (typeof placed)[number]) => boolean): number =>
  mean(placed.filter(chosen).map((place) => place.rank));
const inMlp = average(({ matrix }) => matrix.startsWith("mlp"));
const inAttention = average(({ matrix }) => matrix.startsWith("attn"));
const half = settings.layers / 2;
const above = average(({ block }) => block > half);
const below = average(({ block }) => block <= half);
const keptParameters = ada.map(({ read }) => read.ranks.reduce((sum, { parameters }) => sum + parameters, 0));
display(md`
  Average rank ${inMlp.toFixed(2)} in the MLP and ${inAttention.toFixed(2)} in attention; ${above.toFixed(2)} in the upper half of
  the blocks and ${below.toFixed(2)} in the lower. What is left after pruning has ${meanStd(keptParameters).toString()} parameters;
  LoRA at $r = ${rank}$ has ${of("LoRA").runs[0].trainable.toLocaleString("en")}.
`);

// %% [markdown]
// ## Time per step
//
// On a model this small the products that the adapters add are cheap, and the number of operations decides. The ratios
// say more about overheads than about large models.

// %% The fastest tenth of the steps

const loraTime = of("LoRA").milliseconds;
const relativeTime = (name: string): number[] => of(name).milliseconds.map((ms, seed) => ms / loraTime[seed]);
display(
  barPlot(
    results.map(({ name }) => ({ method: name, ratio: meanStd(relativeTime(name)) })),
    { label: "method", value: "ratio", title: "Time per step, LoRA = 1" },
  ),
);

// %% [markdown]
// ## Merging
//
// In the end every adapter is merged into the weights. The differences below are the largest over all outputs of all
// adapted layers and all seeds.

// %% Merged against adapted

const merging = results.flatMap(({ name, runs }) => {
  const found = runs.flatMap(({ read: { merged } }) => (merged ? [merged] : []));
  if (found.length === 0) return [];
  const worst = found.reduce((most, next) => (next.error > most.error ? next : most));
  return [{ name, ...worst, share: Math.max(...found.map(({ share }) => share)) }];
});
display(
  table(
    merging.map(({ name, error, bound, share }) => ({
      method: name,
      "max |merged − adapted|": error.toExponential(1),
      "bound there": bound.toExponential(1),
      "most of its bound that any output reaches": `${(100 * share).toFixed(1)} %`,
      within: share <= 1,
    })),
    {
      title: "Merge error",
      note: "The bound counts every rounding as if all erred the same way; roundings do not, so it is loose.",
    },
  ),
);

// %% [markdown]
// ## What holds here
//
// Two methods are compared seed by seed, on the same batches. A claim "at least as good" *holds* when the mean
// difference of their losses says so; it holds *partly* when it does not, but the mean difference is within one
// standard deviation of the differences; otherwise it does not hold.

// %% Verdicts

const lossClaim = (claim: string, paper: string, name: string, other: string, note?: string): Claim => ({
  claim,
  paper,
  measured: `${meanStd(of(name).losses)} against ${meanStd(of(other).losses)}`,
  holds: atMost(of(name).losses, of(other).losses),
  seeds: settings.seeds,
  note,
});
const loraRun = of("LoRA").runs[0];
const faRun = of("LoRA-FA").runs[0];
const [narrow, wide] = [bySaved[0], bySaved[bySaved.length - 1]];
const growth = wide.fa / narrow.fa - 1;
const finalRanks = ada.map(({ read }) => read.ranks.map((layer) => layer.rank));
const adaptersBudget = rank * placed.length;
const skews = of("LoRA-FA").runs.flatMap(({ read }) => read.skew);
const adaOverhead = relativeTime("AdaLoRA").map((ratio) => 100 * (ratio - 1));
display(
  replication(
    [
      {
        claim: "countParameters equals the count of real tensors, for every method",
        paper: "exact",
        measured: `${tensors.length} methods, trainable and total`,
        holds: countsAgree,
      },
      {
        claim: "and the counts that were published for LLaMA-3.2-3B",
        paper: published.map(({ paper }) => paper.toLocaleString("en")).join("; "),
        measured: published.map(({ count }) => count.toLocaleString("en")).join("; "),
        holds: published.every(({ count, paper }) => count === paper),
        note: "LoRA, LoRA-FA, DoRA, AdaLoRA (PEFT's MetaMathQA benchmark)",
      },
      {
        claim: "Every method merges: what differs is rounding",
        paper: "no additional inference latency (LoRA §4.1; DoRA, abstract)",
        measured: `at most ${(100 * Math.max(...merging.map(({ share }) => share))).toFixed(1)} % of the bound`,
        holds: merging.every(({ share }) => share <= 1),
        seeds: settings.seeds,
      },
    ],
    "Exact",
  ),
);
display(
  replication(
    [
      {
        claim: "LoRA is on a par with full fine-tuning",
        paper: "87.2 against 86.4 (LoRA, table 2, RoBERTa-base)",
        measured: of("LoRA").closed,
        holds: mean(of("LoRA").closed) >= 0.95,
        note: "fraction of the gap closed; holds from 0.95",
      },
      lossClaim(
        "α/√r learns at least as well as α/r",
        "α/r slows learning, the more the larger r (rsLoRA, abstract)",
        "rsLoRA",
        "LoRA",
        `at one rank and with tuned rates, it is LoRA with α √r: ${(2 * Math.sqrt(rank)).toFixed(1)} against 2`,
      ),
      lossClaim("DoRA is at least as good as LoRA", "78.4 against 74.7 (DoRA, table 1)", "DoRA", "LoRA"),
      lossClaim(
        "AdaLoRA is at least as good as LoRA at the same budget",
        "89.31 against 88.34 (AdaLoRA, table 1)",
        "AdaLoRA",
        "LoRA",
        `${adaptersBudget} triplets at the end; ${steps} steps leave it little time`,
      ),
      lossClaim(
        "LoRA+ is at least as good as LoRA after the same steps",
        "1 to 2 % better, up to 2 times as fast (LoRA+, abstract)",
        "LoRA+",
        "LoRA",
        `λ = ${settings.ratio}; its gain grows with the width, which is ${settings.d} here`,
      ),
      {
        claim: "LoRA-FA is on a par with LoRA",
        paper: "close to LoRA and full fine-tuning (LoRA-FA, abstract)",
        measured: of("LoRA-FA").closed.map((part, seed) => part / of("LoRA").closed[seed]),
        holds: mean(of("LoRA-FA").closed.map((part, seed) => part / of("LoRA").closed[seed])) >= 0.95,
        note: "gap closed over LoRA's at the same rank; holds from 0.95",
      },
      lossClaim(
        "The gradient correction does not make LoRA-FA worse",
        "part of the paper's later version",
        "LoRA-FA, corrected",
        "LoRA-FA",
        `Adam forgets the gradient's scale, so only the part of A Aᵀ off its diagonal matters: at most ${Math.max(...skews).toFixed(2)} of the diagonal here`,
      ),
    ],
    "Quality",
  ),
);
display(
  replication(
    [
      {
        claim: "Gradients and optimizer state are those of the trained parameters alone",
        paper: "LoRA §4.2",
        measured: `LoRA ${loraRun.memory.gradients + loraRun.memory.optimizer} bytes for ${loraRun.trainable} parameters`,
        holds: loraRun.memory.gradients + loraRun.memory.optimizer === 12 * loraRun.trainable,
        note: "4 bytes of gradient and 8 of moments each",
      },
      {
        claim: "LoRA-FA saves the inputs of the adapted layers, to the byte, at every rank",
        paper: "full-rank input activations need not be stored (LoRA-FA, abstract)",
        measured: `${(narrow.lora - narrow.fa).toLocaleString("en")} bytes`,
        holds: bySaved.every(({ lora, fa }) => lora - fa === inputBytes),
        note: `expected ${inputBytes.toLocaleString("en")}`,
      },
      {
        claim: "What LoRA-FA saves for backward is flat in the rank",
        paper: "not sensitive to r (LoRA-FA; PEFT's README)",
        measured: `+${(100 * growth).toFixed(1)} % from r = ${narrow.r} to ${wide.r}`,
        holds: growth <= 0.1,
        note: "holds up to 10 %: A x still takes r numbers a token, and d is small here",
      },
      {
        claim: "Memory of training is up to 1.4 times lower",
        paper: "1.4 (LoRA-FA, abstract)",
        measured: `${(loraRun.memory.saved / faRun.memory.saved).toFixed(2)} saved for backward, ${(loraRun.peak / faRun.peak).toFixed(2)} of everything`,
        holds: loraRun.peak / faRun.peak >= 1.35 ? true : loraRun.peak > faRun.peak ? "partly" : false,
        note: "everything counts temporaries too; partly: lower, but by less than 1.35",
      },
      {
        claim: "AdaLoRA meets its budget exactly, by ranks that differ",
        paper: "figure 3 (AdaLoRA)",
        measured: `${finalRanks.map((ranks) => ranks.reduce((sum, r) => sum + r, 0)).join(", ")} of ${adaptersBudget}; ranks ${finalRanks[0].join(" ")}`,
        holds: finalRanks.every(
          (ranks) => ranks.reduce((sum, r) => sum + r, 0) === adaptersBudget && new Set(ranks).size > 1,
        ),
        seeds: settings.seeds,
      },
      {
        claim: "and gives more to the MLP and to the upper blocks",
        paper: "figure 3 (AdaLoRA)",
        measured: `MLP ${inMlp.toFixed(2)}, attention ${inAttention.toFixed(2)}; upper ${above.toFixed(2)}, lower ${below.toFixed(2)}`,
        holds:
          inMlp > inAttention && above > below
            ? true
            : inMlp > inAttention || above > below
              ? "partly"
              : false,
        seeds: settings.seeds,
        note: "partly: one of the two",
      },
      {
        claim: "AdaLoRA's step takes at most a fifth longer than LoRA's",
        paper: "11 to 18 % (AdaLoRA, table 15)",
        measured: `${meanStd(adaOverhead)} %`,
        holds: mean(adaOverhead) <= 20,
        volatile: true,
        seeds: settings.seeds,
      },
      {
        claim: "DoRA's step takes longer and keeps more than LoRA's",
        paper: "1,190.9 against 942.0 s, 24.5 against 22.3 GB (PEFT's benchmark)",
        measured: `${mean(relativeTime("DoRA")).toFixed(2)} times as long, ${(of("DoRA").runs[0].memory.saved / loraRun.memory.saved).toFixed(2)} times as much saved for backward`,
        holds: mean(relativeTime("DoRA")) > 1 && of("DoRA").runs[0].memory.saved > loraRun.memory.saved,
        volatile: true,
        seeds: settings.seeds,
      },
    ],
    "Memory, ranks and time",
  ),
);

// %% What ran

display(
  table(
    [
      { what: "device", value: `${currentDevice().name}: ${currentDevice().adapter}` },
      { what: "Node", value: process.version },
      { what: "seeds", value: `${settings.seeds}, from 100 (adapters) and 200 (batches)` },
    ],
    { title: "What ran", volatile: true },
  ),
);
