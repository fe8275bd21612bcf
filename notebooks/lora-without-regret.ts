// %% [markdown]
// # LoRA Without Regret
//
// Schulman & Thinking Machines Lab, 2025, [doi:10.64434/tml.20250929](https://doi.org/10.64434/tml.20250929).
//
// When does LoRA learn as well as full fine-tuning, and with which learning rate? This article answers with sweeps over
// 14 models and gives rules that people now repeat: ten times the rate, all layers, small batches, two thirds of the
// compute. This page derives those rules that can be derived, and tries the others on models of 0.2 million parameters.
//
// **To run it:** `npm start -- lora-without-regret` (`--full` for the long setting). Every number was measured by this run
// unless its column says *paper*; one number decides everywhere, the held-out loss in nats.

// %% What was found

import type { Tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, nextTokenLoss } from "lowrank/nn";
import * as regret from "./papers/lora-without-regret/index.ts";
import { factRows } from "./support/data/facts.ts";
import { committedBase } from "./support/experiments/bases.ts";
import { farShiftOf, type HeldOut, nearShift } from "./support/experiments/shifts.ts";
import { mean } from "./support/experiments/statistics.ts";
import { study } from "./support/experiments/study.ts";
import * as show from "./support/index.ts";

const { display, table, fold, replication, meanStd } = show;
const { CLAIMS, full, judged, lora } = regret;
const found = show.opening();

// %% Settings

const settings = show.defineSettings({
  alpha: { quick: 32, about: "α of LoRA; the update is (α/r) B A", min: 1 },
  ranks: { quick: [1, 8], full: [1, 4, 8, 32], about: "ranks of the curves of rates", min: 1 },
  rates: { quick: 4, full: 6, about: "learning rates tried for each arm, over a factor of 32", min: 3 },
  steps: { quick: 14, full: 120, about: "steps of an adaptation, twice as many on the near shift", min: 2 },
  rows: { quick: 4, about: "rows of a batch", min: 1 },
  held: { quick: 32, full: 512, about: "held-out rows, a multiple of 32", min: 32 },
  curves: { quick: 1, full: 5, about: "seeds of the curves of rates", min: 1 },
  seeds: { quick: 1, full: 5, about: "seeds of the comparisons at the best rates", min: 1 },
  near: { quick: false, full: true, about: "the best rates on the near shift, too, at two widths" },
  batches: { quick: [4, 32], full: [4, 16, 64], about: "rows of a batch where it varies", min: 1 },
  seen: { quick: 96, full: 384, about: "rows that a run sees where the batch varies", min: 1 },
  facts: { quick: [16, 64], full: [32, 96, 192, 320], about: "numbers of facts to store", min: 1 },
  lessons: { quick: 1, full: 5, about: "seeds of the facts", min: 1 },
  exposures: { quick: 100, full: 300, about: "how often each fact is shown", min: 1 },
});
const { alpha, steps, rows, ranks } = settings;

// %% [markdown]
// ## What is adapted, and to what
//
// The base `declarations` is a GPT-2 of four blocks, 64 wide, that has learned the code of `@types/node` letter by letter.
// It is adapted to the English comments in the same files: a **far shift**, most of which is new to it. The base
// `restaurants-a`, as large, puts facts into sentences in any of 54 styles and is adapted to the one style of a house: a
// **near shift**. Both are committed in this repository, with model cards.

// %% The two shifts

const rank = ranks.find((r) => r >= 8) ?? ranks[ranks.length - 1];
const few = { reported: Math.min(settings.held, 128), choosing: 32 };
const farWith = (held: HeldOut) =>
  show.readersShift({ models: ["gpt2"] }) ?? farShiftOf("declarations", held);
const far = farWith(few);
const near = nearShift("a", few);
display(
  table(
    [far, near].map((shift) => ({
      base: shift.base,
      "is adapted to": shift.name,
      "a row of it": regret.sampleOf(shift),
      "loss before": shift.before,
    })),
  ),
);

// %% [markdown]
// ## The first step, by hand
//
// Let $G = \partial L/\partial W$ at the base, $A \in \mathbb{R}^{r \times d}$ with independent entries of variance
// $\sigma^2$, $B = 0$, and $\Delta W = s B A$ with the factor $s$. Then $\partial L/\partial A = s B^\top G = 0$, so that
// only $B$ moves, along $\partial L/\partial B = s\, G A^\top$. With the learning rate $\eta$
//
// $$\text{SGD: } \Delta W_1 = -\eta\, s^2\, G A^\top\! A \qquad
// \text{Adam: } \Delta W_1 = -\eta\, s\, \operatorname{sign}(G A^\top) A$$
//
// (Adam's first step is the sign of the gradient). Take the mean over $A$. For SGD $E[A^\top A] = r \sigma^2 I$. For Adam
// each of the $r$ rows $a$ of $A$ contributes $E[\operatorname{sign}(g \cdot a)\, a] = \sigma\sqrt{2/\pi}\; g/\lVert g
// \rVert$ to a row $g$ of $G$ (exact for Gaussian $a$). So
//
// $$\text{SGD: } E\,\Delta W_1 \propto s^2 r \qquad \text{Adam: } E\,\Delta W_1 \propto s\, r$$
//
// and the loss that the step saves to first order, $-\langle G, \Delta W_1\rangle$, grows with the same power: it does not
// depend on $r$ **with $s = \alpha/r$ for Adam, and with $s = \alpha/\sqrt r$ for SGD**. That is a law of the *mean*. The
// step itself is larger: for Adam and $\alpha/r$
//
// $$E\,\lVert \Delta W_1 \rVert_F^2 = \eta^2 \alpha^2 \sigma^2 m \left[\frac{d}{r} + \frac{2}{\pi}\Big(1 -
// \frac1r\Big)\right] \qquad (m \text{ rows})$$
//
// Its first part is noise at right angles to $G$; it saves nothing, and falls as $1/\sqrt r$. We try both on a real
// gradient: that of the output projection of the first attention, at the base, on a batch of comments.

// %% One step in plain tensors

const firstStep: regret.FirstStep = (G, A, { optimizer, scaling }, α) => {
  const r = A.shape[0];
  const s = scaling === "α/r" ? α / r : α / Math.sqrt(r);
  const gradient = G.matmul(A.T).mul(s); //                                ∂L/∂B = s G Aᵀ
  const B1 = (optimizer === "Adam" ? gradient.sign() : gradient).mul(-1); // with the rate 1
  return B1.matmul(A).mul(s); //                                           ΔW₁ = s B₁ A
};
const G: Tensor = regret.gradientOf(far.copy(), far.domain.validation[0]);
const draws = { ranks: [1, 2, 4, 8, 16, 32], seeds: 20, draws: 5, alpha };
const measured = regret.measureFirstSteps(firstStep, G, draws);
const powers = regret.RULES.map((rule) => ({
  optimizer: rule.optimizer,
  "factor s": rule.scaling,
  "loss saved, derived": regret.power(rule),
  "loss saved": meanStd(regret.slopes(measured, rule, "saved")),
  "size of the step": meanStd(regret.slopes(measured, rule, "size")),
}));
const note =
  "Slopes of the logarithms over r = 1, 2, 4 … 32; mean and deviation over 20 seeds of 5 draws of A.";
display(table(powers, { title: "With which power of r the first step grows", note }));

// %% What of the step depends on the rank

const [adam] = regret.RULES;
const savedPowers = regret.slopes(measured, adam, "saved");
const sizePower = meanStd(regret.slopes(measured, adam, "size"));
display(regret.firstStepPicture(measured, adam, G.shape[1]));
const firstUpdate = show.within(savedPowers, 0, { par: 0.05 });
const note1 = `True of the mean, and so of the loss saved. The norm of the step falls as r grows, with the power ${sizePower}: it is not the norm that stays.`;
const power = { measured: `power of r: ${meanStd(savedPowers)}`, note: note1 };
display(replication(judged(CLAIMS.firstUpdate, firstUpdate, 20, power)));

// %% [markdown]
// rsLoRA ([arXiv:2312.03732](https://arxiv.org/abs/2312.03732)) takes $\alpha/\sqrt r$. For the first step that is the factor
// of SGD; with Adam the first step of every rank is about as long, but saves $\sqrt r$ times as much: less of it is noise.
//
// The article goes on: with $\alpha/r$ the learning *curves* of all ranks begin alike, so much that the authors suspected
// a bug. Here are the first steps of whole models with one learning rate and no warm-up. All steps see one batch, so that
// a loss differs from the one before by what was learned, and not by other rows.

// %% The first steps of the model

const grid = (lowest: number): number[] =>
  Array.from({ length: settings.rates }, (_, i) => lowest * 32 ** (i / (settings.rates - 1)));
const [fullRates, loraRates] = [grid(2.5e-4), grid(1e-3)];
const early = regret.earlyCurves(far, ranks, {
  alpha,
  rate: loraRates[0],
  steps: 8,
  rows,
  seeds: settings.curves,
});
display(early.picture);
display(replication(judged(CLAIMS.sameStart, early.verdict, settings.curves, { note: early.note })));

// %% [markdown]
// ## The best learning rate
//
// Every rank and full fine-tuning, each with the same number of rates. The best rate of a curve is the lowest point of
// the parabola through its three lowest points, for each seed by itself. The picture shows the share of full
// fine-tuning's gain: 1 is as good as full fine-tuning at its best rate, 0 is the base.

// %% Loss against learning rate

const protocol = { steps, rows, seeds: settings.curves };
const loras = ranks.map((r) => lora(loraRates, { rank: r, alpha }));
const tried = regret.tryRates([full(fullRates), ...loras], far, protocol);
const [nearSteps, LoRA] = [{ ...protocol, steps: 2 * steps }, lora(loraRates, { rank, alpha })];
const tiny = nearShift("tiny-a", few);
const others = settings.near ? [near, { ...tiny, name: "the same, d = 16" }] : [];
for (const shift of others) tried.push(...regret.tryRates([full(fullRates), LoRA], shift, nearSteps));
const curves = regret.gainCurves(tried, [far, ...others]);
const ratePicture = show.linePlot(curves, {
  ...regret.PANELS,
  xScale: "log",
  title: "What is learned, by learning rate",
  caption:
    "The highest point of a curve is its best rate. Curves whose highest points lie above each other have the same best rate.",
  xLabel: "learning rate",
  yLabel: "share of the gain",
  xTicks: [1e-3, 1e-2],
  yDomain: [0, 1.1],
});
display(ratePicture);

// %% Does the best rate depend on the rank?

display(regret.rankTable(tried, ranks, far.name));
const [low, most] = [ranks.find((r) => r >= 4) ?? ranks[0], ranks[ranks.length - 1]];
const sameRate = show.within(regret.octaves(tried, far.name, [most, low]), 0, { par: 1 });
const lowerForOne = show.lower(
  regret.octaves(tried, far.name, [ranks[0], most]),
  regret.octaves(tried, far.name, [most, most]),
  { par: 0 },
);
const note2 = `r = ${low} and ${most}; differences of log₂ of the best rates`;
const note3 = `r = ${ranks[0]} and ${most}. The noise in the first step, largest at r = 1, speaks for it.`;
display(
  replication([
    judged(CLAIMS.sameRate, sameRate, settings.curves, { note: note2 }),
    judged(CLAIMS.lowerForOne, lowerForOne, settings.curves, { note: note3 }),
  ]),
);

// %% [markdown]
// ## Ten times?
//
// The two factors of a rate, $\alpha$ and $\eta$, are not apart. Scaling $\alpha$ by $1/q$ and the rate of $B$ by $q$
// changes nothing (“Parametrization invariances”). So a ratio of best rates can only be meant for one $\alpha$: the
// article's is 32. The first step gives a prediction: it saves $\eta \lVert G \rVert_1$ in full fine-tuning with Adam, and
// what was measured above in LoRA. Equal savings need rates in the ratio of the two.

// %% The ratio of the best rates

const places: regret.Place[] = [far, ...others];
const more = { ...protocol, rank, alpha, fullRates, loraRates };
if (settings.near) places.push(...regret.ratioRuns(tried, far, more));
display(regret.ratioTable(tried, places, LoRA.name, regret.equalSavings(measured, G, adam)));

// %% Verdicts on the ratio

const on = (place: number): number[] => regret.ratios(tried, LoRA.name, places[place].name);
const allRatios = [far, ...others].flatMap((_, i) => on(i));
const tenfold = show.within(allRatios, 1, { par: Math.log10(1.5) });
const ten = { measured: regret.factor(allRatios), note: regret.ratioNote(tenfold, alpha) };
const claims = [judged(CLAIMS.tenfold, tenfold, allRatios.length, ten)];
if (settings.near) {
  const [onFar, wide, narrow, , short] = places.map((_, i) => on(i));
  const between = wide.map((value, i) => value - narrow[i]);
  const anyWidth = show.within(between, 0, { par: Math.log10(1.5) });
  const widths = `d = 64: ${regret.factor(wide)}; d = 16: ${regret.factor(narrow)}`;
  const lengths = `${Math.ceil(steps / 5)} steps: ${regret.factor(short)}; ${steps} steps: ${regret.factor(onFar)}`;
  claims.push(
    judged(CLAIMS.anyWidth, anyWidth, wide.length, { measured: widths, note: "the same task at two widths" }),
    judged(CLAIMS.shortRuns, show.higher(short, onFar, { par: 0 }), onFar.length, { measured: lengths }),
  );
}
display(replication(claims));

// %% [markdown]
// ## Which layers
//
// LoRA of rank $r$ trains $384\,r$ numbers in the attention of one block of these models ($q, k, v$ are one matrix of 64 ×
// 192), and $640\,r$ in its MLP. So $r = 5$ in attention and $r = 3$ in the MLPs are **exactly equal**, and $r = 2$
// everywhere but $r = 1$ on the output projection is equal to both: 1,920 numbers a block. The rate of each arm is chosen
// by seeds and held-out rows of their own. (The page `lora` compares the matrices of attention with each other,
// and finds LoRA on a par with full fine-tuning where only a style is new; here nearly everything is.)

// %% Attention, MLPs, or both, at equal counts

const held = { reported: settings.held, choosing: 32 };
const tune = (best: number): number[] => (settings.near ? [best / 2, best, best * 2] : [best]);
const bestAt = (arm: string): number => mean(regret.bestRates(tried, arm, far.name).map((one) => one.rate));
const [fullRate, loraRate] = [tune(bestAt(regret.FULL)), tune(bestAt(LoRA.name))];
const one = (rank: number, name: string, more: object): regret.RegretArm =>
  lora(loraRate, { rank, alpha, name: `LoRA, ${name}`, ...more });
const placed = [
  full(fullRate),
  one(5, "attention only", { target: ["attn.c_attn", "attn.c_proj"] }),
  one(3, "MLPs only", { target: ["mlp.c_fc", "mlp.c_proj"] }),
  one(2, "all layers", { rankPattern: { "attn.c_proj": 1 } }),
  one(most, `all layers, r = ${most}`, {}),
];
const pairs = { rows, seeds: settings.seeds, search: 3 };
const bases = settings.near ? [farWith(held), nearShift("a", held)] : [farWith(held)];
const results = bases.flatMap((shift, i) =>
  study(placed, [shift], { ...pairs, steps: (i + 1) * steps, searchSteps: Math.ceil(((i + 1) * steps) / 2) }),
);

// %% Verdicts on the layers

const lossesOf = (arm: number, i: number): readonly number[] =>
  results.filter((result) => result.arm === placed[arm].name)[i].losses;
const rowsOf = placed.map(({ name }, arm) => ({
  arm: name,
  "numbers trained": results[arm].runs[0].trainable,
  ...Object.fromEntries(bases.map((shift, i) => [`loss, ${shift.name}`, meanStd(lossesOf(arm, i))])),
}));
display(table(rowsOf, { title: "Equal numbers of parameters in different places", tolerance: 0.02 }));
display(regret.halfTime(results, 0.01));
const δ = (i: number): number => 0.01 * (bases[i].before - mean(lossesOf(0, i))); // 1 % of full's gain
const onAll = (a: number, b: number, judge: typeof show.lower, par = δ) =>
  show.every(bases.map((_, i) => judge(lossesOf(a, i), lossesOf(b, i), { par: par(i) })));
const attentionWorse = onAll(1, 2, show.higher, () => 0);
const [mlpEnough, reached] = [onAll(2, 3, show.noWorse), onAll(4, 0, show.noWorse)];
const placesOf = bases.map(({ name }, i) => ({
  name,
  ...{ attention: mean(lossesOf(1, i)), mlps: mean(lossesOf(2, i)), all: mean(lossesOf(3, i)) },
}));
display(
  replication([
    judged(CLAIMS.attention, attentionWorse, settings.seeds, { note: regret.placeNote(placesOf) }),
    judged(CLAIMS.mlpIsEnough, mlpEnough, settings.seeds, { note: regret.placeNote(placesOf) }),
    judged(CLAIMS.par, reached, settings.seeds, { note: regret.reachNote(reached, most) }),
  ]),
);

// %% [markdown]
// ## Larger batches
//
// As in the article, all runs see equally many rows, so a larger batch means fewer steps. Each arm gets its own best rate
// at each size. The question is not which is better, but who loses more between the smallest batch and the largest.

// %% Loss by batch size

const scaled = (rates: readonly number[], by: number): number[] => rates.map((rate) => by * rate);
const sized = [
  (by: number) => full(scaled(fullRate, by)),
  (by: number) => lora(scaled(loraRate, by), { rank: ranks[0], alpha }),
  (by: number) => lora(scaled(loraRate, by), { rank: most, alpha }),
];
const { batches, seen } = settings;
const sizes = { batches, rows: seen, tunedAt: rows, seeds: settings.seeds, search: 2 };
const bySize = regret.batchSizes(sized, bases[0], sizes);
const points = sized.flatMap((arm) =>
  batches.map((batch) => {
    const { name } = arm(1);
    return { panel: far.name, arm: name, x: batch, y: mean(regret.lossesAt(bySize, name, batch)) };
  }),
);
const title = `Loss after ${seen} rows, by rows in a batch`;
const caption =
  "All arms lose by larger batches, which take fewer steps. Lines that part would show who loses more.";
const axes = { xLabel: "rows in a batch", yLabel: "held-out loss", xTicks: batches, xScale: "log" } as const;
display(show.linePlot(points, { ...regret.PANELS, title, caption, ...axes }));

// %% Verdicts on the batch

const [fullPenalty, lowPenalty, highPenalty] = sized.map((arm) => {
  const [small, large] = [batches[0], batches[batches.length - 1]].map((batch) =>
    regret.lossesAt(bySize, arm(1).name, batch),
  );
  return large.map((loss, i) => loss - small[i]);
});
const batchWorse = show.higher(highPenalty, fullPenalty, { par: δ(0) });
const between = lowPenalty.map((penalty, i) => penalty - highPenalty[i]);
const batchRank = show.within(between, 0, { par: 3 * δ(0) });
const lost = `full ${meanStd(fullPenalty)}, r = ${most} ${meanStd(highPenalty)} nats`;
const byRank = `r = ${ranks[0]} ${meanStd(lowPenalty)}, r = ${most} ${meanStd(highPenalty)} nats`;
display(
  replication([
    judged(CLAIMS.batches, batchWorse, settings.seeds, {
      measured: lost,
      note: regret.batchNote(batchWorse),
    }),
    judged(CLAIMS.batchesByRank, batchRank, settings.seeds, {
      ...{ measured: byRank, note: regret.rankNote(batchRank, ranks[0]) },
    }),
  ]),
);

// %% [markdown]
// ## How much an adapter can hold
//
// “LoRA works well when not capacity constrained.” Capacity can be measured with facts that nothing explains: `qvx?` is
// always answered by `407`, and 1,000 answers are equally likely, so a fact holds $\log_2 1000 = 9.97$ bits. The base
// `facts`, 32 wide, knows 256 others and so how they are asked for. It gets a lesson of new ones. This is the whole training:

// %% A lesson

const base = committedBase("facts");
const lesson = factRows(settings.facts[0], 1);
const model = base.copy();
const adapted = inject(model, { method: "lora", rank: 4, alpha: 8, target: "all-linear", seed: 1 });
const before = lesson.known.all.slice(0, 5).map(({ prompt }) => regret.answer(model, prompt));
const trainable = adapted.parameters().filter((parameter) => parameter.requiresGrad);
const optimizer = new AdamW(trainable, { lr: 2e-2, weightDecay: 0 });
for (let step = 0; step < settings.exposures; step++) {
  const loss = nextTokenLoss(model, lesson.ids, lesson.labels);
  loss.backward();
  optimizer.step();
  optimizer.zeroGrad();
}
adapted.merge(); // W₀ + (α/r) B A: a plain model again
const lines = lesson.known.all.slice(0, 5).map(({ prompt, completion }, i) => ({
  asked: prompt,
  "the base says": before[i],
  "after the lesson": regret.answer(model, prompt),
  "to be said": completion.trim(),
}));
display(show.samples(lines, { title: `Five of ${settings.facts[0]} facts, before and after` }));

// %% Bits recalled, by bits to be learned

const factRanks = settings.near ? [1, 2, 4] : [1, 2];
const factRates = [2e-2];
const stored = factRanks.flatMap((r) =>
  settings.facts.flatMap((count) =>
    Array.from({ length: settings.lessons }, (_, seed) =>
      regret.store(base.copy, { rank: r, count, seed }, { exposures: settings.exposures, rates: factRates }),
    ),
  ),
);
display(regret.capacityPicture(stored));

// %% Verdicts on capacity

const perParameter = regret.capacities(stored).map(({ bits, parameters }) => bits / parameters);
const twoBits = show.within(perParameter, 2, { par: 0.5 });
const growth = regret.growth(stored);
const grows = `most bits recalled grow with the parameters to the power ${meanStd(growth)}`;
const bits = {
  measured: `${meanStd(perParameter)} bits`,
  note: regret.capacityNote(twoBits, settings.exposures),
};
display(
  replication([
    judged(CLAIMS.proportional, show.above(growth, 0), growth.length, { measured: grows }),
    judged(CLAIMS.capacity, twoBits, perParameter.length, bits),
  ]),
);

// %% [markdown]
// ## Two thirds of the compute
//
// At a matrix $W \in \mathbb{R}^{m \times d}$ a token costs $dm$ multiply–adds forward ($Wx$), $dm$ for the gradient of its
// input ($W^\top \bar y$), and $dm$ for that of $W$ ($\bar y x^\top$): $3dm$. LoRA has the first two, not the third, and
// for $A$ and $B$ all three: $2dm + 3r(d + m)$. For $d = m = N$ that is $2N^2 + 6Nr$ of $3N^2$, as in the article. We count
// what the engine really multiplies in a forward and a backward pass of the whole model, attention and head included.

// %% Multiply–adds, counted

const row = far.domain.batch(1, random(1));
const whole = regret.stepCost(far.copy, row, 0);
const share = (N: number, r: number): number => regret.perToken.lora(N, N, r) / regret.perToken.full(N, N);
const costs = [1, 8, 32].map((r) => ({
  "LoRA, r =": r,
  counted: regret.stepCost(far.copy, row, r) / whole,
  "formula, N = 64": share(64, r),
  "formula, N = 4096": share(4096, r),
}));
const note4 = "Optimizer steps, softmax and layer norms are no matmuls and not counted.";
display(table(costs, { title: "Multiply–adds of a step, as a share of full fine-tuning's", note: note4 }));
const large = share(4096, 8);
const counted = `${large.toFixed(3)} at N = 4096, r = 8; counted in this small model, r = 8: ${costs[1].counted.toFixed(3)}`;
const note5 = "Exact arithmetic. Where r is no small part of N, LoRA costs more than full fine-tuning.";
display(
  replication({ ...CLAIMS.twoThirds, measured: counted, verdict: large > 2 / 3 && large < 0.7, note: note5 }),
);

// %% [markdown]
// ## Change this and run again
//
// - `npm start -- lora-without-regret --set alpha=8`: by the invariance above, LoRA's best rates and the ratio rise.
// - `npm start -- lora-without-regret --set ranks=2,16 --set curves=3`: other ranks, and an interval for the ratio.
// - `npm start -- lora-without-regret --set exposures=600`: more bits for each parameter; the capacity is that of a budget
//   of training.

// %% The findings and the settings

const told = {
  ...{ tenfold, firstUpdate, sameRate, batchWorse, perParameter, large, alpha, rank, places: placesOf },
  ratio: allRatios,
  penalties: [fullPenalty, lowPenalty, highPenalty],
  extremes: [ranks[0], most],
};
found.show(regret.opening(told), ratePicture);
display(fold("The settings of this run.", show.settingsTable(settings)));
