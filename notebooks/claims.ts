// %% [markdown]
// # What people say about LoRA
//
// Overviews, interview guides and blog posts repeat the same statements about LoRA: *10,000 times fewer parameters*,
// *6 times less memory*, *start with r = 8*. Which of them are true?
//
// Each stands here on a card with the number that decides it, what that number depends on, and a verdict. Numbers of
// parameters and bytes are computed from the published shapes of models, the laws of the method are tried on random
// layers, published settings are counted, and experience is measured on small models that are adapted in this run.

// %% What was found

import { display, linePlot, md, opening, table } from "./support/index.ts";

const found = opening();

// %% [markdown]
// ## How a statement is decided
//
// Take the most repeated one: *LoRA trains 10,000 times fewer parameters*. LoRA adds to a weight of $d \times k$ numbers
// two factors, $B$ ($d \times r$) and $A$ ($r \times k$), so it trains $r(d + k)$ numbers where full fine-tuning trains
// $dk$. For square matrices ($k = d$) that is $2 d r$ instead of $d^2$, and the factor is $d / 2r$ for an adapted matrix.
// It is larger for the whole model, because most matrices get no adapter. By hand, for two models:

// %% The factor, by hand

import { grouped } from "./papers/claims/statement.ts";

const matrices = 2; // queries and values
const byHand = [
  { model: "GPT-3 175B", all: 174.6e9, d: 12_288, blocks: 96, r: 4 },
  { model: "LLaMA-7B", all: 6.738e9, d: 4096, blocks: 32, r: 4 },
  { model: "LLaMA-7B", all: 6.738e9, d: 4096, blocks: 32, r: 8 },
].map(({ model, all, d, blocks, r }) => {
  const trained = 2 * d * r * matrices * blocks;
  return { model, r, "trained by LoRA": grouped(trained), "times fewer": grouped(all / trained) };
});
display(table(byHand));

// %% [markdown]
// So 10,000 is a number of one model at one rank. The factor is proportional to the width $d$ and to $1/r$; at 7 billion
// parameters and the usual $r = 8$ it is 1,600. The statement is false as it is usually made, and true of the model that it
// was made about. Most of the statements below are of this kind: a number that lost its condition.
//
// A verdict is one of four. *Supported* and *contradicted* mean that arithmetic, a law or an interval of paired runs
// decides it. *On a par* means that a difference, if there is one, is smaller than a stated δ. *Cannot tell* means that
// the runs do not decide.
//
// ## How many parameters

// %% How many parameters

import { parameters } from "./papers/claims/parameters.ts";
import { card } from "./support/show/card.ts";

for (const one of parameters) display(card(one));

// %% [markdown]
// ## How much memory
//
// AdamW keeps two moments for each trained number. With 16-bit weights and gradients and float32 moments that is 12 bytes
// for each parameter of full fine-tuning, and 2 for each frozen one.

// %% How much memory

import { memory } from "./papers/claims/memory.ts";

for (const one of memory) display(card(one));

// %% [markdown]
// ## The method
//
// Statements about the method are laws: they hold for all layers or they do not. Each is tried on twenty random ones by
// the same functions that test the library (`lowrank/lora`, `laws`).

// %% The method

import { method } from "./papers/claims/method.ts";

for (const one of method) display(card(one));

// %% [markdown]
// ## Published settings and results
//
// A statement about what is *typical* counts as supported if at least two thirds of these published settings agree.

// %% The settings that are counted

import { settings as ofPapers, published } from "./papers/claims/settings.ts";
import { fold } from "./support/index.ts";

display(
  fold(
    `${published.length} published settings of LoRA, from the papers and their scripts.`,
    table(
      published.map(({ model, r, alpha, lr }) => ({
        model,
        r,
        α: alpha,
        "α/r": alpha / r,
        "learning rate":
          lr[0] === lr[1] ? lr[0].toExponential(0) : `${lr[0].toExponential(0)} to ${lr[1].toExponential(0)}`,
      })),
    ),
  ),
);
for (const one of ofPapers) display(card(one));

// %% [markdown]
// ## Experience
//
// The rest can only be measured. Two kinds of shifts are used on all pages of this site:
//
// - **near**: a small GPT that can put a restaurant's facts into words in any of 54 styles learns the one style of a
//   house. Everything but the choice is known to it. There are two such models, from two seeds.
// - **far**: a small GPT that knows TypeScript declarations learns the English of their comments. Nearly everything is new.
//
// The measure is the fraction of full fine-tuning's gain on held-out text: (loss before − loss after) over the same
// difference for full fine-tuning. The learning rates are those that other pages chose by search: the page on
// [LoRA](lora.html) for the near shift, the [comparison of methods](compare.html) for the far one; they were not searched
// again for every rank. Here $\alpha = 2r$ at every rank. The page on LoRA keeps one $\alpha$, with which rank 1 gains
// more and rank 32 less than here.

// %% Settings

import { experience, experienced, twoAnswers } from "./papers/claims/experience.ts";
import { defineSettings, meanStd, settingsTable } from "./support/index.ts";

const settings = defineSettings({
  ranks: { quick: [1, 8], full: [1, 4, 8, 32], about: "ranks of LoRA; 8 must be one of them", min: 1 },
  bases: { quick: 1, full: 2, about: "bases of the near shift", min: 1 },
  seeds: { quick: 1, full: 5, about: "paired seeds", min: 1 },
  steps: { quick: 40, full: 300, about: "steps of each adaptation", min: 1 },
  held: { quick: 64, full: 512, about: "held-out rows, a multiple of 32", min: 32 },
  rows: { quick: 4, full: 8, about: "rows of a batch", min: 1 },
});
display(fold("The settings of this run.", settingsTable(settings)));

// %% Adaptations

const seen = experience(settings);
const gains = (["near", "far"] as const).flatMap((shift) =>
  settings.ranks.map((rank) => ({ shift, rank, closed: seen.closed(shift, `LoRA, r = ${rank}`) })),
);
display(
  table(
    gains.map(({ shift, rank, closed }) => ({ shift, rank, "gap closed": meanStd(closed) })),
    { title: "LoRA on all linear layers, by rank" },
  ),
);
const measured = experienced(seen, settings.ranks);
for (const one of measured) display(card(one));

// %% [markdown]
// ## The variants
//
// What is said of AdaLoRA, LoRA+, DoRA and LoRA-FA (*better*, *faster*, *slightly lower*) depends on the task more than
// any of the statements above. Their own pages say what each is good for, and [which method when](compare.html) puts all
// of them beside each other at their own best learning rates.
//
// **Change this and run again:** `npm start -- claims --set steps=60` stops the adaptations early: the near shift then
// looks like a case for full fine-tuning, too. `npm start -- claims --set ranks=1,2,4,8` finds the rank that is enough.

// %% The answer

const all = [...parameters, ...memory, ...method, ...ofPapers, ...measured];
const said = (verdict: string): number => all.filter((one) => card(one).verdicts[0] === verdict).length;

// %% One statement, two answers

const bothAnswers = linePlot(
  gains.map(({ shift, rank, closed }) => ({ shift, rank, gain: meanStd(closed.map((part) => 100 * part)) })),
  {
    x: "rank",
    y: "gain",
    series: "shift",
    xScale: "log",
    yLabel: "% of full fine-tuning's gain",
    references: [{ y: 100, name: "full fine-tuning" }],
    title: "One statement, two answers: does LoRA reach full fine-tuning?",
    caption: twoAnswers(gains),
  },
);
found.show(
  md`
  Of **${all.length} statements**, ${said("supported")} are supported as they are usually made, ${said("on a par")} come out on
  a par, ${said("contradicted")} are contradicted, and ${said("cannot tell")} cannot be decided by this run. Most of the
  contradicted ones are true of *something*: of one model, one rank or one number format, and lost that condition on the
  way. *10,000 times fewer parameters* is GPT-3 175B at rank 4. *84 GB* is 16-bit training, not full precision. Whether
  LoRA matches full fine-tuning depends on how far the new text is from what the model knows: the plot has both answers.
  `,
  bothAnswers,
);
