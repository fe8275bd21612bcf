/** @file Errata of AdaLoRA's paper (Zhang et al., 2023, arXiv:2303.10512), each computed from its own definitions. */

import { random } from "lowrank/core";
import { AdaLoRA, type BudgetSchedule, budgetAt, countParameters, orthogonality, siteOf } from "lowrank/lora";
import { Linear, type Target } from "lowrank/nn";
import { type Erratum, millions, percent, printedFrom } from "./erratum.ts";

export const schedule: BudgetSchedule = { totalSteps: 3000, warmup: 500, final: 1500 };
export const [b0, bT] = [864, 576];

/** The budget as the appendix prints it, for t_i ≤ t < T − t_f. */
export function printedBudget(t: number, { totalSteps, warmup, final }: BudgetSchedule = schedule): number {
  if (t < warmup) return b0;
  if (t >= totalSteps - final) return bT;
  return bT + (b0 - bT) * (1 - (t - warmup - final) / (totalSteps - warmup - final)) ** 3;
}

const config = "deberta-v3-base";
const five: Target = ["query_proj", "key_proj", "value_proj", "intermediate.dense", /.*\.\d+\.output\.dense/];
const rank1 = (target: Target): number => countParameters("lora", { config, target, rank: 1 }).trainable;
const [ofSix, ofFive] = [rank1("all-linear"), rank1(five)];
const total = countParameters("full", { config }).total;
const labels = [
  { r: 1, printed: "0.08" },
  { r: 2, printed: "0.16" },
  { r: 4, printed: "0.32" },
  { r: 8, printed: "0.65" },
];

/** Numbers of a triplet in attention, and in the feed-forward layers. */
const [attention, feedForward] = [768 + 768 + 1, 768 + 3072 + 1];
const even = countParameters("adalora", { config, target: "all-linear", budget: 576 }).trainable;
const inFeedForward = Math.round((1.27e6 - 576 * attention) / (feedForward - attention));

const bart = (rank: number): number =>
  countParameters("lora", { config: "bart-large", target: "all-linear", rank }).trainable;
const bartTotal = countParameters("full", { config: "bart-large" }).total;

const parts = Array.from(
  { length: 72 },
  (_, k) => new AdaLoRA(siteOf(new Linear(64, 64, { rng: random(1) })), { rank: 6, rng: random(k) }),
);
const [squared, unsquared] = (["paper", "code"] as const).map((form) =>
  orthogonality(parts, { weight: 0.1, form }).item(),
);

export const errata: readonly Erratum[] = [
  {
    place: "appendix, the schedule of the budget",
    printed: "b⁽ᵀ⁾ + (b⁽⁰⁾ − b⁽ᵀ⁾)(1 − (t − tᵢ − t_f)/(T − tᵢ − t_f))³",
    found: `(t − tᵢ) in the numerator: b(500) = ${budgetAt(500, schedule, b0, bT)}`,
    kind: "formula",
    why: `As printed the budget exceeds the one that it starts from: ${Math.round(printedBudget(500)).toLocaleString("en")} triplets of 864 at the end of the warm-up, for T = 3000, tᵢ = 500, t_f = 1500. The authors' code has t − tᵢ.`,
    differs: printedBudget(500) > b0 && budgetAt(500, schedule, b0, bT) === b0,
  },
  {
    place: "§3.1, the regulariser R(P, Q)",
    printed: `γ Σ of squared norms: ${squared.toFixed(0)} for 72 matrices 64 wide at the start, γ = 0.1`,
    found: `γ times the mean of norms that are not squared: ${unsquared.toFixed(2)}`,
    kind: "text and code",
    why: "The text's term grows with the number of matrices and outweighs a loss of a few nats; the code's does not. The experiments ran the code's.",
    differs: squared > 10 * unsquared,
  },
  {
    place: "§4, the adapted matrices",
    printed: "five in a block: W_q, W_k, W_v, W_f1, W_f2",
    found: `six: LoRA of r = 8 has ${millions(8 * ofSix, 2)}, as table 1 prints (five: ${millions(8 * ofFive, 2)})`,
    kind: "text and code",
    why: "The printed counts and b(T) = 576 = 8 × 72 need the sixth, the output of attention, which the code adapts.",
    differs:
      printedFrom((8 * ofSix) / 1e6, "1.33") === "rounded" &&
      printedFrom((8 * ofFive) / 1e6, "1.33") === "neither",
  },
  {
    place: "tables 2 and 4, the budgets in percent",
    printed: labels.map(({ printed }) => `${printed} %`).join(", "),
    found: labels.map(({ r }) => percent(r * ofSix, total, 2)).join(", "),
    kind: "label",
    why: `The labels are the percentages of five matrices (${labels.map(({ r }) => percent(r * ofFive, total, 2)).join(", ")}), the counts those of six.`,
    differs: labels.every(({ r, printed }) => ((100 * r * ofSix) / total).toFixed(2) !== printed),
  },
  {
    place: "table 1 with figure 3, AdaLoRA's 1.27 M parameters",
    printed: "1.27 M, and more rank in the feed-forward layers",
    found: `${inFeedForward} of 576 triplets in the feed-forward layers; an even spread has ${576 / 3}`,
    kind: "number",
    why: `A triplet has ${feedForward.toLocaleString("en")} numbers there and ${attention.toLocaleString("en")} in attention, so 1.27 M instead of ${millions(even, 2)} means fewer feed-forward triplets than an even spread, while figure 3 shows more.`,
    differs: inFeedForward < 576 / 3,
  },
  {
    place: "table 3, the budgets on BART-large",
    printed: "1.10 %, 2.20 %",
    found: [8, 16].map((rank) => percent(bart(rank), bartTotal, 2)).join(", "),
    kind: "number",
    why: "More than all sixteen matrices of a pair of blocks have at r = 8 and 16; the labels of r = 1 and 2 (0.13, 0.26 %) agree.",
    differs:
      ((100 * bart(8)) / bartTotal).toFixed(2) !== "1.10" &&
      ((100 * bart(1)) / bartTotal).toFixed(2) === "0.13",
  },
  {
    place: "appendix, table 15: “16 % on SQuADv2”",
    printed: "16 % more time on SQuADv2",
    found: [
      [60, 71],
      [61, 71],
      [61, 71],
    ]
      .map(([lora, ada]) => `${(100 * (ada / lora - 1)).toFixed(1)} %`)
      .join(", ")
      .concat(" on SST-2"),
    kind: "label",
    why: "The table has SST-2 where the text speaks of SQuADv2.",
    differs: Math.abs(71 / 61 - 1.16) < 0.005,
  },
];
