// %% [markdown]
// # Which method when?
//
// [LoRA](https://arxiv.org/abs/2106.09685), [rsLoRA](https://arxiv.org/abs/2312.03732),
// [LoRA+](https://arxiv.org/abs/2402.12354), [DoRA](https://arxiv.org/abs/2402.09353),
// [AdaLoRA](https://arxiv.org/abs/2303.10512), [LoRA-FA](https://arxiv.org/abs/2308.03303),
// [PiSSA](https://arxiv.org/abs/2404.02948), [VeRA](https://arxiv.org/abs/2310.11454),
// [BitFit](https://arxiv.org/abs/2106.10199), full fine-tuning.
//
// Ten ways to adapt a model, on one base and one text, each at its own best learning rate. Each paper compares its method
// with LoRA on other models, data and rates, so their tables cannot be read side by side; here everything but the method
// is the same. What each method *is*, equation beside code, is on the page `lora-family`; this page asks what it is worth.

// %% What was found

import { add, tensor } from "lowrank/autograd";
import { random, scope } from "lowrank/core";
import { clipGradientNorm, linearDecay, nextTokenLoss } from "lowrank/nn";
import * as compare from "./papers/compare/index.ts";
import {
  defineSettings,
  display,
  fold,
  md,
  opening,
  replication,
  settingsTable,
  table,
} from "./support/index.ts";

const found = opening();

// %% [markdown]
// ## The question
//
// Which method has the lowest loss on held-out text, and what does it cost in numbers trained, in memory and in time?
// **The one measure of this page, named before the first run, is the held-out loss in nats per symbol.** Beside it stands
// the part of the gap that a method closes, (base − method) / (base − full fine-tuning). Two losses count as equal if
// the 95 % interval of their paired differences lies within ± δ = 0.01 nats.
//
// An easy shift cannot answer the question: where every method reaches the floor, all tie (one is tried below).
// So the base knows TypeScript declarations, and the text to learn is the English of their comments, nearly all of it new
// (unless you name a text of your own: `--text FILE`).

// %% The base and the text

const settings = defineSettings(compare.choices);
const { rank, ratio, steps, rows, seeds, search } = settings;
const DELTA = 0.01;
const { shift: far, isOwn } = compare.comparedOn({ reported: settings.held, choosing: 96 });
display(compare.taskTable(far));

// %% [markdown]
// ## Ten methods, a line each
//
// A recipe puts a method on a model and gives its optimizer. The number is a learning rate near the best one; the search
// tries it and its neighbours on a grid with the factor $\sqrt 2$, and goes on while the best lies at the edge. LoRA+ has
// two rates, with this one as their geometric mean; rsLoRA at $r = 4$ is LoRA+ with $\lambda = 2$ (page `lora-family`).
// Adapters are on every linear layer, with $\alpha = 2r$. VeRA is not part of the library: it is forty lines with
// `defineMethod` (see CONTRIBUTING), and takes part in everything.

// %% The recipes

const { adapter, adaLora, biases, everything, plus, vera } = compare;
const at = (r: number) => ({ rank: r, alpha: 2 * r, target: "all-linear" }) as const;
const recipes = compare.thatApply(far, [
  { name: "full fine-tuning", rate: 2e-3, prepare: everything() },
  { name: "BitFit", rate: 2e-2, prepare: biases() },
  { name: "LoRA", rate: 1.4e-2, prepare: adapter(at(rank)) },
  { name: "rsLoRA", rate: 1e-2, prepare: adapter({ ...at(rank), rankStabilized: true }) }, // α/√r for α/r
  { name: "LoRA+", rate: 1e-2, prepare: adapter(at(rank), plus(ratio)) }, //                  B faster than A
  { name: "DoRA", rate: 1.4e-2, prepare: adapter({ ...at(rank), method: "dora" }) },
  { name: "AdaLoRA", rate: 4e-2, prepare: adaLora({ rank }) }, //                             from 3r/2 to r
  { name: "LoRA-FA", rate: 2e-2, prepare: adapter({ ...at(rank), method: "lora-fa" }) }, //   A stays as drawn
  { name: "PiSSA", rate: 6e-3, prepare: adapter({ ...at(rank), init: "pissa" }) }, //         starts inside W
  { name: "VeRA", rate: 0.3, prepare: adapter({ method: vera, rank: 16 * rank, target: "all-linear" }) },
]);
const around = (rate: number): number[] =>
  search > 0 ? [rate / Math.SQRT2, rate, rate * Math.SQRT2] : [rate];

// %% [markdown]
// ## LoRA's first step, by hand
//
// Where the methods differ is already in the first step. While $B = 0$ the gradient of $A$, $s B^\top g x^\top$, is zero, and
// only $B$ can move: its gradient is $s\, g (A x)^\top$. LoRA+ lets $B$ move faster. LoRA-FA never lets $A$ move. PiSSA starts
// with a $B$ that is not zero, DoRA lets the sizes of the rows move as well, and BitFit moves neither.

// %% One layer in plain tensors

const learned = { requiresGrad: true };
const W0 = tensor([[2, 0], [0, 1]]); // biome-ignore format: a matrix
const A = tensor([[1, 1]], learned);
const B = tensor([[0], [0]], learned);
const [x, y, s] = [tensor([[1], [2]]), tensor([[1], [3]]), 2];
const h = W0.matmul(x).add(B.matmul(A.matmul(x)).mul(s)); // W0 x + s B A x = (2, 2)
h.sub(y).square().sum().backward(); //                       g = 2 (h − y) = (2, −2), A x = 3
display(
  table([
    { "gradient of": "A", "by backward": String(A.grad?.value.data), "on paper": "s Bᵀ g xᵀ = 0, 0" },
    { "gradient of": "B", "by backward": String(B.grad?.value.data), "on paper": "s g (A x)ᵀ = 12, −12" },
  ]),
);

// %% [markdown]
// ## One training loop
//
// This is all of it: inject, loss, backward, step, merge. AdaLoRA adds a term to the loss and prunes after each step; no
// other method changes a line. **Change this and run again:** `npm start -- compare --set method=DoRA`, or `AdaLoRA`, or
// `BitFit`: look at the text, and at what is merged.

// %% Inject, loss, backward, step, merge

const chosen = recipes.find(({ name }) => name === settings.method) ?? recipes[2];
const model = far.copy();
const ready = chosen.prepare(model, { rate: chosen.rate, seed: 1, steps }); // inject, and an optimizer
const groupRates = ready.optimizer.groups.map(({ lr }) => lr); // LoRA+ has two, the others one
const schedule = linearDecay({ warmup: Math.ceil(steps / 10), total: steps });
for (let step = 0; step < steps; step++)
  scope(() => {
    const { ids, labels } = far.domain.batch(rows, random(1).split(step));
    const loss = nextTokenLoss(model, ids, labels);
    (ready.penalty ? add(loss, ready.penalty()) : loss).backward();
    clipGradientNorm(ready.optimizer.parameters(), 1);
    ready.beforeStep?.(step);
    for (const [i, group] of ready.optimizer.groups.entries()) group.lr = groupRates[i] * schedule(step);
    ready.optimizer.step();
    ready.afterStep?.(step);
    ready.optimizer.zeroGrad();
  });
const plain = ready.adapted.adapters?.toPlain() ?? model; // merge: no trace of the method is left
display(compare.beforeAndAfter(far, chosen.name, ready.adapted, plain));

// %% [markdown]
// ## Each at its own best rate
//
// One shared rate would favour whichever method it happens to suit. The search has seeds and held-out rows of its own;
// the runs that are reported share neither.

// %% The search, and the reported runs

const read = compare.kept(far);
const arms = recipes.map(({ rate, ...arm }) => ({ ...arm, rates: around(rate), read }));
const options = { steps, searchSteps: Math.ceil(steps / 2), rows, seeds, search, widen: 5 };
const results = compare.study(arms, [far], options);
const by = new compare.Comparison(results, { before: far.before, par: DELTA });
const rates = results.map(({ rate }) => rate);
const factor = Math.round(Math.max(...rates) / Math.min(...rates));
if (search > 0)
  display(
    compare.searched(results, {
      title: `Held-out loss after ${options.searchSteps} steps, by learning rate`,
      caption: `The large points are the rates that were chosen. The highest is ${factor} times the lowest: at any one shared rate some method would look bad.`,
    }),
  );
const edges = results.filter(({ atEdge }) => atEdge).map(({ arm }) => arm);
const inside = edges.length > 0 ? `A better rate may lie outside the grid of ${edges.join(", ")}. ` : "";
display(fold(`${inside}The rates that were tried, and those chosen.`, compare.ratesTable(results)));

// %% [markdown]
// **Would longer training change the order?** A comparison is worth something only if it does not depend on when one stops.
// The search stops at half of the steps, so it shows the order there. A pair has changed its order if it was more than
// δ apart at half and is at the end, the other way round.

// %% Half of the steps, and all

const half = compare.halfway(results);
const turned = compare.reordered(half, results, { par: DELTA });
if (search > 0) display(compare.doubledTable(half, by, { steps, turned }));
else display(md`This run took the rates that a search found; \`--full\` searches, and makes this check.`);

// %% [markdown]
// ## The answer in one table and one plot
//
// A row of the table is a method after the same batches in the same order. The peak is the highest number of bytes during
// a training step, counted by the library's own meter: weights, gradients, optimizer, temporaries, and what is kept for the
// backward pass. Times are of steps taken in turns, LoRA = 1. **The model is so small that its activations are nearly all
// of the peak, and adapters add to those.** In a large model gradients and moments decide, 12 bytes for each number
// trained, and there every method but full fine-tuning saves most of them (pages `lora`, `lora-fa`).

// %% Loss, cost, merging

const times = compare.stepTimes(arms, far, { rows, turns: settings.more ? 30 : 2 });
display(compare.resultTable(by, times, `${far.title}: r = ${rank}, ${steps} steps`));
const order = compare.inOrder(results, {
  title: `${results.length} methods, each at ${search > 0 ? "its best" : "a good"} rate`,
  caption: `Bars are ${seeds < 3 ? "the range" : "95 % intervals"} over ${seeds} seeds. Before training the loss is ${far.before.toFixed(2)}.`,
});
display(order);

// %% [markdown]
// ## Who beats whom
//
// All methods see the same batches in the same order, seed by seed. So differences are taken seed by seed, too: what makes
// a seed hard makes it hard for all, and falls out of the difference.

// %% Differences, seed by seed

display(compare.pairedTable("DoRA", "LoRA", by));
display(
  compare.duels(results, {
    title: "Row less column, in thousandths of a nat",
    caption: `Green: the row's loss is lower, and the 95 % interval leaves out zero. Red: it is higher. In brackets: the interval holds zero. Less than ${1000 * DELTA} counts as no difference on this page.`,
  }),
);

// %% [markdown]
// ## Equal numbers instead of equal ranks
//
// At one rank LoRA-FA trains fewer numbers than LoRA, and DoRA more. The dashed line joins LoRA's own ranks: a method below
// it makes better use of what it trains, one above it would do better as LoRA at another rank.
// **Change this and run again:** `npm start -- compare --set rank=1`: where numbers are few, who gains on LoRA?

// %% A second budget

const [ofFa, ofDora] = [by.rankForLorasNumbers("LoRA-FA", rank), by.rankForLorasNumbers("DoRA", rank)];
const second = [
  { name: "LoRA, r = 1", like: "LoRA", prepare: adapter(at(1)) },
  { name: `LoRA, r = ${4 * rank}`, like: "LoRA", prepare: adapter(at(4 * rank)) },
  { name: `LoRA-FA, r = ${ofFa}`, like: "LoRA-FA", prepare: adapter({ ...at(ofFa), method: "lora-fa" }) },
  { name: `DoRA, r = ${ofDora}`, like: "DoRA", prepare: adapter({ ...at(ofDora), method: "dora" }) },
].map(({ like, ...arm }) => ({ ...arm, rates: around(by.rate(like)), read: () => null }));
const budgets = [...results, ...compare.study(settings.more ? second : second.slice(0, 3), [far], options)];
display(
  compare.frontier(budgets, {
    title: "Loss against the numbers trained",
    caption: `LoRA-FA at r = ${ofFa} and DoRA at r = ${ofDora} train as many numbers as LoRA at r = ${rank}, or a few less. rsLoRA, LoRA+ and PiSSA train exactly as many.`,
  }),
);

// %% [markdown]
// ## A second base, and an easy task
//
// *Words.* A Llama of a million parameters that knows the State of the Union addresses learns Moby-Dick, in pieces of
// words; its loss is taken on 128 windows of the novel, and the rates are chosen on 64 others. *Near.* A base that can put
// a restaurant's facts into words in any of 54 styles learns the one style of a house (the task of the page `lora`). That
// change is small; where all methods reach the same floor, the choice of a method is a choice of costs.
//
// Rates are chosen on each base anew, as above. Without biases, a Llama has no place for BitFit.

// %% The same methods elsewhere

const words = () => ({
  shift: compare.speechesToMobyDick({ reported: 128, choosing: 64 }),
  options: { ...options, steps: 60, searchSteps: 30, rows: 2 },
});
const near = () => ({ shift: compare.restaurantsToHouse({ reported: 512, choosing: 96 }), options });
const few = ["full fine-tuning", "LoRA", "DoRA", "AdaLoRA", "LoRA-FA"];
const elsewhere = (settings.more && !isOwn ? [words, near] : []).map((place) => {
  const { shift, options } = place();
  const able = compare.thatApply(shift, arms).filter(({ name }) => place === words || few.includes(name));
  const reading = able.map((arm) => ({ ...arm, read: compare.kept(shift) }));
  const results = compare.study(reading, [shift], options);
  const turned = compare.reordered(compare.halfway(results), results, { par: DELTA });
  const { title, before } = shift;
  return { title, shift, results, turned, by: new compare.Comparison(results, { before, par: DELTA }) };
});
display(
  elsewhere.length > 0
    ? compare.elsewhereTable(by, far.title, elsewhere)
    : md`The full setting (\`--full\`) runs these two.`,
);

// %% [markdown]
// **What the papers say**, on the far shifts: a claim is *supported* or *contradicted* if the paired interval on each base says
// so, *on a par* if it lies within ± δ, and else one cannot tell. The near shift decides nothing here.

// %% Verdicts

const distant = [...results, ...elsewhere.slice(0, 1).flatMap(({ results }) => results)];
display(replication(compare.asClaims(distant, DELTA), "What the papers say, and what is seen here"));

// %% [markdown]
// ## What they write
//
// A tenth of a nat is hard to picture. These are the models of the first seed, asked to go on after the same words with the
// same dice. None writes English that one would print: the bases are small and the training short. What can be seen is how
// far each has moved from what the base knew towards the new text.

// %% The same prompt

for (const { shift, by: its } of [{ shift: far, by }, ...elsewhere.slice(0, 1)])
  display(compare.writtenTable(shift, its));

// %% [markdown]
// ## So which one?
//
// The second column is advice: it rests on what the methods are for. The third is what was measured here.

// %% Which method when

display(compare.whenTable(by));

// %% [markdown]
// ## Change this and run again
//
// - `npm start -- compare --set steps=300 --set seeds=3`: where does AdaLoRA stand when its allocation has time? (On the
//   page `adalora`, after 240 steps and with queries, keys and values as layers of their own, it is behind at this budget.)
// - `npm start -- compare --set ratio=16`: LoRA+ with the ratio of its paper. Does $B$ want it at this width?
// - `npm start -- compare --full --set search=1 --set more=false`: all rates searched, in a third of the time.
// - **On your own text**, and your own model: `npm start -- compare --text FILE --base FOLDER --set search=1` (a GPT-2 or a Llama in
//   Hugging Face's format; without `--base` the model is the small Llama of this repository). What is learned is then your text.
//
// **How far this carries.** The model has 0.2 million parameters, a width of 64, and trains for seconds. What depends on
// width (LoRA+) or on many tokens (the memory of LoRA-FA) is smaller here than in the papers.
// What depends on the form of ΔW (how many numbers, which subspace, merging) is the same at every size. The page `lora` holds
// LoRA against full fine-tuning on the near shift, where little is new; here nearly all is. If the gap that LoRA closes is
// smaller here than there, that is no contradiction: it is what a low rank costs where much must change.

// %% The settings, and what was found

display(fold("The settings of this run.", settingsTable(settings)));
const again = elsewhere.slice(0, 1).map(({ title, by }) => `On the second base, ${title}: ${by.sides()}.`);
const fa = by.besideLora().find(({ arm }) => arm === "LoRA-FA");
const percent = (value: number, of: number): string => `${((100 * value) / of).toFixed(0)} %`;
found.show(
  md`
  ${isOwn ? `From ${far.title}:` : "The text, English comments, is nearly all new to a base that knows code."} **LoRA at r = ${rank} closes ${compare.mean(by.closed("LoRA")).toFixed(0)} % of the gap that full fine-tuning closes, and
  trains ${percent(by.trained("LoRA"), by.trained("full fine-tuning"))} of its numbers.** With every method at ${search > 0 ? "its own best" : "a good"} rate, and a difference of ${DELTA} nats as the least
  that counts: ${by.sides()}. ${again.join(" ")}

  LoRA-FA trains ${percent(by.trained("LoRA-FA"), by.trained("LoRA"))} of LoRA's numbers and keeps ${percent(by.saved("LoRA-FA"), by.saved("LoRA"))} of what LoRA keeps for the backward pass; its loss is ${Math.abs(fa?.difference ?? 0).toFixed(3)} nats ${(fa?.difference ?? 0) > 0 ? "higher" : "lower"}.
  The rates of the ten lie a factor of ${factor} apart: at one shared rate the comparison would be one of rates.
  `,
  order,
);
