/** @file The statements of LoRA's paper that the page tries, with what the paper reports. */

import { mean } from "../../support/experiments/statistics.ts";
import type { Judgement } from "../../support/experiments/verdicts.ts";
import { above, type Claim, every, higher, lower, noWorse } from "../../support/index.ts";

/** Relative differences of outputs or losses. */
export interface Differences {
  readonly start: number;
  readonly steps: number;
  readonly merged: number;
  readonly unmerged: number;
}

/** The roundings of float32 sums of ten products stay far below. */
const ROUNDING = 1e-5;

/** The laws of one layer, which are exact. */
export const laws = ({ start, steps, merged, unmerged }: Differences): Claim[] => [
  {
    claim: "At the start the adapted layer is the pretrained one",
    paper: "ΔW = BA is zero at the beginning (§4.1)",
    measured: `relative difference ${start}`,
    verdict: start === 0,
  },
  {
    claim: "The library's losses are those computed by hand",
    paper: "h = W₀x + BAx (equation 3)",
    measured: `relative difference ${steps.toExponential(1)}`,
    verdict: steps < ROUNDING,
  },
  {
    claim: "Merged, the layer computes the same",
    paper: "W = W₀ + BA (§4.1)",
    measured: `relative difference ${merged.toExponential(1)}`,
    verdict: merged < ROUNDING,
  },
  {
    claim: "Unmerged, the layer is the pretrained one again",
    paper: "W₀ is recovered by subtracting BA (§4.1)",
    measured: `relative difference ${unmerged}`,
    verdict: unmerged === 0,
    note: "The library keeps W₀, so that nothing is rounded.",
  },
];

/** A difference in gain that counts as none where the paper says "on a par": 5 % of what full fine-tuning gains. */
const ON_A_PAR = 0.05;
/** The same where one form of LoRA, or one method, is compared with another: 2 %. */
const EQUAL = 0.02;

/** One value for each run, base by base. A claim is judged on each base. */
export type ByBase = readonly (readonly number[])[];

type Judge = (first: readonly number[], second: readonly number[]) => Judgement;

const onEach = (first: ByBase, second: ByBase, judge: Judge): Judgement =>
  every(first.map((values, base) => judge(values, second[base])));

const more = (first: ByBase, second: ByBase): Judgement =>
  onEach(first, second, (a, b) => higher(a, b, { par: EQUAL }));

/** "The first gains no less than the second, up to δ." Of losses, which `noWorse` judges, lower is better. */
const noLess = (first: ByBase, second: ByBase, par: number): Judgement =>
  onEach(first, second, (a, b) => noWorse(a.map(negative), b.map(negative), { par }));
const negative = (value: number): number => -value;

/** The gains of full fine-tuning. */
const allOf = (gains: ByBase): ByBase => gains.map((values) => values.map(() => 1));

/** Tables 3, 6 and 18: gains of LoRA on q and v at three ranks, and on all layers at the smallest and the largest. */
export interface ByRank {
  readonly ranks: readonly [least: number, elbow: number, most: number];
  readonly gains: readonly [least: ByBase, elbow: ByBase, most: ByBase];
  /** The rank of which parity with full fine-tuning is claimed. */
  readonly parity: { readonly rank: number; readonly gains: ByBase };
  readonly wideRanks: readonly [least: number, most: number];
  readonly wide: readonly [least: ByBase, most: ByBase];
}

export const aboutRanks = ({ ranks, gains, parity, wide, wideRanks }: ByRank): Claim[] => {
  const [[least, elbow, most], [few, some, many]] = [ranks, gains];
  return [
    {
      claim: `LoRA on q and v, r = ${parity.rank}, is on a par with full fine-tuning`,
      paper: "70.4 against 68.2 BLEU (table 3)",
      verdict: noLess(parity.gains, allOf(parity.gains), ON_A_PAR),
    },
    {
      claim: `More rank helps at first: r = ${elbow} gains more than r = ${least}`,
      paper: "loss 1.18 against 1.23 (table 18)",
      verdict: more(some, few),
    },
    {
      claim: `and then no more: r = ${elbow} gains no less than r = ${most}`,
      paper: "loss 1.18 against 1.16 (table 18)",
      verdict: noLess(some, many, EQUAL),
    },
    {
      claim: `A very small rank is enough on q and v: r = ${least}`,
      paper: "73.4 against 73.5 at r = 64 (table 6)",
      verdict: noLess(few, many, ON_A_PAR),
      note: "Here r = 1 on two matrices is a thousand numbers in all; in GPT-3 it is 4.7 million.",
    },
    {
      claim: `A very small rank is enough on more matrices: r = ${wideRanks[0]}`,
      paper: "74.1 against 73.9 at r = 64 (table 6)",
      verdict: noLess(wide[0], wide[1], ON_A_PAR),
      note: "On all layers; in the paper on the four matrices of attention.",
    },
  ];
};

/** Table 5: gains by matrices, at one number of trained parameters. */
export const aboutMatrices = (of: (matrices: string) => ByBase): Claim[] => [
  {
    claim: "All of the budget on q or on k gains less than on v or on o",
    paper: "70.4 and 70.0 against 73.0 and 73.2 (table 5)",
    verdict: every(["v", "o"].flatMap((a) => ["q", "k"].map((b) => more(of(a), of(b))))),
  },
  {
    claim: "q and v together beat either alone",
    paper: "73.7 against 70.4 and 73.0 (table 5)",
    verdict: every(["q", "v"].map((one) => more(of("qv"), of(one)))),
  },
  {
    claim: "Four matrices at r = 2 gain no less than one at r = 8",
    paper: "73.7 against at most 73.2 (table 5)",
    verdict: every(["q", "k", "v", "o"].map((one) => noLess(of("qkvo"), of(one), EQUAL))),
  },
];

/** Table 2: percent of the rows that are right, of full fine-tuning, LoRA on q and v, LoRA on all layers, and BitFit, adapters and a prefix. */
export const againstOthers = (
  full: ByBase,
  lora: ByBase,
  everywhere: ByBase,
  others: readonly ByBase[],
): Claim[] => [
  {
    claim: "LoRA on q and v is on a par with full fine-tuning",
    paper: "CoLA 63.4 against 63.6 (table 2)",
    verdict: noLess(lora, full, 100 * ON_A_PAR),
  },
  {
    claim: "LoRA on all layers is on a par with full fine-tuning",
    paper: "on q and v: CoLA 63.4 against 63.6 (table 2)",
    verdict: noLess(everywhere, full, 100 * ON_A_PAR),
  },
  ...[
    { name: "BitFit", paper: "CoLA 63.4 against 62.0 (table 2)" },
    { name: "adapters", paper: "CoLA 63.4 against 60.8 and 62.6 (table 2)" },
    { name: "a prefix", paper: "91.7 against 89.5 (table 4, MNLI)" },
  ].map(({ name, paper }, i) => ({
    claim: `LoRA on q and v is right no less often than ${name}`,
    paper,
    verdict: noLess(lora, others[i], 100 * EQUAL),
  })),
];

/** What was measured of the directions of ΔW. */
export interface Directions {
  /** φ(1, 1) of two ranks, and what it is for random directions. */
  readonly top: ByBase;
  readonly chance: number;
  /** Parts of W in the directions of ΔW, of W itself, and in random ones. */
  readonly byDelta: ByBase;
  readonly byW: ByBase;
  readonly byRandom: ByBase;
}

/** Figure 3 and table 7. */
export const aboutDirections = ({ top, chance, byDelta, byW, byRandom }: Directions): Claim[] => [
  {
    claim: "Two ranks share their top direction more than chance does",
    paper: "φ(1, 1) > 0.5 (figure 3)",
    verdict: every(top.map((values) => above(values, chance))),
    note: `Chance is ${chance.toFixed(3)}; the paper's 0.5 is ${top.every((values) => mean(values) > 0.5) ? "reached" : "not reached"} here.`,
  },
  {
    claim: "ΔW acts where W acts, more than a random matrix",
    paper: "0.32 against 0.02 (table 7)",
    verdict: onEach(byDelta, byRandom, (a, b) => higher(a, b, { par: 0 })),
  },
  {
    claim: "but not in the main directions of W: it has less than half of them",
    paper: "0.32 against 21.67 (table 7)",
    verdict: onEach(byDelta, byW, (a, b) =>
      lower(
        a,
        b.map((value) => value / 2),
        { par: 0 },
      ),
    ),
  },
];
