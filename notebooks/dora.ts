// %% [markdown]
// # DoRA: Weight-Decomposed Low-Rank Adaptation
//
// Liu, Wang, Yin, Molchanov, Wang, Cheng & Chen, 2024, [arXiv:2402.09353](https://arxiv.org/abs/2402.09353).
//
// DoRA gives each row of a weight matrix a trained length, and lets LoRA change the row's direction alone. The paper
// reports that this beats LoRA at the same rank, often at half of it. This page builds the method by hand, and asks what
// a trained length is good for: on a toy whose best answer is known, and on text.

// %% What was found

import { defineSettings, display, md, meanStd, opening, replication, table } from "./support/index.ts";

const found = opening();
const settings = defineSettings({
  rank: { quick: 4, about: "r of LoRA and DoRA; DoRA is tried at half of it, too", min: 2 },
  toys: { quick: 20, about: "seeds of the toy", min: 1 },
  toySteps: { quick: 120, full: 600, about: "steps of training each toy", min: 2 },
  steps: { quick: 40, full: 160, about: "steps on text; the rates are chosen at half of them", min: 4 },
  nearSteps: { quick: 40, full: 300, about: "the same on the near shift, with twice the rows", min: 4 },
  rates: { quick: [1.4e-2], full: [7e-3, 1.4e-2, 2.8e-2], about: "learning rates tried on text" },
  seeds: { quick: 1, full: 5, about: "runs on text of each method from each base", min: 1 },
  bases: { quick: 1, full: 2, about: "bases that know the restaurants, at most 2", min: 1 },
  held: { quick: 64, full: 512, about: "held-out rows that are reported", min: 32 },
  width: { quick: 128, about: "width of the model whose memory is measured", min: 8 },
});
const { rank, steps, seeds } = settings;

// %% [markdown]
// ## A row has a length and a direction
//
// A linear layer computes $y = W_0 x$. Each row of $W_0$ belongs to one output, which is large where the input points
// the way the row does. So a row says two things: its *direction* says what the output looks for, and its *length*, or
// magnitude, how strongly the output answers. LoRA adds a product $B A$ of two thin matrices, of rank $r$, to $W_0$.
// That turns a row and changes its length in one go. DoRA keeps the two apart.

// %% One row as an arrow

import { rowPicture } from "./papers/dora/pictures.ts";

display(rowPicture([2.1, 0.9], [-0.9, 1.6], 1.5));

// %% [markdown]
// In symbols (equations 2 and 5), with one length $m_n$ for each row $n$, and $\lVert \cdot \rVert$ for all rows' lengths,
//
// $$W_0 = m \, \frac{W_0}{\lVert W_0 \rVert} \;\text{ where }\; m = \lVert W_0 \rVert, \qquad W' = m \, \frac{V'}{\lVert V' \rVert} \;\text{ where }\; V' = W_0 + B A.$$
//
// $W_0$ stays frozen; $A$, $B$ and $m$ are trained. As in LoRA, $A$ starts at random and $B$ at zero, so that $V' = W_0$
// and $W' = W_0$ at the start. Here is the whole method on three rows of two numbers.

// %% W′ by hand

import { matmul, type Tensor, tensor } from "lowrank/autograd";

const W0 = tensor([2, 1, 0, 3, 1, -1], [3, 2]); // [out, in]
const A = tensor([1, 2], [1, 2]); //               [r, in], r = 1
const lengths = (W: Tensor): Tensor => W.norm(1, { keepdims: true }); // [out, 1]
function decomposed(B: Tensor, m: Tensor): Tensor {
  const V = W0.add(matmul(B, A)); //                V′ = W0 + B A
  return V.mul(m.div(lengths(V))); //               W′ = m V′/‖V′‖
}
const atStart = decomposed(tensor([0, 0, 0], [3, 1]), lengths(W0));
const later = decomposed(tensor([-0.5, 0.25, 1], [3, 1]), tensor([1, 3, 2], [3, 1]));
const row = (W: Tensor, n: number): string =>
  Array.from(W.toArray().slice(2 * n, 2 * n + 2), (w) => w.toFixed(2)).join(", ");
const handRows = [0, 1, 2].map((n) => ({
  "row of W₀": row(W0, n),
  length: lengths(W0).toArray()[n],
  "of W′, at the start": row(atStart, n),
  "of W′, later": row(later, n),
  "length ": lengths(later).toArray()[n],
}));
display(table(handRows, { note: "Later: B = (−0.5, 0.25, 1), m = (1, 3, 2). A row is as long as m says." }));

// %% [markdown]
// ## The gradients
//
// Take one row $v$ of $V'$, let $w' = m\,v/\lVert v \rVert$ and $G = \partial L/\partial w'$. By the product rule
// (equations 6 and 7)
//
// $$\frac{\partial L}{\partial v} = \frac{m}{\lVert v \rVert} \left( I - \frac{v v^\top}{\lVert v \rVert^2} \right) G, \qquad \frac{\partial L}{\partial m} = \frac{\langle G, v \rangle}{\lVert v \rVert}.$$
//
// The bracket takes from $G$ its part along $v$, since a direction does not change by growing longer; that part goes to
// the length instead. But to keep the bracket until the backward pass costs a copy of every $V'$. §4.3 of the paper
// therefore treats $C = \lVert v \rVert$ as a constant (equation 11): $\partial L/\partial v \approx (m/C)\, G$, with
// $\partial L/\partial m$ as before. How wrong is that? The two differ by the part of $G$ along $v$. And
// $\langle G, v \rangle = 0$ is the condition for the length to be at its best. **So the constant is exact as soon as
// the lengths have settled.** All of this can be tried in double precision, on $L = \tfrac12 \lVert W' - T \rVert^2$,
// for which $G = W' - T$ and the best lengths are known.

// %% Autograd against the formulas

import { random, withPrecision } from "lowrank/core";

const leaf = ({ value, shape }: Tensor): Tensor => tensor(value.data.slice(), shape, { requiresGrad: true });
const apart = (a: Tensor, b: Tensor): number => a.sub(b).abs().max().item() / b.abs().max().item();
function trial(V: Tensor, T: Tensor, start: Tensor, constant = false) {
  const [v, m] = [leaf(V), leaf(start)];
  const C = constant ? lengths(v).detach() : lengths(v);
  const W = v.mul(m.div(C));
  W.sub(T).square().sum().mul(0.5).backward();
  const G = W.detach().sub(T);
  const along = G.mul(V).sum(1, { keepdims: true }).div(lengths(V)); //      ⟨G, v⟩/‖v‖   (7)
  const simple = G.mul(start.div(lengths(V))); //                            (m/C) G      (11)
  const part = V.mul(along.div(lengths(V))).mul(start.div(lengths(V))); //   (m/‖v‖) v vᵀ/‖v‖² G
  const [ofV, ofM] = [v.grad, m.grad].map((g) => (g as Tensor).detach());
  return { six: apart(ofV, simple.sub(part)), seven: apart(ofM, along), eleven: apart(ofV, simple) };
}
const gradients = withPrecision("float64", () => {
  const rng = random(1);
  const draw = (rows: number, columns: number): Tensor => tensor(rng.normal(rows * columns), [rows, columns]);
  const [V, T, any] = [draw(10, 14), draw(10, 14), draw(10, 1)];
  const best = V.mul(T).sum(1, { keepdims: true }).div(lengths(V)); // the lengths at which L is least
  return [trial(V, T, any), trial(V, T, any, true), trial(V, T, best, true)];
});

// %% What the paper says of them

import { captions, claims, notes } from "./papers/dora/claims.ts";

const [free, constant, settled] = gradients;
const exact = (error: number) => ({
  measured: `largest relative difference ${error.toExponential(0)}`,
  verdict: error < 1e-12,
});
display(
  replication([
    { ...claims.direction, ...exact(free.six) },
    { ...claims.length, ...exact(Math.max(free.seven, constant.seven)) },
    { ...claims.constant, ...exact(constant.eleven) },
  ]),
);
display(md`
  For lengths drawn at random the constant changes the gradient of the direction by up to
  ${(100 * constant.six).toFixed(0)} % of its largest entry. At the best lengths it changes it by
  ${settled.six.toExponential(0)}, which is rounding.
`);

// %% [markdown]
// ## The library's lines
//
// The library never forms $W'$. With $g = m/\lVert V' \rVert$, one number for each output, $W' x = g \circ (W_0 x + B A x)$,
// and all that is added to the frozen layer's output is $W' x - W_0 x$:

// %% DoRA in the library

import { DoRA, viewWeight } from "lowrank/lora";
import { Linear } from "lowrank/nn";
import { libraryLines } from "./support/index.ts";

display(libraryLines("lora/dora.ts", "override delta(", "return Wx.sub(base)"));
display(libraryLines("lora/dora.ts", "gain(W0: WeightView)", "return where"));
const same = withPrecision("float64", () => {
  const layer = viewWeight(new Linear(16, 12, { bias: false, rng: random(1) }));
  const part = new DoRA(layer, { rank: 4, alpha: 4, rng: random(2) });
  part.B.assign(random(3).normal(12 * 4)); // as if trained
  part.m.assign(random(4).uniform(12, 0.5, 2));
  const x = tensor(random(5).normal(6 * 16), [6, 16]);
  const V = layer.weight().add(matmul(part.B, part.A));
  const byHand = matmul(x, V.mul(part.m.reshape(12, 1).div(lengths(V))).T); // W′ x
  const byLibrary = layer.project(x).add(part.delta(layer, x, layer.project(x)));
  return byHand.sub(byLibrary).abs().max().item();
});
display(md`By hand and by the library, W′ x differs by at most ${same.toExponential(0)}.`);

// %% [markdown]
// The paper's text and the authors' code differ in four places; the library follows the code. Where the text has one
// length for each column of $W$, the code has one for each output, a row. The factor on $B A$, absent from equation 5,
// is LoRA's $\alpha / r$. Dropout, not mentioned, acts on the input of both terms of the change. And where a row of
// $V'$ is zero, $0/0$ in equation 5, $g$ is 1, so that $B$ can still learn.
//
// ## What is a length good for? A toy with a known answer
//
// LoRA's change of $W_0$ has rank $r$ at most. Double a row, and halve another: multiplying rows by numbers of their own
// is $\mathrm{diag}(s) W_0 - W_0$, a change of *full* rank. The Eckart–Young theorem says how near an update of rank
// $r$ can come to any change: it leaves the sum of the squares of all singular values but the first $r$. DoRA makes the
// same change with one number for each row. The toy below has $32 \times 32$ weights and three kinds of goal $W^*$:
//
// - *a low-rank update*: $W^* = W_0 + U V^\top$ of rank 4. LoRA's home; lengths should not help;
// - *scaled rows*: $W^* = \mathrm{diag}(s)\, W_0$, with factors between ½ and 2. DoRA's home;
// - *both*: $W^* = \mathrm{diag}(s)\,(W_0 + U V^\top)$.
//
// Each method is trained with AdamW on $\lVert W' - W^* \rVert^2 / \lVert W^* - W_0 \rVert^2$, at the best of four
// learning rates, found with other seeds.

// %% Three goals, four ranks

import { toyPicture } from "./papers/dora/pictures.ts";
import { compareToys, type ToyResult } from "./papers/dora/planted.ts";

const [ranks, toySeeds] = [[1, 2, 4, 8], settings.toys];
const toys: ToyResult[] = compareToys({ ranks, seeds: toySeeds, steps: settings.toySteps });
const picture = toyPicture(toys);
display(picture);
const errorsOf = (kind: string, method: string, r: number): readonly number[] =>
  toys.find((one) => one.kind === kind && one.method === method && one.r === r)?.errors ?? [];

// %% The claims of table 1, on the toy

import { mean } from "./support/experiments/statistics.ts";
import { above, below, every, lower, noWorse } from "./support/index.ts";

const ahead = (kind: string, r: number, of: number) =>
  lower(errorsOf(kind, "DoRA", r), errorsOf(kind, "LoRA", of), { par: 0.005 });
const toyMean = (kind: string, method: string, r: number): number => mean(errorsOf(kind, method, r));
const toyGap = (kind: string, r: number): string =>
  (toyMean(kind, "DoRA", r) - toyMean(kind, "LoRA", r)).toFixed(3).replace("-", "−");
const better = (kind: string, at: number[]) => ({
  verdict: every(at.map((r) => ahead(kind, r, r))),
  measured: `mean differences ${at.map((r) => toyGap(kind, r)).join(", ")} at r = ${at.join(", ")}`,
});
const toyClaims = [
  { ...claims.toyBoth, ...better("both", ranks) },
  { ...claims.toyLow, ...better("a low-rank update", [4, 8]) },
  { ...claims.toyHalf, verdict: ahead("both", 4, 8) },
];
display(replication(toyClaims, `Errors of ${toySeeds} toys of each kind, δ = 0.005`));

// %% [markdown]
// LoRA does all that a rank allows, and DoRA does what no rank allows: at half the rank it leaves less error. But the
// three panels say only this: **a length helps if the lengths of the rows must change, each in its own way.** Whether
// text asks for that is a question for text.
//
// > **Change this and run again.** `npm start -- dora --set toySteps=50` shows DoRA before it has learned: its error at
// > *scaled rows* grows with the rank, since at first $B A$ turns rows that need no turning.
//
// ## Text: from code to English
//
// The base is a GPT-2 of four blocks, 64 wide, that has read TypeScript declarations, character by character. It is
// adapted to the English of their comments, of which it has seen next to nothing. The training loop, in full, with the
// library's DoRA on every linear layer and $\alpha = 2r$:

// %% The base, before

import { forwardPass } from "./papers/dora/memory.ts";
import { excerpt, sample, written } from "./papers/dora/texts.ts";
import { farShiftOf, readersShift } from "./support/index.ts";

const reported = settings.held;
const far = readersShift({ models: ["gpt2"] }) ?? farShiftOf("declarations", { reported });
const model = far.copy();
const passes = [forwardPass(model, sample(far, 20))];
const texts = [excerpt(far, 60), written(far, model, "The ")];

// %% Inject, loss, backward, step, merge

import { scope } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, linearDecay, nextTokenLoss } from "lowrank/nn";

const adapted = inject(model, { method: "dora", rank, alpha: 2 * rank, target: "all-linear", seed: 1 });
const trained = adapted.parameters().filter((one) => one.requiresGrad); // A, B and m of every layer
const optimizer = new AdamW(trained, { lr: 1e-2, weightDecay: 0 });
const decay = linearDecay({ warmup: steps / 10, total: steps });
for (let step = 0; step < steps; step++)
  scope(() => {
    const { ids, labels } = far.domain.batch(4, random(7).split(step));
    nextTokenLoss(model, ids, labels).backward();
    optimizer.groups[0].lr = 1e-2 * decay(step);
    optimizer.step();
    optimizer.zeroGrad();
  });
passes.push(forwardPass(model, sample(far, 20)));
adapted.merge();
passes.push(forwardPass(model, sample(far, 20)));
texts.push(written(far, model, "The "));

// %% Before and after

const who = ["(a held-out text)", "the base", `after ${steps} steps of DoRA`];
const lines = who.map((name, i) => ({ "": name, "writes, after “The ”": texts[i] }));
display(table(lines, { volatile: true }));
const [inBase, beside, merged] = passes;
const changed = Math.max(...merged.logits.map((logit, i) => Math.abs(logit - beside.logits[i])));
display(
  replication({
    ...claims.merged,
    measured: `kernels in a forward pass: ${inBase.kernels} in the base, ${beside.kernels} with DoRA beside the layers, ${merged.kernels} merged`,
    verdict: merged.kernels === inBase.kernels && changed < 1e-3,
    note: `merging changes no output by more than ${changed.toExponential(0)}`,
  }),
);

// %% [markdown]
// ## LoRA and DoRA, each at its best rate
//
// The measure, fixed before the first run, is the **held-out loss in nats per token** (a token is a character); losses
// that differ by less than δ = 0.005 count as equal. Each method chooses among equally many learning rates by runs of
// half the steps, on seeds and held-out text used for nothing else. Then all train on the same batches, seed by seed.
// *Exact gradient* is DoRA without the constant of §4.3. *Lengths alone* trains $m$ and leaves every direction as it
// is, which says how far one number for each row goes.

// %% Six methods on the far shift

import { textArms } from "./papers/dora/arms.ts";
import { study } from "./support/experiments/study.ts";

const [δ, nearPar] = [0.005, 0.002]; // near: 2 % of what there is to gain, as on the page lora
const arms = textArms(rank, settings.rates);
const training = { steps, searchSteps: Math.ceil(steps / 2), widen: 1, rows: 4, seeds };
const onFar = study(Object.values(arms), [far], training);
const [full, lora, dora, half, precise, lengthsAlone] = onFar;
const gained = (losses: readonly number[]): number => far.before - mean(losses);

// %% What each gains

display(
  table(
    onFar.map(({ arm, rate, runs, losses }) => ({
      method: arm,
      "numbers trained": runs[0].trainable,
      "learning rate": String(rate),
      "held-out loss": meanStd(losses),
      "loss − LoRA's": arm === lora.arm ? "" : meanStd(losses.map((loss, s) => loss - lora.losses[s])),
      "gain, % of full's": (100 * gained(losses)) / gained(full.losses),
    })),
    {
      title: `From ${far.base} to ${far.name}: ${far.before.toFixed(2)} before, ${steps} steps`,
      tolerance: 0.02,
    },
  ),
);

// %% [markdown]
// ## A near shift: one house's style
//
// Now a task that asks for little. The base knows how to put a restaurant's facts into words in any of 54 styles; it is
// adapted to the one style of a house, which four rules decide. An example: `Aromi Thai cheap river>` is to be followed
// by `by the river: Aromi cooks budget Thai.`

// %% The same two methods on restaurants

import { nearShifts, nearTraining, orderSentence } from "./papers/dora/texts.ts";

const houses = nearShifts(settings.bases, reported);
const onNear = study([arms.lora, arms.dora], houses, nearTraining(training, settings.nearSteps));
const pairs = houses.map(({ base }) => onNear.filter((one) => one.base === base));
display(
  table(
    pairs.map(([l, d], i) => ({
      base: l.base,
      "loss before": houses[i].before,
      LoRA: meanStd(l.losses),
      DoRA: meanStd(d.losses),
      "DoRA − LoRA": meanStd(d.losses.map((loss, s) => loss - l.losses[s])),
      "rates, LoRA and DoRA": `${l.rate}, ${d.rate}`,
    })),
    { title: `To the style of a house, r = ${rank}, ${settings.nearSteps} steps`, tolerance: 0.1 },
  ),
);
display(md`${orderSentence([onFar, ...pairs], δ)}`);

// %% The claims of table 1, on text

const onText = lower(dora.losses, lora.losses, { par: δ });
const onHouses = every(pairs.map(([l, d]) => lower(d.losses, l.losses, { par: nearPar })));
const behind = mean(dora.losses) - mean(lora.losses);
const alone = (100 * gained(lengthsAlone.losses)) / gained(full.losses);
display(md`
  Lengths alone, ${lengthsAlone.runs[0].trainable.toLocaleString("en")} numbers, close ${alone.toFixed(0)} % of the gap that
  full fine-tuning closes, LoRA ${((100 * gained(lora.losses)) / gained(full.losses)).toFixed(0)} %. But LoRA changes lengths, too:
  what DoRA adds is to change them without spending directions of $B A$ on it.
`);
const tables = [
  { ...claims.far, verdict: onText, seeds, note: onText.verdict === "contradicted" ? notes.far : "" },
  { ...claims.near, verdict: onHouses, seeds, note: onHouses.verdict === "contradicted" ? notes.near : "" },
  { ...claims.half, verdict: noWorse(half.losses, lora.losses, { par: δ }), seeds, note: notes.half },
  { ...claims.quality, verdict: noWorse(dora.losses, precise.losses, { par: δ }), seeds },
];
display(replication(tables, `Held-out losses, δ = ${δ} nats per token, ${nearPar} on the near shift`));

// %% [markdown]
// ## How the weights move (figure 2)
//
// The paper came to DoRA by watching weights train. For the query matrices of each block it measures, at four moments,
//
// $$\Delta M = \frac1d \sum_n \bigl| m_n - m_n^0 \bigr|, \qquad \Delta D = \frac1d \sum_n \bigl( 1 - \cos(V_n, W_{0,n}) \bigr),$$
//
// the mean change of the rows' lengths and of their directions (equations 3 and 4). In its figure LoRA's points rise
// together and those of full fine-tuning and DoRA fall: large turns with small changes of length. The same measure here,
// in the runs of above.

// %% Lengths against directions

import { movedPicture, movedRows, noiseCurve } from "./papers/dora/moved.ts";

const moved = [full, lora, dora].map(({ arm, runs }) => ({ arm, runs: runs.map(({ read }) => read) }));
display(movedPicture(movedRows(moved), noiseCurve(far.copy())));

// %% [markdown]
// Why do the points rise together? Write a row's change as $\delta = \delta_\parallel + \delta_\perp$, along the row
// $w$ and at right angles to it. For small changes
//
// $$\Delta D \approx \frac{\lVert \delta_\perp \rVert^2}{2 \lVert w \rVert^2}, \qquad \Delta M \approx \Bigl| \delta_\parallel + \frac{\lVert \delta_\perp \rVert^2}{2 \lVert w \rVert} \Bigr|.$$
//
// The second term says that a row that turns under addition also grows, by $\lVert w \rVert \Delta D$: Pythagoras. And
// $\delta_\parallel$ and $\delta_\perp$ both grow from the first step to the last. So pooling *moments* of one
// training pushes the correlation up, whatever the method; in the paper's figure, differences between blocks must have
// outweighed this. To ask whether rows that turn more change their length less, one must compare rows at one moment.

// %% Correlations, pooled and within a moment

import { paperCorrelations } from "./papers/dora/claims.ts";
import { pooled, ratio, within } from "./papers/dora/moved.ts";

const correlations = moved.map(({ arm, runs }) => ({ arm, all: runs.map(pooled), last: runs.map(within) }));
display(
  table(
    correlations.map(({ arm, all, last }, i) => ({
      method: arm,
      "blocks and moments pooled": meanStd(all),
      "pooled, in the paper": paperCorrelations[i],
      "rows of a block, last moment": meanStd(last),
    })),
    { title: "Correlation of the changes of length and direction", tolerance: 0.2 },
  ),
);

// %% The claims of figure 2

const [ofFull, ofLora, ofDora] = correlations.map((one) => one.all);
const figure = [
  { ...claims.fullFalls, verdict: below(ofFull, 0), seeds, note: notes.rising },
  { ...claims.loraRises, verdict: above(ofLora, 0), seeds },
  { ...claims.doraFalls, verdict: below(ofDora, 0), seeds, note: notes.rising },
  { ...claims.doraLower, verdict: lower(ofDora, ofLora, { par: 0.05 }), seeds },
];
display(replication(figure));
const level = (arm: number): number => mean(moved[arm].runs.flatMap((run) => run.map(ratio)));
display(md`
  What tells the methods apart is not the sign but the level: for one unit of turning, DoRA changes lengths
  ${(level(2) / level(1)).toFixed(1)} times as much as LoRA.
`);

// %% [markdown]
// ## What the constant saves (table 7)
//
// The exact gradient keeps $V'$ of every layer until the backward pass: as many numbers as there are weights, however
// small the batch. Activations, on the other hand, are a cost per token. So the constant saves much where the tokens
// are few for the width $d$ of the model, and little where they are many.

// %% One step, measured at six sizes of the batch

import { paperSavings } from "./papers/dora/claims.ts";
import { normSavings } from "./papers/dora/memory.ts";
import { linePlot } from "./support/index.ts";

const savings = normSavings(settings.width, rank, [1, 2, 4, 8, 16, 32]);
const less = (now: number, then: number): number => 100 * (1 - now / then);
const curves = savings.flatMap(({ tokens, constant, exact, peaks }) => [
  { tokens: tokens / settings.width, of: "saved for backward", less: less(constant, exact) },
  { tokens: tokens / settings.width, of: "peak of all memory", less: less(peaks.constant, peaks.exact) },
]);
const scales = { x: "tokens", y: "less", series: "of", xScale: "log", references: paperSavings } as const;
const axes = { xLabel: "tokens of a batch / width d", yLabel: "memory saved, %" };
const title = "Memory that the constant norm saves";
display(linePlot(curves, { ...scales, ...axes, title, caption: captions.saving }));

// %% To the byte

const more = [...new Set(savings.map(({ constant, exact }) => exact - constant))];
display(
  replication({
    ...claims.kept,
    measured: `${more.join("; ")} bytes more at every batch; predicted: ${savings[0].expected}`,
    verdict: savings.every(({ constant, exact, expected }) => exact - constant === expected),
  }),
);

// %% [markdown]
// > **Change this and run again.** `npm start -- dora --set width=64` moves the curve's points to the right: the width
// > halves and the batches stay. `npm start -- dora --full --set rank=1` asks all questions of text at rank 1, where
// > the paper's table 15 sees the largest gaps.
//
// ## On other pages, and left out
//
// *[Compare](compare.html)* sets all methods of this library beside each other on the same far shift. *[LoRA](lora.html)*
// finds LoRA on a par with full fine-tuning on the near one, where here, too, everybody learns the task. The paper's own
// evidence is from models of 7 to 13 billion weights on eight question-answering sets, from pictures, and from a judged
// conversation (tables 1 to 5): nothing here contradicts those numbers, or could. *[Errata](errata.html)* recomputes them.

// %% Settings of this run

import { inWords } from "./papers/dora/claims.ts";
import { fold, settingsTable } from "./support/index.ts";

display(fold("The settings of this run.", settingsTable(settings)));
const [toyDora, toyLora] = [toyMean("both", "DoRA", 4), toyMean("both", "LoRA", 8)];
found.show(
  md`
    **A trained length for each row is worth much where the rows must change their lengths, each in its own way, and nothing
    where a low-rank change is all that is asked for.** On a toy that asks for both, DoRA of rank 4 leaves an error of
    ${toyDora.toPrecision(2)}, and LoRA of rank 8 one of ${toyLora.toPrecision(2)}. On text, from ${far.base}
    to ${far.name}, the lengths alone, ${lengthsAlone.runs[0].trainable.toLocaleString("en")} numbers, close ${alone.toFixed(0)} % of the
    gap that full fine-tuning closes. But LoRA can change them as well: with ${(100 * (dora.runs[0].trainable / lora.runs[0].trainable - 1)).toFixed(0)} % more numbers DoRA
    ${inWords[onText.verdict]} (${behind >= 0 ? "+" : "−"}${Math.abs(behind).toFixed(3)} nats per token, where LoRA gains
    ${gained(lora.losses).toFixed(2)}). The constant norm that makes DoRA cheap has an exact gradient once the lengths have settled.
  `,
  picture,
);
