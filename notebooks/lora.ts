// %% [markdown]
// # LoRA: Low-Rank Adaptation of Large Language Models
//
// Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2021, [arXiv:2106.09685](https://arxiv.org/abs/2106.09685).
//
// LoRA adapts a pretrained model without changing its weights: beside a weight matrix it trains two thin ones, whose
// product is added. What a task needs is then a small file, which can be put on the model and taken off again. This page
// builds the method by hand, shows what it does to small language models, and looks for the tasks where it is not enough.

// %% What was found

import { type Tensor, tensor } from "lowrank/autograd";
import { frobeniusNorm, random, scope } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, nextTokenLoss, SGD } from "lowrank/nn";
import * as page from "./papers/lora/index.ts";
import {
  defineSettings,
  display,
  farShiftOf,
  fold,
  libraryLines,
  md,
  meanStd,
  opening,
  readersShift,
  replication,
  samples,
  settingsTable,
  table,
} from "./support/index.ts";

const found = opening();

// %% [markdown]
// ## The idea in one picture
//
// A linear layer computes $h = W_0 x$ with a weight $W_0 \in \mathbb{R}^{d \times k}$. Fine-tuning changes it to
// $W_0 + \Delta W$: every number of it, and every task needs its own copy of the whole model. LoRA supposes that
// $\Delta W$ can do with a low **rank**, that it needs to act in few directions only. A matrix of rank $r$ is a product
// of two thin ones. LoRA trains these two and leaves $W_0$ as it is (equation 3, with the scale of §4.1):
//
// $$h = W_0 x + \tfrac{\alpha}{r} B A x$$
//
// with $B \in \mathbb{R}^{d \times r}$ and $A \in \mathbb{R}^{r \times k}$.

// %% Settings and the picture

const settings = defineSettings({
  rank: { quick: 4, about: "r of the run that is shown step by step", min: 1 },
  alpha: { quick: page.ALPHA, about: "α of all runs", min: 1 },
  ranks: { quick: [1, 4, 16], full: [1, 2, 4, 8, 32], about: "ranks on queries and values", min: 1 },
  wide: { quick: [1, 16], full: [1, 4, 32], about: "ranks on all layers", min: 1 },
  rules: { quick: [1], about: "rules of the simpler houses, 0 to 3" },
  steps: { quick: 90, full: 300, about: "steps of an adaptation", min: 2 },
  bases: { quick: 1, full: 2, about: "base models that write about restaurants", min: 1 },
  seeds: { quick: 1, full: 5, about: "runs of each method on each base", min: 1 },
  search: { quick: 0, full: 3, about: "further seeds, that choose learning rates (0: usual ones)" },
  more: { quick: false, full: true, about: "whether other places for LoRA are compared" },
  classify: { quick: 0, full: 400, about: "steps of the classification; 0: leave it out" },
  rows: { quick: 4, full: 8, about: "rows of a batch", min: 1 },
  held: {
    quick: 128,
    full: 512,
    about: "held-out rows of which the loss is reported, in steps of 32",
    min: 32,
  },
  toys: { quick: 2, full: 20, about: "planted updates", min: 1 },
  turns: { quick: 10, full: 100, about: "turns of timing", min: 1 },
});
const { rank, alpha, ranks, wide, steps, seeds, rows } = settings;
display(page.thinProduct(64, rank));

// %% [markdown]
// ## By hand
//
// The four things to understand are the rank $r$, the scale $\alpha/r$, the start $B = 0$, and merging. Here is a layer
// of plain tensors with all four. With $G = \partial L / \partial h$ the gradients are
//
// $$\frac{\partial L}{\partial B} = \tfrac{\alpha}{r}\, G\, (A x)^\top, \qquad
// \frac{\partial L}{\partial A} = \tfrac{\alpha}{r}\, B^\top G\, x^\top .$$
//
// At the start $B = 0$, so $\Delta W = 0$: the adapted layer is exactly the pretrained one. The second gradient is zero
// then, the first is not. So the first step moves $B$ alone, and from the second on both move. (If $A$ were zero as well,
// both gradients would be zero for ever. This is why $A$ starts random.)

// %% Four steps of gradient descent on plain tensors

const [d, k, r, s] = [6, 8, 2, 4 / 2]; // s = α/r with α = 4
const rng = random(1);
const W0 = tensor(rng.normal(d * k, 0, 0.35), [d, k]); // frozen
const startOfA = rng.normal(r * k, 0, 0.3);
const A = tensor(startOfA, [r, k], { requiresGrad: true });
const B = tensor(new Float32Array(d * r), [d, r], { requiresGrad: true }); // zeros
const [x, wanted] = [k, d].map((width) => tensor(rng.normal(16 * width), [16, width]));
const h = (): Tensor => x.matmul(W0.T).add(x.matmul(A.T).matmul(B.T).mul(s)); // W₀ x + s B A x, for rows x
const size = (t: Tensor | null): number => (t ? frobeniusNorm(t.value.data) : 0);

const byHand = [0, 1, 2, 3].map((step) => {
  for (const factor of [A, B]) factor.zeroGrad();
  const loss = h().sub(wanted).square().mean();
  loss.backward();
  const [ofA, ofB] = [size(A.grad), size(B.grad)];
  const row = { step, loss: loss.item(), "‖∂L/∂A‖": ofA, "‖∂L/∂B‖": ofB, "‖ΔW‖": size(B.matmul(A).mul(s)) };
  for (const factor of [A, B]) factor.assign(factor.detach().sub((factor.grad as Tensor).mul(0.1)));
  return row;
});
display(table(byHand, { title: "Before each step: at step 0 only B has a gradient" }));

// %% [markdown]
// **The scale.** Why divide by $r$? $B A x$ is a sum of $r$ terms, one for each row of $A$. The first step of Adam moves
// every number of $B$ by the learning rate, so twice the rank would move the output twice as far, and every rank would
// need a learning rate of its own. With $\alpha / r$ and a fixed $\alpha$ the first step has one size at every rank.

// %% The first step of Adam, by rank

const firstStep = (rank: number, seed: number): number => {
  const drawn = random(seed);
  const rows = tensor(drawn.normal(rank * 64, 0, 1 / 8), [rank, 64]); // A
  const [input, G] = [tensor(drawn.normal(64), [64, 1]), tensor(drawn.normal(64), [64, 1])];
  const moved = G.matmul(rows.matmul(input).T).sign().mul(-0.01); // B after one step of Adam with the rate 0.01
  return size(moved.matmul(rows.matmul(input))); // ‖B A x‖
};
const firstSteps = [1, 4, 16, 64].map((rank) => {
  const { mean: moves } = meanStd(Array.from({ length: 100 }, (_, seed) => firstStep(rank, seed)));
  return { "rank r": rank, "‖B A x‖": moves, "α/r, α = 16": 16 / rank, "‖(α/r) B A x‖": (16 / rank) * moves };
});
display(table(firstSteps, { title: "How far the first step moves the output, mean of 100 random starts" }));

// %% [markdown]
// **Merging.** $W = W_0 + \frac{\alpha}{r} B A$ is a matrix like any other: compute it once, throw $A$ and $B$ away, and
// the layer costs what it cost before. Subtracting the product again gives $W_0$ back, up to rounding.

// %% Merge and unmerge by hand

const update = B.matmul(A).mul(s).detach();
const merged = W0.add(update);
const unmerged = merged.sub(update);
const apart = (a: Tensor, b: Tensor): number => size(a.sub(b)) / size(b);
const [plain, thin] = [d * k, r * (d + k) + r];
const ways = [
  { layer: "W₀ x", multiplications: plain, away: apart(x.matmul(W0.T), h()) },
  { layer: "W₀ x + (α/r) B A x", multiplications: plain + thin, away: 0 },
  { layer: "W x, merged", multiplications: plain, away: apart(x.matmul(merged.T), h()) },
];
display(table(ways, { title: "One layer, three ways", columns: page.waysColumns }));
display(
  md`Unmerged again, the weight differs from $W_0$ by ${apart(unmerged, W0).toPrecision(1)} of its size.`,
);

// %% [markdown]
// ## The library's call
//
// `inject` puts the same $A$ and $B$ beside the layers of a model. These lines of the library are the method:

// %% The library's lines

display(libraryLines("lora/lora.ts", "override delta(", "}"));
display(libraryLines("lora/lora.ts", "override deltaWeight(", "}"));

// %% The same four steps by the library

const layer = inject(new page.OneLayer(W0), { method: "lora", rank: r, alpha: 4, target: "layer", seed: 1 });
const atStart = layer.forward(x).detach();
const trained = layer.parameters().filter(({ requiresGrad }) => requiresGrad);
trained.find(({ shape }) => shape[0] === r)?.assign(startOfA);
const sgd = new SGD(trained, { lr: 0.1 });
const byLibrary = byHand.map(() => {
  sgd.zeroGrad();
  const loss = layer.forward(x).sub(wanted).square().mean();
  loss.backward();
  sgd.step();
  return loss.item();
});

// %% Four laws

const unmergedOutput = layer.forward(x).detach();
layer.merge();
const afterMerging = layer.forward(x).detach();
layer.unmerge();
const base = layer.disabled(() => layer.forward(x)).detach();
display(
  replication(
    page.laws({
      start: apart(atStart, x.matmul(W0.T)),
      steps: Math.max(...byLibrary.map((loss, i) => Math.abs(loss - byHand[i].loss))),
      merged: apart(afterMerging, unmergedOutput),
      unmerged: apart(base, x.matmul(W0.T)),
    }),
    "The library computes what was computed by hand",
  ),
);

// %% [markdown]
// ## How much rank is enough? A case with a known answer
//
// Suppose that the ideal update is known, $\Delta W^* = U V^\top$ with four orthonormal columns in $U$ and in $V$: it
// has rank 4. The Eckart–Young theorem says how close a product of rank $r$ can come: at best the squared distance
// $\lVert \Delta W^* - B A \rVert^2$ is $1 - r/4$ of $\lVert \Delta W^* \rVert^2$, and zero from $r = 4$ on. Does LoRA
// get there by training, from outputs of the ideal layer alone?

// %% LoRA against a planted update of rank 4

const toy = { width: 32, planted: 4, steps: 300, seeds: settings.toys };
const planted = page.plantedDistances([1, 2, 3, 4, 6, 8], toy);
display(page.plantedPlot(planted));

// %% [markdown]
// So if the update that a task needs has a low rank, a low $r$ is enough. What do real tasks need? Nobody knows it
// beforehand; it has to be tried on a model that has learned something.
//
// ## A model to adapt
//
// The base is a GPT-2 of four blocks and width 64, with characters as tokens. It has learned to put facts about a
// restaurant into words, in any of 54 styles: three verbs, three words for each price and each place, and the place
// first or last. It chooses freely among them. Now a publisher, the *house*, wants one style, in which four rules leave
// nothing free: the kind of food decides the verb, the price and the place decide their words, and only restaurants by
// the river have their place first. The base knows all the words; only the rules are new. This is data to text, as in
// the paper's experiments on E2E (table 3).

// %% The base and the house

const held = { reported: settings.held, choosing: 64 };
const houses = page.houses(4, settings.bases, held);
const [house] = houses;
const own = readersShift(); // of --text and --base; the house otherwise
const shown = own ?? house;
const examples = page.heldOut(shown, 3);
const prompts = examples.map(({ prompt }) => prompt);

// %% Inject, train, merge

const model = own ? own.copy() : page.separateAttention(house.copy()); // W_q, W_k and W_v as layers of their own
const before = page.completions(model, shown, prompts);
const target = own ? "all-linear" : ["c_attn.q", "c_attn.v"];
const adapted = inject(model, { method: "lora", rank, alpha, target, seed: 1 });
const optimizer = new AdamW(
  adapted.parameters().filter(({ requiresGrad }) => requiresGrad),
  { lr: 1e-2, weightDecay: 0 },
);
const losses = Array.from({ length: steps }, (_, step) =>
  scope(() => {
    optimizer.groups[0].lr = 1e-2 * (1 - step / steps);
    const { ids, labels } = shown.domain.batch(rows, random(7).split(step));
    const loss = nextTokenLoss(model, ids, labels);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss.item();
  }),
);
adapted.merge();

// %% The text before and after

const after = page.completions(model, shown, prompts);
const texts = examples.map(({ prompt, wanted }, i) => ({
  prompt,
  "the base writes": before[i],
  "after LoRA": after[i],
  "the held-out text": wanted,
}));
display(samples(texts, { title: `Before, and after ${steps} steps at r = ${rank}` }));
display(page.afterTraining(shown, model, losses, own !== undefined));

// %% [markdown]
// > **Change this and run again.** `npm start -- lora --set rank=1` trains one direction in each matrix: which rules are
// > not learned? `npm start -- lora --set alpha=1` makes the update sixteen times smaller for the same $A$ and $B$: how
// > much is learned in the same number of steps? `npm start -- lora --text FILE` takes this section and the last one to
// > a text of yours (`--base FOLDER`, to a model of yours); what needs the rules stays with the restaurants.
//
// ## Which rank does the task need?
//
// From here on one number measures every method, its **gain**: the part of the way from the base to full fine-tuning
// that it goes, in loss on held-out rows.
//
// $$\text{gain} = \frac{\text{loss of the base} - \text{loss of the method}}{\text{loss of the base} - \text{loss of full fine-tuning}}$$
//
// LoRA is on $W_q$ and $W_v$, as in most of the paper, and $\alpha$ is the same at every rank. All methods see the same
// batches, run by run. In the full setting learning rates are the best of three, or of up to five where the best is at the
// edge, chosen with other seeds and on other held-out rows than are reported: for full fine-tuning, for $r = 1$ and $r = 8$ on
// $W_q$ and $W_v$, for $W_q$ alone, and for $r = 4$ on all layers. The ranks beside these share their rates, and in table 5
// any one matrix has the rate of $W_q$, any two or four that of $W_q, W_v$.

// %% Full fine-tuning, and LoRA by rank

const LoRA = (where: string, r: number) => page.lora(where, r, alpha);
const everywhere = (r: number) => page.everywhere(r, alpha);
const once = { steps, rows, seeds };
const searched = page.search([page.full, LoRA("qv", 1), LoRA("qv", 8), LoRA("q", 8), everywhere(4)], house, {
  ...once,
  seeds: settings.search,
});
const onQV = ranks.map((r) => LoRA("qv", r));
const wideEnds = [Math.min(...wide), Math.max(...wide)] as const;
const onAll = [...new Set(wideEnds)].map(everywhere);
const methods = [page.full, ...onQV, ...onAll];
const near = new page.Outcome(houses, page.run(methods, houses, { ...once, searched, keep: "updates" }));
display(page.methodTable(near, methods, "The house's style", `The base has ${house.before.toFixed(4)}.`));
display(page.searchFold(searched, near, 0.01 * house.before));

// %% The elbow

const [least, most] = [Math.min(...ranks), Math.max(...ranks)];
const elbow = ranks.find((r) => r >= 4 && r < most) ?? least;
const byRank = ranks.map((rank, i) => ({
  rank,
  loss: meanStd(near.losses(onQV[i])),
  line: "LoRA on q and v",
}));
display(page.lossByRank(byRank, "Held-out loss by rank", page.elbowSentence(byRank, elbow)));

// %% What the paper says about the rank

const gains = (r: number) => near.gains(LoRA("qv", r));
const parity = Math.max(least, ...ranks.filter((r) => r <= 8));
const [wideLeast, wideMost] = wideEnds.map((r) => near.gains(everywhere(r)));
const claims = page.aboutRanks({
  ranks: [least, elbow, most],
  gains: [gains(least), gains(elbow), gains(most)],
  parity: { rank: parity, gains: gains(parity) },
  wideRanks: wideEnds,
  wide: [wideLeast, wideMost],
});
display(replication(claims));

// %% [markdown]
// ## Which matrices?
//
// Table 5 of the paper spends one budget in different places: rank 8 on one of the four matrices of attention, rank 4 on
// two of them, rank 2 on all four. Rank 1 on all layers, those of the feed-forward network included, costs the same.
// Here all of them run on the first of the two bases.

// %% One budget, spent in different places

if (settings.more) {
  const places = ["q", "k", "v", "o", "qk", "qv", "qkvo"].map((where) => LoRA(where, 8 / where.length));
  const missing = places.filter((method) => !near.has(method));
  const placed = near.on(house).with(page.run(missing, [house], { ...once, searched }));
  display(page.gainBars(placed, [...places, everywhere(1)]));
  display(replication(page.aboutMatrices((where) => placed.gains(LoRA(where, 8 / where.length)))));
} else display(page.inFull("more=true"));

// %% [markdown]
// ## Is the rank the number of rules?
//
// The house has four rules, and after enough steps the loss falls far less beyond $r = 4$ than before. It is tempting to say that the
// update has one direction for each rule. If so, a house with one rule needs $r = 1$. Here are houses with fewer rules; where they have no rule they
// always choose the same.

// %% Houses with fewer rules

const few = ranks.filter((r) => r <= Math.max(4, least));
const houseOf = (rules: number) => {
  const shifts = page.houses(rules, settings.bases, held);
  const methods = few.map((r) => LoRA("qv", r));
  return new page.Outcome(shifts, page.run(methods, shifts, { ...once, seeds: 1, searched }));
};
const byRules = [...settings.rules, 4].flatMap((rules) => {
  const outcome = rules === 4 ? near : houseOf(rules);
  const line = page.ruled(rules);
  return few.map((rank) => ({ rules, rank, loss: meanStd(outcome.losses(LoRA("qv", rank))), line }));
});
const missed = page.missedByRules(byRules, house.before);
display(page.lossByRank(byRules, "Held-out loss by rank and number of rules", page.rulesSentence(missed)));
display(md`${page.onRules(missed)}`);

// %% [markdown]
// ## Beside other methods, on a classification
//
// Table 2 of the paper is about GLUE. This is a small relative of its CoLA: half of the sentences about restaurants have
// two words exchanged, and the model answers *yes* or *no*: are the words in order? It has never seen these answers, nor
// a wrong sentence. The methods run on one base. **BitFit** trains the biases alone. **Adapters** put small layers of their own behind attention and
// behind the feed-forward network. A **prefix** puts trained activations before the text, in every block. All but BitFit
// train as many numbers as LoRA on $W_q$ and $W_v$ at $r = 8$, or a few more. The loss falls at once for every method, as
// soon as it answers yes or no at all, so the methods are judged by how many rows they get right.

// %% Six methods on word order

if (settings.classify > 0) {
  const tasks = page.wordOrder(1, held);
  const others = [page.biases, page.adapters(8), page.prefix(32)];
  const six = [page.full, LoRA("qv", 8), everywhere(2), ...others];
  const how = { ...once, steps: settings.classify };
  const rates = page.search(six, tasks[0], { ...how, seeds: settings.search });
  const outcome = new page.Outcome(
    tasks,
    page.run(six, tasks, { ...how, searched: rates, keep: "accuracy" }),
  );
  display(
    page.methodTable(outcome, six, "Are the words in order?", "Guessing is right in half of the rows."),
  );
  display(page.searchFold(rates, outcome, 0.01 * tasks[0].before));
  const [all, onTwo, onEach, ...theirs] = six.map((method) => outcome.accuracies(method));
  display(replication(page.againstOthers(all, onTwo, onEach, theirs)));
} else display(page.inFull("classify=400"));

// %% [markdown]
// Where LoRA stays behind here, it is the rank that is missing, and not patience alone: after 1,200 steps (one run of each,
// beside this page) full fine-tuning and LoRA of $r = 32$ on all layers are right in 95 % of the rows, and LoRA at the ranks
// of the table in 85 %. To recognise what is wrong is farther from what the base knows than a style is.
//
// ## What does ΔW do?
//
// Section 7 of the paper looks into trained updates. First, **do two trainings find the same directions?** Take the
// first $i$ input directions (right singular vectors) of $\Delta W$ at one rank, and the first $i$ at another:
// $\phi(i, i)$ is the part of the one that lies within the other (equation 4), 1 if they span the same. Two random bases
// in 64 dimensions have $i/64$ in common.

// %% Directions that two ranks share

const [small, large] = [elbow, most].map((r) => near.updates(LoRA("qv", r)));
const shared = page.sharedByRanks(small, large, elbow);
display(page.sharedPlot(shared, `Directions that r = ${elbow} and r = ${most} have in common`));

// %% [markdown]
// Second, **does $\Delta W$ strengthen what $W$ does already, or something new?** $\lVert U^\top W V \rVert$ is the part of
// $W$ that leads from the main input directions $V$ of $\Delta W$ to its main output directions $U$. It can be compared
// with the same part for the main directions of $W$ itself, and for random ones.

// %% The part of W in the directions of ΔW

const acts = page.amplification(small, elbow);
display(acts.table);
display(replication(page.aboutDirections({ ...shared, ...acts })));

// %% [markdown]
// ## What does it cost in use?
//
// The layers of an adapter are computed for every token, in training and after it. LoRA is merged once, and then nothing
// is added. Multiplications can be counted, so the verdict is exact; the times are of this machine only.

// %% Merged, beside, and adapters

const cost = page.costOfUse(house, { rank: elbow, width: 4, turns: settings.turns });
display(cost.table);
display(replication(cost.claims));

// %% [markdown]
// ## Near and far
//
// The house's style is a **near** shift: the base knows everything but the rules. The paper's tasks are near in this
// sense, since GPT-3 knows English before it is adapted. What if nearly everything is new? Another base has learned
// TypeScript declarations only, and is adapted to the English of the comments on them: a **far** shift.

// %% The same method on a far shift

const code = own ?? farShiftOf("declarations", { reported: settings.held, choosing: 64 });
const farRates = page.search([page.full, everywhere(4)], code, { ...once, seeds: settings.search });
const farMethods = [
  page.full,
  ...(settings.more && !own ? [LoRA("qv", elbow)] : []),
  ...wide.map(everywhere),
];
const far = new page.Outcome([code], page.run(farMethods, [code], { ...once, searched: farRates }));
display(
  page.methodTable(
    far,
    farMethods,
    `From ${code.base} to ${code.name}`,
    `The base has ${code.before.toFixed(2)}.`,
  ),
);

// %% Near and far, rank by rank

const nearly = (r: number) => page.percent(near.gains(everywhere(r)));
const farther = (r: number) => page.percent(far.gains(everywhere(r)));
const curves = [
  ...ranks.map((rank) => ({ rank, curve: "near, on W_q and W_v", gain: page.percent(gains(rank)) })),
  ...wideEnds.map((rank) => ({ rank, curve: "near, on all layers", gain: nearly(rank) })),
  ...wide.map((rank) => ({ rank, curve: "far, on all layers", gain: farther(rank) })),
];
const picture = page.gainByRank(curves);
display(picture);
display(md`${page.onFar(curves)}`);

// %% [markdown]
// > **Change this and run again.** `npm start -- lora --set wide=1,4,16,48`: does a rank near 64, the width of the model,
// > close the gap of the far shift? `npm start -- lora --set steps=400`: does patience replace rank?
//
// ## Counts, settings, and what this page leaves out
//
// LoRA on a layer with $k$ inputs and $d$ outputs trains $r(d + k)$ numbers. This gives the paper's parameter counts.
//
// Other pages go on from here. *LoRA without regret* measures in bits how much a rank can hold, which is another view of
// the limit that the far shift shows, and how the best learning rate depends on the rank. *Learning and forgetting* asks
// what is lost of the old task, *QLoRA* trains on a quantized base, *Compare* has the methods that came later, all on far
// shifts: their losses do not come as close to full fine-tuning as those of the house's style do here. Dropout, and
// models of a size that matters, are not on any of these pages.

// %% Counts and settings

display(page.countsFold());
display(fold("The settings of this run", settingsTable(settings)));

// %% The findings, for the top of the page

found.show(page.findings({ elbow, least, most, gains, missed, curves }), picture);
