// %% [markdown]
// # LoRA+: Efficient Low Rank Adaptation of Large Models
//
// Hayou, Ghosh & Yu, 2024, [arXiv:2402.12354](https://arxiv.org/abs/2402.12354).
//
// LoRA trains its two factors $A$ and $B$ with one learning rate. LoRA+ gives $B$ a rate that is $\lambda$ times as large;
// nothing else changes. This page derives why one rate cannot fit both factors of a wide layer, sees it happen in the
// paper's two toys, and looks for the effect in a small language model.

// %% What was found

import { type Tensor, tensor } from "lowrank/autograd";
import { random, scope, withPrecision } from "lowrank/core";
import { inject, type LoRA, laws, loraPlus, trial } from "lowrank/lora";
import { AdamW, nextTokenLoss, SGD } from "lowrank/nn";
import { OneLayer } from "./papers/adalora/planted-allocation.ts";
import * as page from "./papers/lora-plus/index.ts";
import { accuracy } from "./support/experiments/evaluation.ts";
import { halfway, reordered, study } from "./support/experiments/study.ts";
import {
  defineSettings,
  display,
  fold,
  libraryLines,
  md,
  opening,
  replication,
  settingsTable,
  table,
} from "./support/index.ts";

const found = opening();

// %% Settings

const settings = defineSettings({
  ratio: { quick: 16, about: "λ of the step by hand and of the run that is shown", min: 1 },
  widths: { quick: [50, 200], full: [50, 100, 200, 400], about: "widths n of the hidden toy", min: 2 },
  toySteps: { quick: 10, about: "steps of that toy", min: 1 },
  toySeeds: { quick: 6, full: 20, about: "draws of each toy", min: 2 },
  linear: { quick: [64, 256, 1024], full: [64, 256, 1024, 4096], about: "widths of the linear toy", min: 2 },
  loop: { quick: 60, full: 200, about: "steps of the run that is shown", min: 2 },
  steps: { quick: 30, full: 120, about: "steps of the comparison on a language model", min: 2 },
  rows: { quick: 4, about: "rows of a batch there", min: 1 },
  heldOut: { quick: 256, full: 512, about: "held-out windows there, a multiple of 32", min: 32 },
  seeds: { quick: 1, full: 5, about: "runs of every ratio there", min: 1 },
  search: { quick: 0, full: 2, about: "further runs by which rates are chosen (0: not chosen)" },
});
const { ratio, toySteps, toySeeds, steps, rows, seeds, search } = settings;

// %% [markdown]
// ## The method in one line
//
// LoRA changes a layer to $h = (W^* + \tfrac{\alpha}{r} B A)\,x$ and trains $A$ and $B$. LoRA+ steps with two rates (§4):
//
// $$A \leftarrow A - \eta_A\, g_A \qquad B \leftarrow B - \eta_B\, g_B \qquad \eta_B = \lambda\,\eta_A,\quad \lambda > 1$$
//
// where $g$ is the gradient, or what an optimizer makes of it. Below are three steps of a layer of plain tensors, with
// $\alpha = r$, and the same by the library. In the library LoRA+ is neither a layer nor an optimizer, but a recipe of
// parameter groups, `loraPlus(model, { lr, ratio })`, which any optimizer takes.

// %% By hand and by the library

const [d, r, eta] = [6, 2, 0.01];
const rng = random(3);
const draw = (m: number, n: number): Tensor => tensor(rng.normal(m * n, 0, 0.5), [m, n]);
const [W, A, B, x, y] = [
  draw(d, d),
  draw(r, d),
  tensor(new Float32Array(d * r), [d, r]),
  draw(8, d),
  draw(8, d),
];
const layer = inject(new OneLayer(W), { rank: r, alpha: r, target: "layer", seed: 1 });
const [adapter] = [...layer.adapter("default").values()] as LoRA[];
adapter.A.assign(A);
for (const factor of [A, B]) factor.requiresGrad = true;
const sgd = new SGD(loraPlus(layer, { lr: eta, ratio }), { lr: eta });
for (let step = 0; step < 3; step++) {
  x.matmul(W.T).add(x.matmul(A.T).matmul(B.T)).sub(y).square().sum().backward(); // ‖W x + B A x − y‖²
  A.assign(A.sub((A.grad as Tensor).mul(eta)));
  B.assign(B.sub((B.grad as Tensor).mul(ratio * eta)));
  for (const factor of [A, B]) factor.zeroGrad();
  sgd.zeroGrad();
  layer.forward(x).sub(y).square().sum().backward();
  sgd.step();
}
const apart = (p: Tensor, q: Tensor): number => Math.max(...p.sub(q).abs().toArray());

// %% The library's groups

const moved = { A: apart(adapter.A, A), B: apart(adapter.B, B) };
display(libraryLines("lora/lora-plus.ts", "const groups = {", "};"));
display(md`
  Largest difference between the two after three steps: ${moved.A.toExponential(0)} in $A$, ${moved.B.toExponential(0)} in $B$
  (roundings of float32). Vectors such as DoRA's magnitude go with $B$, embeddings have a rate of their own, biases and
  norms do not decay: that is the authors' code.
`);

// %% [markdown]
// ## Why one rate does not fit: three terms
//
// Take the smallest layer there is (equation 2): $f(x) = (W^* + b\,a^\top)\,x$ with a vector $a$ of length $n$ and a number
// $b$. With $L = \tfrac12 (f - y)^2$ and $U = f - y$ the gradients are $\partial L/\partial b = U\,a^\top x$ and
// $\partial L / \partial a = U\, b\, x$. Put the two steps into $f$, and its change is exactly
//
// $$\Delta f = \underbrace{-\eta_A\, b^2\, U \lVert x \rVert^2}_{\delta_1:\ A\ \text{moves}} \;
// \underbrace{-\ \eta_B\, (a^\top x)^2\, U}_{\delta_2:\ B\ \text{moves}} \;
// \underbrace{+\ \eta_A \eta_B\, U^2\, b\,(a^\top x) \lVert x \rVert^2}_{\delta_3:\ \text{both}}$$
//
// LoRA starts at $b = 0$ and $a \sim \mathcal N(0, 1/n)$. Then $a^\top x$ is of order 1 whatever the width, but
// $\lVert x \rVert^2$ is of order $n$: **whatever moves $A$ is multiplied by the width**. The paper calls learning *efficient* if
// $\delta_1$ and $\delta_2$ are both of order 1 as $n$ grows: both factors contribute, and neither explodes.
//
// With one rate this cannot be. After a step $b$ is of order $\eta$, so the next step changes $a^\top x$ by order
// $\eta \cdot \eta \cdot n$. That stays bounded only if $\eta$ is at most of order $1/\sqrt n$, and then $b$, and with it $f$, is
// of order $1/\sqrt n$: the wider the layer, the slower. With $\eta_A$ of order $1/n$ and $\eta_B$ of order 1 everything is
// of order 1. The ratio of the two is then of order $n$.

// %% The terms by width

const scalings = page.scalings(settings.linear, toySeeds);
const [, , plus] = scalings;
display(
  page.termsPicture(
    scalings,
    "Left and middle: one rate for both. A falling line is a contribution that is lost in wide layers. Right: with two rates all four lines are level.",
  ),
);

// %% What the theory says

const exactly = withPrecision("float64", () =>
  page.linearToy(512, Array(16).fill(1 / 512), Array(16).fill(0.5), { steps: 3, rng: random(1) }),
);
const sums = exactly.change.map((_, i) => exactly.terms.reduce((sum, term) => sum + term[i], 0));
const difference = Math.max(...exactly.change.map((change, i) => Math.abs(change - sums[i])));
display(replication(page.theoryClaims(difference, scalings), "The linear toy"));

// %% [markdown]
// ### The same thing said with one rate
//
// Adam's step does not depend on the scale of the gradient, so LoRA+ can also be read as plain Adam on another problem. Write
// $B = \lambda \tilde B$. Then $\partial L / \partial \tilde B = \lambda\, \partial L / \partial B$; Adam still moves $\tilde B$ by $\eta$, so $B$
// moves by $\lambda\eta$. LoRA+ with Adam *is* LoRA whose $B$ is measured in a unit that is $\lambda$ times as large. If
// $\lambda$ is a power of two nothing is rounded, and the two agree to the last bit (Adam's $\epsilon$ must be multiplied by
// $\lambda$, too).

// %% An exact law

const rescaled = Array.from({ length: 20 }, (_, seed) => laws.plusIsRescaled.check({ ...trial, seed }));
const identical = rescaled.filter(({ holds, error }) => holds && error === 0).length;
display(md`
  The library's law \`plusIsRescaled\` tries it on 20 random layers with λ from 2 to 16: in **${identical} of 20** all numbers
  are the same, bit for bit.
`);

// %% [markdown]
// ## The best ratio grows with the width
//
// The paper's second toy has a hidden layer (equation 3, figure 2): $f(x) = W_{out}\, \mathrm{relu}(B A\, \mathrm{relu}(W_{in} x))$ with
// five inputs, width $n$ and $r = 4$. Only $A$ and $B$ train, by gradient descent on 200 examples at once of
// $y = \sin(\text{mean of } x)$. The measure is the **test loss** after ten steps, on 1,000 others. (Neither factor starts at zero here: there is no
// frozen weight beside $B A$, and relu passes no gradient at 0.)
//
// Every pair of rates from a grid is tried on every draw of the toy, three rates in a decade from $10^{-4}$ to $10$, the same
// for all widths; equal rates, and pairs near the best one, three times as finely. A draw that diverges counts as a loss of 1, many times that of any
// useful pair. Since a best cell alone is a matter of luck, the best ratio is that of the middle of the *valley*: of all
// pairs whose mean loss is at most a quarter above the lowest.

// %% Two rates, width by width

const widths = settings.widths.map((n) => page.searchWidth(n, toySteps, toySeeds));
const growth = page.ratioPicture(
  widths,
  "Dots are the middles of the valleys, bars 95 % intervals (bootstrapped over the draws). LoRA is on the grey line.",
);
display(growth);

// %% The landscape of two rates

display(page.landscape([widths[0], widths[widths.length - 1]]));
const paperWidth = widths.find(({ n }) => n === 100) ?? widths[0];
display(replication(page.toyClaims(widths, paperWidth), "The toy with a hidden layer, ten steps"));

// %% The best pairs in numbers

display(
  fold(
    "The valleys, the largest stable rates and the losses, by width.",
    table(page.widthRows(widths), { tolerance: 0.05 }),
  ),
);

// %% [markdown]
// The theory speaks of one step and of widths without end. The borders above are those of ten steps at widths of hundreds,
// and there the largest stable rate of $B$ still falls with the width. An explanation that fits: by then $A$ has grown, and $B$ is
// multiplied by it.
//
// > **Change this and run again.** `npm start -- lora-plus --set toySteps=100` takes more steps: how much of the gap between the
// > ring and the star is left? Training longer makes up for slow rates. `npm start -- lora-plus --set widths=25,400` shows
// > a narrow layer beside a wide one.
//
// ## In a language model
//
// First one run, without a harness. The base is a GPT-2 of width 64 that puts facts about a restaurant into words, in any of
// 54 styles. A house wants one style. LoRA+ takes the place of the optimizer's parameters; the loop is the usual one.

// %% Inject, train with two rates, merge

const house = page.house();
const model = house.copy();
const written = house.examples.map(({ prompt }) => page.completion(model, prompt));
const rightBefore = accuracy(model, house.domain);
const adapted = inject(model, { method: "lora", rank: 4, alpha: 8, target: "all-linear", seed: 1 });
const lr = 1e-2 / Math.sqrt(ratio); // so that √(η_A η_B) = 0.01 for every ratio
const optimizer = new AdamW(loraPlus(adapted, { lr, ratio }), { weightDecay: 0 });
const full = optimizer.groups.map((group) => group.lr);
for (let step = 0; step < settings.loop; step++)
  scope(() => {
    for (const [i, group] of optimizer.groups.entries()) group.lr = full[i] * (1 - step / settings.loop);
    const { ids, labels } = house.domain.batch(8, random(7).split(step));
    const loss = nextTokenLoss(model, ids, labels);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step(); // A by η, B by λ η
  });
adapted.merge();

// %% The text before and after

const percent = (part: number): string => `${Math.round(100 * part)} %`;
display(
  table(
    house.examples.flatMap(({ prompt, wanted }, i) => [
      { facts: prompt, "written by": "the base", text: written[i] },
      { facts: "", "written by": `LoRA+, ${settings.loop} steps`, text: page.completion(model, prompt) },
      { facts: "", "written by": "the house", text: wanted },
    ]),
    { title: "Two restaurants that were held out" },
  ),
);
display(md`
  The merged model describes **${percent(accuracy(model, house.domain))}** of the held-out restaurants as the house wants it, to
  the last character; the base ${percent(rightBefore)}.
`);

// %% [markdown]
// > **Change this and run again.** `npm start -- lora-plus --set ratio=1` is plain LoRA with the same mean rate. Does the text
// > differ? (`--set loop=200` if the rules are not learned in your setting.)
//
// ## Does the ratio matter at width 64?
//
// A fair comparison is easy to get wrong: with a grid of rates four apart, the pair (0.0025, 0.01) is the only way to try the
// mean rate 0.005, and wins for that reason. So every arm here has a fixed ratio and the same list of *geometric means*
// $\sqrt{\eta_A \eta_B}$ to try, with the same number of runs. One arm turns LoRA+ round: there $A$ is the faster one. If it does as
// well as LoRA+, the ratio is not what helps.
//
// The shift is from TypeScript declarations to the English of their comments; the measure is the held-out loss.

// %% Four ratios, equally many tries

const shift =
  page.readersShift({ models: ["gpt2"] }) ?? page.farShiftOf("declarations", { reported: settings.heldOut });
const ratios = [1, 4, 16, 1 / 4]; // the last one turns LoRA+ round
const arms = ratios.map((λ) => page.withRatio(λ, 4, search));
const length = { steps, rows, seeds, search, searchSteps: Math.round(steps / 2), widen: 1 };
const runs = study(arms, [shift], length);
const names = ratios.map(page.armName);
display(
  table(page.armRows(runs), {
    title: `From ${shift.base} to ${shift.name}, ${steps} steps (before: ${shift.before.toFixed(2)})`,
    note: "Differences are paired by seed, with 95 % intervals.",
    tolerance: 0.01,
  }),
);
display(replication(page.languageClaims(runs, names.slice(1, 3)), `Held-out loss, δ = ${page.LOSS_PAR}`));

// %% On the way

display(page.curvesPicture(runs, page.leaders(runs)));

// %% The control, and twice the steps

const swapped = reordered(halfway(runs), runs, { par: page.LOSS_PAR });
const places =
  swapped.length === 0 ? "no two arms change places" : `these change places: ${swapped.join("; ")}`;
display(page.controlSentence(runs, names.slice(1, 3), names[3], 64));
display(
  search === 0
    ? md`Rates are not searched in this setting.`
    : md`From ${length.searchSteps} to ${steps} steps ${places}.`,
);

// %% What it costs

const bytes = runs.map(({ runs: [{ trainable, memory }] }) => [
  trainable,
  memory.gradients,
  memory.optimizer,
]);
const same = bytes.every((one) => String(one) === String(bytes[0]));
display(
  replication({
    claim: "LoRA+ costs what LoRA costs",
    paper: "“at the same computational cost” (abstract)",
    measured: `${bytes[1][0].toLocaleString("en")} parameters and ${(bytes[1][2] / 1024).toFixed(0)} KiB of optimizer state in all arms`,
    verdict: same,
    note: "the operations of a step are the same; only numbers differ",
  }),
);

// %% [markdown]
// ## Which λ, then?
//
// The paper recommends 16 for RoBERTa with $A = 0$ at the start, 4 to 8 with $B = 0$, and 2 to 4 for LLaMA (§5); the authors'
// README says to take more for harder tasks, and about half of LoRA's usual $\eta$. Since Adam's LoRA+ is LoRA in another
// unit of $B$, $\lambda$ is one more learning rate: it can be searched like one, and where there is time for a single search, the
// mean rate comes first.

// %% The answer

found.show(page.answer({ widths, plus, runs, arms: names.slice(1, 3), turned: names[3], d: 64 }), growth);
display(fold("Settings of this run.", settingsTable(settings)));
