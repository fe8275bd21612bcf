// %% [markdown]
// # Errata of six papers
//
// The papers on LoRA are careful, and nearly all of their numbers come out when one recomputes them. These are the ones
// that do not: formulas with a misplaced sign or bracket, counts that belong to another row, and places where the text
// describes one method and the released code runs another. Each is computed again in this page. If you implement a
// paper from its text, read its list first.

// %% What was found

import { linePlot, md, opening, table } from "./support/index.ts";

const found = opening();

// %% [markdown]
// ## How an erratum is found
//
// Most numbers of these papers can be computed without training anything. The count of trainable parameters follows from
// a formula and the published shape of a model; a percentage follows from two counts; a mean follows from its cells. So
// every such number can be checked by the paper's own definitions. LoRA trains two matrices, $B$ ($d \times r$) and $A$
// ($r \times k$), for each adapted weight, hence $r (d + k)$ numbers. For GPT-2 M ($d = k = 1024$, 24 blocks), with
// $r = 4$ on the query and value matrices, by hand:

// %% A count by hand

import { countParameters } from "lowrank/lora";
import { display } from "./support/index.ts";

const [r, d, blocks, matrices] = [4, 1024, 24, 2];
const byHand = r * (d + d) * matrices * blocks;
const byFormula = countParameters("lora", {
  config: "gpt2-medium",
  rank: r,
  target: "attn.c_attn",
  slices: { c_attn: [true, false, true] }, // q and v of the fused q, k, v
}).trainable;
display(
  table([
    { "trainable parameters": "by hand", count: byHand },
    { "trainable parameters": "countParameters", count: byFormula },
    { "trainable parameters": "printed in table 3", count: 350_000 },
  ]),
);

// %% [markdown]
// The paper prints 0.35 million. That is the number of the row above it, which belongs to prefix tuning. The released
// checkpoint has 1.5 MiB, which is 393,216 numbers of four bytes: the experiment was right and the table was not.
//
// The other errata were found in the same way. There are five kinds:
//
// - **formula**: an equation that cannot be meant as it is printed;
// - **number**: a number that does not follow from the paper's own definitions;
// - **label**: the right number under a wrong name or in the wrong place;
// - **rounding**: a number that is cut off where it should be rounded, or a round figure taken for an exact one;
// - **text and code**: the text describes one thing, and the code that made the results does another.

// %% How many there are

import {
  all,
  b0,
  bT,
  errataOf,
  overview,
  printedBudget,
  schedule,
  similarity,
} from "./papers/errata/index.ts";

display(overview());

// %% [markdown]
// ## Two formulas, tried
//
// **The budget of AdaLoRA.** AdaLoRA starts with more rank than it will keep and lowers its budget along a cubic. The
// appendix prints $t - t_i - t_f$ in the numerator. In the plot one sees what that does: at the end of the warm-up the
// budget jumps to six times its start, and it would have to *grow* new singular values. The authors' code has $t - t_i$,
// which starts at $b^{(0)}$ and ends at $b^{(T)}$.

// %% The budget, as printed and as run

import { budgetAt } from "lowrank/lora";

const times = Array.from({ length: 301 }, (_, i) => Math.max(1, 10 * i));
const budgets = times.flatMap((t) => [
  { t, triplets: printedBudget(t), formula: "as printed: t − tᵢ − t_f" },
  { t, triplets: budgetAt(t, schedule, b0, bT), formula: "the authors' code: t − tᵢ" },
]);
const budgetPlot = linePlot(budgets, {
  x: "t",
  y: "triplets",
  series: "formula",
  yScale: "log",
  title: "AdaLoRA's budget: from 864 triplets to 576 in 3,000 steps",
  xLabel: "step t",
  caption:
    "As printed, the budget rises to 5,076 triplets when the warm-up of 500 steps ends. By the code it only falls.",
});
display(budgetPlot);

// %% [markdown]
// **The similarity of two subspaces.** LoRA's equation 4 measures how much of one subspace lies in another,
// $\phi = \frac1p \sum_i \sigma_i^2$, where the $\sigma_i$ are the cosines of the angles between them. Appendix G relates
// it to the projection distance $d = \sqrt{p - \sum_i \sigma_i^2}$ and prints $\phi = \frac1p (1 - d^2)$. Put
// $\sum \sigma_i^2 = p - d^2$ into the definition: it must be $\phi = 1 - d^2/p$. The printed form would be negative for
// most subspaces:

// %% The relation, for four cosines

const cosines = [0.9, 0.6, 0.3, 0.1];
const { phi, meant, printed } = similarity(cosines);
display(
  table([
    { relation: "equation 4", φ: phi },
    { relation: "1 − d²/p", φ: meant },
    { relation: "(1 − d²)/p, as printed", φ: printed },
  ]),
);

// %% [markdown]
// ## LoRA
//
// Hu et al., 2021, [arXiv:2106.09685](https://arxiv.org/abs/2106.09685). The results stand; the parameter counts beside
// some of them do not. For practice two rows matter: $A$ starts uniform and not Gaussian, and DeBERTa-XXL was trained
// with $r = 16$.

// %% LoRA

display(errataOf("LoRA"));

// %% [markdown]
// ## QLoRA
//
// Dettmers et al., 2023, [arXiv:2305.14314](https://arxiv.org/abs/2305.14314). Whoever implements NF4 from equation 4
// gets another data type. The published sixteen values come of the released construction, which the page on
// [QLoRA](qlora.html) derives.

// %% QLoRA

display(errataOf("QLoRA"));

// %% [markdown]
// ## AdaLoRA
//
// Zhang et al., 2023, [arXiv:2303.10512](https://arxiv.org/abs/2303.10512). The text's regulariser and the code's differ
// by orders of magnitude; the results were made with the code's.

// %% AdaLoRA

display(errataOf("AdaLoRA"));

// %% [markdown]
// ## LoRA+
//
// Hayou et al., 2024, [arXiv:2402.12354](https://arxiv.org/abs/2402.12354). The paper has figures and hardly any printed
// numbers, so there is little to recompute. The grids of $\eta_A$ and $\eta_B$ in its appendix C look exchanged as well;
// they are not computed with here.

// %% LoRA+

display(errataOf("LoRA+"));

// %% [markdown]
// ## DoRA
//
// Liu et al., 2024, [arXiv:2402.09353](https://arxiv.org/abs/2402.09353). The text normalises columns and the code rows;
// PEFT and this library follow the code.

// %% DoRA

display(errataOf("DoRA"));

// %% [markdown]
// ## LoRA-FA
//
// Zhang et al., 2023, [arXiv:2308.03303](https://arxiv.org/abs/2308.03303). Only the abstracts of its two versions were
// at hand for this page, so nothing is said of its tables. What PEFT has published about the method (the parameter counts
// of its benchmark) agrees to the last digit with the formulas: see [LoRA-FA](lora-fa.html).
//
// ## If you find another
//
// Every row above is an entry of a small file, `notebooks/papers/errata/NAME.ts`, with the printed form, the computed
// one, and a condition that a test holds to be true. Add yours there: `npm start -- errata` shows it.

// %% The answer

const serious = all.filter(({ kind }) => kind === "formula" || kind === "text and code");
found.show(
  md`
  **${all.length} places** in five papers do not follow from the papers' own definitions; each was computed again here.
  Most are harmless: a count cut off, a label exchanged. ${serious.length} are not, because whoever implements the text
  gets another method or another number than the one that made the results: equation 4 of QLoRA does not give NF4, AdaLoRA's printed budget
  exceeds its own start (the plot), its regulariser is not the one that was run, and DoRA's norm is taken over rows, not
  columns. Two touch a main comparison: the authors of DoRA have a better LoRA in their repository than in table 1, and the
  printed order of two of QLoRA's means is not that of their cells.
  `,
  budgetPlot,
);
