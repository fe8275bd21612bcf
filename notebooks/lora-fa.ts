// %% [markdown]
// # LoRA-FA: Memory-efficient Low-rank Adaptation by Freezing A
//
// Zhang, Zhang, Shi, Chu & Li, 2023, [arXiv:2308.03303](https://arxiv.org/abs/2308.03303).
//
// LoRA-FA freezes $A$ as it was drawn and trains $B$ alone, so that the backward pass no longer needs the layers'
// inputs. This page predicts to the byte what must be kept in memory, measures it, and asks what the frozen $A$ costs in
// quality. Of the paper only the abstracts of its two versions were at hand: the claims tested are theirs, and none of
// its tables is quoted or repeated.

// %% What was found

import { defineSettings, display, md, meanStd, opening, replication, table } from "./support/index.ts";

const found = opening();
const settings = defineSettings({
  rank: { quick: 4, about: "r of LoRA and LoRA-FA; LoRA-FA is tried at twice the rank, too", min: 1 },
  ranks: { quick: [1, 8, 32], full: [1, 2, 4, 8, 16, 32], about: "ranks of the memory", min: 1 },
  width: { quick: 256, about: "width d of the model whose memory is measured", min: 32 },
  steps: { quick: 40, full: 160, about: "steps on text; the rates are chosen at half of them", min: 4 },
  nearSteps: { quick: 40, full: 300, about: "the same on the near shift, with twice the rows", min: 4 },
  rates: { quick: [1.4e-2], full: [7e-3, 1.4e-2, 2.8e-2], about: "LoRA's learning rates tried" },
  seeds: { quick: 1, full: 5, about: "runs of each method from each base", min: 1 },
  bases: { quick: 1, full: 2, about: "bases that know the restaurants, at most 2", min: 1 },
  held: { quick: 64, full: 512, about: "held-out rows that are reported", min: 32 },
  turns: { quick: 3, full: 20, about: "turns in which steps are timed", min: 1 },
});
const { rank, steps, seeds, width: d } = settings;

// %% [markdown]
// ## What does the backward pass need?
//
// A layer with LoRA computes $h = W_0 x + s B A x$, where $s = \alpha / r$. Write $z = A x$, which is $r$ numbers for
// each token, and $g = \partial L / \partial h$. Then
//
// $$\frac{\partial L}{\partial B} = s \, g \, z^\top, \qquad \frac{\partial L}{\partial A} = s \, B^\top g \, x^\top, \qquad \frac{\partial L}{\partial x} = W_0^\top g + s \, A^\top B^\top g.$$
//
// The first needs $z$. The third needs only weights. The second alone needs $x$, all $d_{in}$ numbers for each token, and
// a frozen $A$ does without it. (Full fine-tuning needs $x$, too: $\partial L / \partial W = g x^\top$.)

// %% Which arrays live until the backward pass

import { arraysPicture } from "./papers/lora-fa/pictures.ts";

display(arraysPicture(d, 8));

// %% By hand: B's gradient after x is gone

import { matmul, noGrad, type Tensor, tensor } from "lowrank/autograd";
import { random } from "lowrank/core";

const rng = random(1);
const draw = (...shape: [number, number]): Tensor =>
  tensor(rng.normal(shape[0] * shape[1]), shape, { requiresGrad: true });
const [W0, A, B] = [draw(5, 6).detach(), draw(2, 6), draw(5, 2)]; // [out, in], [r, in], [out, r]
const x = draw(3, 6); //                                           three tokens [3, in]
const z = matmul(x, A.T); //                                       A x           [3, r]
const h = matmul(x, W0.T).add(matmul(z, B.T)); //                  W0 x + B A x  [3, out]
h.square().sum().mul(0.5).backward(); //                           L = ½‖h‖², so that g = h
const byHand = noGrad(() => {
  const g = h.detach();
  const gB = matmul(g, B); //                                      Bᵀ g          [3, r]
  return { B: matmul(g.T, z), x: matmul(g, W0).add(matmul(gB, A)), A: matmul(gB.T, x) };
});
const gap = (of: Tensor, hand: Tensor): number => (of.grad as Tensor).sub(hand).abs().max().item();
display(
  table([
    { gradient: "∂L/∂B", needs: "g and z: r numbers for each token", "by hand − backward": gap(B, byHand.B) },
    { gradient: "∂L/∂x", needs: "g and weights", "by hand − backward": gap(x, byHand.x) },
    { gradient: "∂L/∂A", needs: "g, weights and x", "by hand − backward": gap(A, byHand.A) },
  ]),
);

// %% [markdown]
// ## The library's lines
//
// LoRA-FA needs no code of its own for this. Each operation declares, for every input, its derivative and the values
// that this needs. If an input is frozen, its derivative is dropped, and with it the values that nobody else asks for.
// In a matrix product $A B$, the factor $A$ is kept for $\bar B$ alone:

// %% A is frozen; the product drops what only A's gradient needs

import { libraryLines } from "./support/index.ts";

display(libraryLines("lora/lora-fa.ts", "this.A.requiresGrad = false"));
display(libraryLines("autograd/ops/matmul.ts", "{ input: a, saves: [b]", "{ input: b, saves: [a]"));

// %% [markdown]
// ## A prediction
//
// So for each token a layer keeps $d_{in}$ numbers with full fine-tuning, $d_{in} + r$ with LoRA, and $r$ with LoRA-FA.
// A block of GPT-2 of width $d$ has four linear layers, whose inputs are $d$, $d$, $d$ and $4 d$ wide. Nothing else
// keeps these arrays. **LoRA should keep exactly $7 d$ numbers more than LoRA-FA for each token and block, at every
// rank**, and LoRA-FA's adapters should keep $4 r$. The meter counts bytes as they are allocated.

// %% Predicted and measured, by rank

import { captions, claims, notes } from "./papers/lora-fa/claims.ts";
import { keptByRank } from "./papers/lora-fa/memory.ts";
import { linePlot } from "./support/index.ts";

const kept = keptByRank(d, settings.ranks);
display(
  linePlot(
    (["LoRA", "LoRA-FA"] as const).flatMap((method) =>
      kept.rows.map((row) => ({ r: row.r, method, numbers: row[method] })),
    ),
    {
      ...{ x: "r", y: "numbers", series: "method", xScale: "log", yScale: "log", xTicks: settings.ranks },
      ...{ xLabel: "rank r", yLabel: "numbers kept for each token and block", caption: captions.byRank },
      title: `What the adapters keep for backward, d = ${d}`,
    },
  ),
);
// %% To the byte

const most = settings.ranks[settings.ranks.length - 1];
display(
  replication([
    {
      ...claims.inputs,
      measured: `7 d numbers fewer for each token and block: ${kept.exact ? "every byte is as predicted" : "not as predicted"}`,
      verdict: kept.exact,
    },
    {
      ...claims.flat,
      measured: `+${kept.growth.toFixed(1)} % of all that is saved, from r = ${settings.ranks[0]} to ${most}`,
      verdict: kept.growth < 10,
      note: `under 10 % counts as hardly; r = ${most} is d/${d / most}`,
    },
  ]),
);

// %% [markdown]
// ## When is memory 1.4 times lower?
//
// Not only inputs are kept. Let $F$ be what does not depend on the number of tokens $t$ (weights, adapters, optimizer),
// $C$ what every method keeps for a token, and $I$ the layers' inputs. Then
//
// $$\frac{\text{memory of LoRA}}{\text{memory of LoRA-FA}} = \frac{F + t\,(C + I)}{F + t\,C} \;\longrightarrow\; 1 + \frac{I}{C} \quad \text{for many tokens.}$$

// %% The ratio against the number of tokens

import { compared, TIME } from "./papers/lora-fa/memory.ts";

const small = d / 4;
const ratios = [1, 2, 4, 8, 16].flatMap((rows) =>
  [1, small / 8].map((r) => ({
    "tokens / d": (rows * TIME) / small,
    rank: `LoRA, r = ${r}`,
    ratio: compared({ d: small, rank: r, rows }).ratio,
  })),
);
const highest = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a));
display(
  linePlot(ratios, {
    ...{ x: "tokens / d", y: "ratio", series: "rank", xScale: "log", yLabel: "memory of LoRA / of LoRA-FA" },
    title: `Weights, adapters, gradients, optimizer and what is saved, d = ${small}`,
    references: [{ y: 1.4, name: "the abstract: up to 1.4" }],
    caption: captions.ratio,
  }),
);

// %% Dropout and checkpointing

const size = { d: small, rank: 8, rows: 8 };
const variants = [
  { variant: "as above", ...compared(size) },
  { variant: "dropout 0.05 in both", ...compared({ ...size, dropout: 0.05 }) },
  { variant: "blocks checkpointed", ...compared({ ...size, checkpointed: true }) },
];
display(
  table(
    variants.map(({ variant, lora, fa, ratio }) => ({
      variant,
      "LoRA saves, KiB": Math.round(lora.saved / 1024),
      "LoRA-FA saves, KiB": Math.round(fa.saved / 1024),
      "all memory, ratio": ratio.toFixed(2),
    })),
    { title: `d = ${small}, r = 8, ${8 * TIME} tokens` },
  ),
);
const reached = `${highest.ratio.toFixed(2)} times at ${highest["tokens / d"]} tokens / d`;
display(
  replication({ ...claims.overall, measured: reached, verdict: highest.ratio >= 1.35, note: notes.counted }),
);

// %% [markdown]
// Dropout keeps a mask as large as $x$ in every adapted layer, with both methods, so what LoRA-FA saves is a smaller part
// of the whole. Checkpointing keeps the input of each block only and computes the rest again in the backward pass, so
// LoRA-FA saves the inputs of one block instead of all.
//
// ## And the peak?
//
// What is *kept for backward* is not all that is in memory at the worst moment. Each operation of the forward pass makes
// an array, and this library gives it back at the end of a training step, whether the backward pass needs it or not.

// %% The highest moment of a step

import { LAYERS, measure } from "./papers/lora-fa/memory.ts";

const MIB = 2 ** 20;
const peaks = [1, 4, 16].map((rows) => {
  const of = { d: small, rank: 8, rows };
  return { rows, full: measure({ ...of, method: "full" }), ...compared(of) };
});
display(
  table(
    peaks.map(({ rows, full, lora, fa }) => ({
      "tokens / d": (rows * TIME) / small,
      "full, MiB": (full.peak / MIB).toFixed(1),
      "LoRA, MiB": (lora.peak / MIB).toFixed(1),
      "LoRA-FA, MiB": (fa.peak / MIB).toFixed(1),
      "LoRA / LoRA-FA": (lora.peak / fa.peak).toFixed(2),
    })),
    { title: `Peak of all memory, d = ${small}, r = 8` },
  ),
);

// %% The peak of the abstract

const best = Math.max(...peaks.map(({ lora, fa }) => lora.peak / fa.peak));
display(replication({ ...claims.peak, measured: `${best.toFixed(2)} times at most`, verdict: best >= 1.35 }));

// %% LoRA's peak and full fine-tuning's

const { rows, full: fullStep, lora: loraStep } = peaks[peaks.length - 1];
const temporaries = loraStep.memory.workspace - fullStep.memory.workspace;
const extra = temporaries / (4 * LAYERS * rows * TIME) / small;
display(md`
  With few tokens LoRA's peak is far below full fine-tuning's, which has gradients and two moments for every weight. At
  ${(rows * TIME) / small} tokens / d it is ${loraStep.peak > fullStep.peak ? "above" : "below"} it. Each adapted layer makes
  two more arrays of its output's size, B z and the sum W₀x + s B z. The outputs of a block are 3 d + d + 4 d + d = 9 d
  wide: 18 d numbers for each token and block. Measured are ${extra.toFixed(1)} d more temporaries. No gradient needs them.
`);

// %% [markdown]
// > **Change this and run again.** `npm start -- lora-fa --set ranks=1,64,256` goes on to $r = d$: LoRA-FA's line meets
// > LoRA's, and nothing is saved that matters. `--set width=512` moves every ratio towards 1 at the same batch.
//
// ## Training it
//
// The base knows how to put a restaurant's facts into words in any of 54 styles; a house has one, given by four rules.
// There `Aromi Thai cheap river>` is to be followed by `by the river: Aromi cooks budget Thai.`

// %% The base, before

import { houseAnswer, nearShifts, nearTraining, orderSentence, written } from "./papers/dora/texts.ts";

const reported = settings.held;
const houses = nearShifts(settings.bases, reported);
const [near] = houses;
const model = near.copy();
const prompts = ["Aromi Thai cheap river>", "Zizzi French pricey docks>"];
const before = prompts.map((prompt) => written(near, model, prompt, { line: true }));

// %% Inject, loss, backward, step, merge

import { scope } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, linearDecay, nextTokenLoss } from "lowrank/nn";

const adapted = inject(model, { method: "lora-fa", rank, alpha: 2 * rank, target: "all-linear", seed: 1 });
const trained = adapted.parameters().filter((one) => one.requiresGrad); // B of every layer
const optimizer = new AdamW(trained, { lr: 2e-2, weightDecay: 0 });
const decay = linearDecay({ warmup: steps / 10, total: steps });
for (let step = 0; step < steps; step++)
  scope(() => {
    const { ids, labels } = near.domain.batch(4, random(7).split(step));
    nextTokenLoss(model, ids, labels).backward(); // A has no gradient: no layer keeps its input
    optimizer.groups[0].lr = 2e-2 * decay(step);
    optimizer.step();
    optimizer.zeroGrad();
  });
adapted.merge();
const after = prompts.map((prompt) => written(near, model, prompt, { line: true }));

// %% Before and after

import { samples } from "./support/index.ts";

display(
  samples(
    prompts.map((facts, i) => ({
      facts,
      "the base writes": before[i],
      [`after ${steps} steps`]: after[i],
      "this house writes": houseAnswer(facts),
    })),
  ),
);

// %% [markdown]
// ## What does the frozen A cost?
//
// The measure, fixed before the first run, is the **held-out loss in nats per token** (a token is a character); losses
// that differ by less than δ = 0.005 count as equal. Every method chooses among equally many learning rates by runs of
// half the steps, on seeds and held-out text used for nothing else, and trains on the same batches, seed by seed. At
// twice the rank LoRA-FA trains about as many numbers as LoRA. *Corrected*: the later version's method, see below.
//
// First a far shift: the base has read TypeScript declarations, and is adapted to the English of their comments.

// %% From code to English

import { qualityArms } from "./papers/lora-fa/arms.ts";
import { mean } from "./support/experiments/statistics.ts";
import { study } from "./support/experiments/study.ts";
import { farShiftOf, readersShift } from "./support/index.ts";

const δ = 0.005;
const far = readersShift({ models: ["gpt2"] }) ?? farShiftOf("declarations", { reported });
const arms = qualityArms(rank, settings.rates);
const training = { steps, searchSteps: Math.ceil(steps / 2), widen: 1, rows: 4, seeds };
const onFar = study(Object.values(arms), [far], training);
const [full, lora, fa, doubled, corrected] = onFar;
const gain = (losses: readonly number[]): number =>
  (100 * (far.before - mean(losses))) / (far.before - mean(full.losses));

// %% What each gains

display(
  table(
    onFar.map(({ arm, rate, runs, losses }) => ({
      method: arm,
      "numbers trained": runs[0].trainable,
      "learning rate": String(Number(rate.toPrecision(2))),
      "saved, KiB": Math.round(runs[0].memory.saved / 1024),
      "held-out loss": meanStd(losses),
      "gain, % of full's": gain(losses),
    })),
    {
      title: `From ${far.base} to ${far.name}: ${far.before.toFixed(2)} before, ${steps} steps`,
      tolerance: 0.02,
    },
  ),
);

// %% Quality against memory

import { outcomePicture } from "./papers/lora-fa/pictures.ts";

const picture = outcomePicture(
  [full, lora, fa, doubled].map(({ arm, runs, losses }) => ({
    method: arm,
    loss: mean(losses),
    saved: runs[0].memory.saved / 1024,
  })),
  `From ${far.base} to ${far.name}, ${steps} steps: quality against memory`,
);
display(picture);

// %% [markdown]
// Now the near shift, the house of above. It asks for little, so a frozen $A$ may be enough.

// %% To the style of a house

import { every, lower, noWorse } from "./support/index.ts";

const onNear = study([arms.lora, arms.fa], houses, nearTraining(training, settings.nearSteps));
const pairs = houses.map(({ base }) => onNear.filter((one) => one.base === base));
display(
  table(
    pairs.map(([l, f], i) => ({
      base: l.base,
      "loss before": houses[i].before,
      LoRA: meanStd(l.losses),
      "LoRA-FA": meanStd(f.losses),
      "LoRA-FA − LoRA": meanStd(f.losses.map((loss, s) => loss - l.losses[s])),
    })),
    { title: `To the style of a house, r = ${rank}, ${settings.nearSteps} steps`, tolerance: 0.1 },
  ),
);
display(md`${orderSentence([onFar, ...pairs], δ)}`);

// %% The abstracts' claims on quality

import { inWords } from "./papers/lora-fa/claims.ts";

const par = { par: δ };
const nearPar = 0.002; // 2 % of what there is to gain, as on the page lora
const vsLora = noWorse(fa.losses, lora.losses, par);
const vsFull = noWorse(fa.losses, full.losses, par);
const onHouses = every(pairs.map(([l, f]) => noWorse(f.losses, l.losses, { par: nearPar })));
const quality = [
  { ...claims.near, verdict: onHouses, seeds, note: onHouses.verdict === "contradicted" ? notes.near : "" },
  { ...claims.far, verdict: vsLora, seeds, note: notes.far },
  { ...claims.full, verdict: vsFull, seeds, note: vsFull.verdict === "contradicted" ? notes.full : "" },
  { ...claims.better, verdict: lower(corrected.losses, fa.losses, par), seeds },
];
display(replication(quality, `Held-out losses, δ = ${δ} nats per token, ${nearPar} on the near shift`));
const vsDoubled = noWorse(doubled.losses, lora.losses, par);
display(md`
  And at twice the rank, with about as many trained numbers as LoRA? There LoRA-FA ${inWords[vsDoubled.verdict]} LoRA
  (${vsDoubled.why}). More rank gives more directions of the input to see, and costs hardly any memory.
`);

// %% [markdown]
// ## The gradient correction
//
// The paper's later version corrects the gradient of $B$. With $G = \partial L / \partial W$ and $W = W_0 + s B A$,
// training sees $g_B = s\, G A^\top$. A step $g'$ of $B$ changes $W$ by $s\, g' A$. The step whose effect is nearest to
// $G$ solves a least-squares problem:
//
// $$\min_{g'} \lVert s\, g' A - G \rVert^2 \;\Rightarrow\; g' = \tfrac1{s^2} \, g_B (A A^\top)^{-1}, \qquad s\, g' A = G A^\top (A A^\top)^{-1} A,$$
//
// and its effect is $G$ projected onto the span of $A$'s rows: the gradient of full fine-tuning, as far as a frozen $A$
// can follow it, whatever $\alpha$ and the size of $A$. Adam divides each number of the gradient by its usual size, so
// under Adam only the part of $A A^\top$ off its diagonal makes a difference. For a random $A$ that part is small.

// %% The correction, and the space of ΔW

import { correctionError, outsideOf } from "./papers/lora-fa/correction.ts";

display(libraryLines("lora/lora-fa.ts", "correctGradient(): void", "assign(product(gradValue"));
const worst = Math.max(correctionError({ alpha: 6 }), correctionError({ alpha: 60 }));
const outside = Math.max(...Array.from(adapted.adapter("default").values(), outsideOf));
display(
  replication([
    {
      ...claims.correction,
      measured: `relative difference ${worst.toExponential(0)}, α = 6 and 60`,
      verdict: worst < 1e-6,
      note: notes.ridge,
    },
    {
      ...claims.span,
      measured: `at most ${outside.toExponential(0)} of ‖ΔW‖ is outside, in the model trained above`,
      verdict: outside < 1e-12,
    },
  ]),
);

// %% [markdown]
// ## Time
//
// Without $\partial L / \partial A$ each layer saves one product of $r\, d_{in}$ multiplications for each token, of about
// $2\, d_{in} d_{out}$. The first layer saves another: nothing before it trains, so not even $B^\top g$ is needed.

// %% Counted, and timed in turns

import { multiplications, products, times } from "./papers/lora-fa/memory.ts";

const step = { d: d / 2, rank: 8, rows: 2 };
const timed = (["full", "lora", "lora-fa"] as const).map((method) => ({ ...step, method }));
const counts = timed.map(products);
const milliseconds = times(timed, settings.turns);
display(
  table(
    ["full fine-tuning", "LoRA", "LoRA-FA"].map((method, i) => ({
      method,
      "matrix products": counts[i],
      "multiplications, millions": Math.round(multiplications(timed[i])),
      "fastest decile, ms": Number(milliseconds[i].toFixed(1)),
    })),
    { title: `A training step, d = ${d / 2}, r = 8, ${2 * TIME} tokens`, volatile: ["fastest decile, ms"] },
  ),
);
display(md`
  LoRA-FA runs ${counts[1] - counts[2]} products fewer than LoRA: one for each of the ${4 * LAYERS} layers, and one more for
  the first. That is ${(100 * (1 - multiplications(timed[2]) / multiplications(timed[1]))).toFixed(0)} % of the
  multiplications. The times were taken step by step in turns, and say no more than that about this machine.
`);

// %% [markdown]
// > **Change this and run again.** `npm start -- lora-fa --full --set rank=16`: at which rank does it reach LoRA's rank 4?
//
// ## On other pages, and in use
//
// *[Compare](compare.html)* has LoRA-FA beside every other method on the same far shift. A warning for users of other
// libraries: memory falls only if the *layer* drops $x$. An optimizer that leaves $A$ alone, over LoRA's layer, still
// keeps every input; in PEFT's benchmark the peak is then lower by 0.2 %.

// %% Large models, and the settings of this run

import { llamaBytes, peftBenchmark } from "./papers/lora-fa/published.ts";
import { fold, settingsTable } from "./support/index.ts";

const [ofLora, ofFA] = llamaBytes().map(({ bytes }) => bytes / 2 ** 20);
const large = `The adapters of LLaMA-7B keep ${(ofLora / 1024).toFixed(2)} GiB with LoRA and ${ofFA} MiB with LoRA-FA; PEFT's benchmark.`;
display(fold(large, table(llamaBytes()), table(peftBenchmark())));
display(fold("The settings of this run.", settingsTable(settings)));
const left = (arm: number): string => mean(pairs.map((pair) => mean(pair[arm].losses))).toPrecision(1);
const price =
  gain(fa.losses) < gain(lora.losses) ? "The price is quality on new text" : "New text sees no price";
found.show(
  md`
    **Freezing A frees the backward pass from the layers' inputs${kept.exact ? ", to the byte as predicted" : ", but not as predicted"}.** For
    each token and block of GPT-2, LoRA keeps 7 d numbers more than LoRA-FA, at every rank. What must be kept through a
    step (weights, optimizer, saved values) shrinks up to ${highest.ratio.toFixed(2)} times here, the more the more tokens there are
    for the width; the peak of this library shrinks ${best.toFixed(2)} times at most, since it gives the arrays of a forward pass back
    only when the step ends. ${price}:
    from ${far.base} to ${far.name} LoRA-FA of rank ${rank} gains ${gain(fa.losses).toFixed(0)} % of what full fine-tuning gains,
    LoRA of the same rank ${gain(lora.losses).toFixed(0)} %, and LoRA-FA of twice the rank, with about as many trained numbers as
    LoRA, ${gain(doubled.losses).toFixed(0)} %. On a near task LoRA leaves
    ${left(0)} nats and LoRA-FA ${left(1)}.
  `,
  picture,
);
