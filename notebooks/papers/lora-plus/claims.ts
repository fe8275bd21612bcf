/** @file What the paper claims, judged by the runs of the page. Hayou, Ghosh & Yu, 2024, arXiv:2402.12354. */
import { mean } from "../../support/experiments/statistics.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import { interval, type Judgement } from "../../support/experiments/verdicts.ts";
import { type Claim, every, formatNumber, lower, md, meanStd } from "../../support/index.ts";
import { exponent, median } from "./linear-toy.ts";
import {
  type Bootstrapped,
  best,
  bootstrap,
  center,
  geometric,
  growth,
  judged,
  lossOf,
  ratioOf,
  stableRates,
  type Width,
} from "./rate-search.ts";
import type { Scaling } from "./scaling.ts";

/** How far a fitted exponent may be from the theory's. */
const TOLERANCE = 0.15;
/** δ of the loss on the language model, in nats. */
export const LOSS_PAR = 0.005;

/** Judges "the mean is c, within ±δ" by its 95 % interval. */
export function equal(values: readonly number[], c: number, δ: number): Judgement {
  const between = interval(values);
  const { low, high } = between;
  const [inside, outside] = [low >= c - δ && high <= c + δ, high < c - δ || low > c + δ];
  return { verdict: inside ? "supported" : outside ? "contradicted" : "cannot tell", why: String(between) };
}

/** δ₁ + δ₂ + δ₃ is the change of f, and the exponents of n are those of the theory. */
export function theoryClaims(difference: number, [root, inverse, plus]: readonly Scaling[]): Claim[] {
  const fits = ({ theory, exponents }: Scaling): Judgement =>
    every(theory.map((c, k) => equal(exponents[k], c, TOLERANCE)));
  const claim = (text: string, paper: string, scaling: Scaling): Claim => ({
    claim: text,
    paper,
    measured: scaling.exponents.map((of) => two(mean(of))).join(", "),
    verdict: fits(scaling),
    seeds: scaling.exponents[0].length,
    note: `exponents of f, δ₁, δ₂, δ₃; theory ${scaling.theory.join(", ").replaceAll("-", "−")}, within ${TOLERANCE}`,
  });
  return [
    {
      claim: "A step changes f by δ₁ + δ₂ + δ₃",
      paper: "for the model of equation 2",
      measured: `largest difference ${difference.toExponential(0)}`,
      verdict: difference < 1e-12,
    },
    claim("With η of order 1/√n for both, everything is slow", "at most of order 1/√n (§4)", root),
    claim("With η of order 1/n for both, A does not learn", "δ₁ vanishes first (§4)", inverse),
    claim("With η_A of order 1/n and η_B of order 1, all terms stay", "of order 1 (§4, theorem 1)", plus),
  ];
}

/** Two decimals, with a minus sign that is one. */
const two = (value: number): string => value.toFixed(2).replace("-0.00", "0.00").replace("-", "−");

const spread = ({ value, low, high }: Bootstrapped): string => `${two(value)} (${two(low)} to ${two(high)})`;

/** Judges "above the threshold" by a bootstrapped interval. */
export function aboveBy({ low, high }: Bootstrapped, threshold: number): Judgement {
  const verdict = low > threshold ? "supported" : high < threshold ? "contradicted" : "cannot tell";
  return { verdict, why: "" };
}

/** The exponents of n of the largest stable rates, draw by draw. */
export function edges(widths: readonly Width[]) {
  const all = widths.map(stableRates);
  const fit = (of: "etaA" | "etaB"): number[] =>
    all[0][of].map((_, draw) =>
      exponent(
        widths.map(({ n }) => n),
        all.map((rates) => rates[of][draw]),
      ),
    );
  return { etaA: fit("etaA"), etaB: fit("etaB") };
}

/** Each draw's loss at the pair that is best for all others, as finely searched as the single rates. */
const pairLosses = ({ pairs, fine }: Width): number[] => judged([...pairs, ...fine]);

export function toyClaims(widths: readonly Width[], paperWidth: Width): Claim[] {
  const [first, last] = [widths[0], widths[widths.length - 1]];
  const seeds = first.pairs[0].losses.length;
  const { etaA, etaB } = edges(widths);
  const atPaper = bootstrap([paperWidth], ([draws]) => Math.log10(ratioOf(center(paperWidth.pairs, draws))));
  const gain = (width: Width): Claim => ({
    claim: `At n = ${width.n} it is better than the best equal rate`,
    paper: "figure 2",
    verdict: lower(pairLosses(width).map(Math.log), judged(width.single).map(Math.log), { par: 0.05 }),
    seeds,
    note: "logarithm of the test loss, δ = 0.05 (5 %); each draw is judged at the rates that are best for all others",
  });
  const edge = (name: string, values: readonly number[], theory: number): Claim => ({
    claim: `The largest stable rate of ${name} is of order ${theory === 0 ? "1" : "1/n"}`,
    paper: "the rates of theorem 1 (§4)",
    measured: `n to the power ${interval(values)}`,
    verdict: equal(values, theory, TOLERANCE),
    seeds,
  });
  return [
    {
      claim: `At n = ${paperWidth.n} the best pair has the faster B`,
      paper: "the best rates have η_B ≫ η_A (figure 2)",
      measured: `ratio ${formatNumber(10 ** atPaper.value, 0)} (${formatNumber(10 ** atPaper.low, 0)} to ${formatNumber(10 ** atPaper.high, 0)})`,
      verdict: aboveBy(atPaper, 0),
      seeds,
    },
    gain(paperWidth),
    ...(last === paperWidth ? [] : [gain(last)]),
    edge("A", etaA, -1),
    edge("B", etaB, 0),
    {
      claim: "The best ratio grows with the width",
      paper: "η_B/η_A of order n (§4)",
      measured: `as n to the power ${spread(growth(widths, ratioOf))}`,
      verdict: aboveBy(growth(widths, ratioOf), 0),
      seeds,
      note: `bootstrapped over the draws; η of A: ${spread(growth(widths, (pair) => pair.etaA))} (theory −1), η of B: ${spread(growth(widths, (pair) => pair.etaB))} (theory 0)`,
    },
  ];
}

/** A verdict as words between the two methods. */
export const word = ({ verdict }: Judgement): string =>
  ({
    supported: "better than",
    "on a par": "on a par with",
    contradicted: "worse than",
    "cannot tell": "not to be told from",
  })[verdict];

type Runs = readonly ArmResult<unknown>[];

/** Each arm's losses against those of one rate. */
export const against = (runs: Runs, arm: string): Judgement =>
  lower(losses(runs, arm), losses(runs, "LoRA, one rate"), { par: LOSS_PAR });

const losses = (runs: Runs, arm: string): readonly number[] =>
  runs.find((one) => one.arm === arm)?.losses ?? [];

export function languageClaims(runs: Runs, arms: readonly string[]): Claim[] {
  return arms.map((arm, i): Claim => {
    const verdict = against(runs, arm);
    const note =
      "at width 64, B starts at zero and Adam sets the size of each step: the best ratio is near 1 here";
    return {
      claim: `${arm}, has a lower loss than one rate for both`,
      paper: i === 0 ? "λ = 2 to 4 is best on LLaMA (§5)" : "λ = 16 is best on RoBERTa (figure 7)",
      verdict,
      seeds: losses(runs, arm).length,
      note: verdict.verdict === "contradicted" ? note : undefined,
    };
  });
}

/** The valley and the largest stable rates by width. */
export const widthRows = (widths: readonly Width[]) =>
  widths.map((width) => {
    const middle = center(width.pairs);
    const stable = stableRates(width);
    const short = (value: number): number => Number(value.toPrecision(2));
    return {
      "width n": width.n,
      "η of A": short(middle.etaA),
      "η of B": short(middle.etaB),
      ratio: short(ratioOf(middle)),
      "largest stable η of A": short(geometric(stable.etaA)),
      "largest stable η of B": short(geometric(stable.etaB)),
      "loss of the best pair": lossOf(best([...width.pairs, ...width.fine])),
      "of the best equal rate": lossOf(best(width.single)),
    };
  });

/** The arms of the study as a table. */
export const armRows = (runs: Runs) =>
  runs.map(({ arm, rate, losses, atEdge }) => ({
    method: arm,
    "√(η of A · η of B)": `${rate}${atEdge ? " (edge of those tried)" : ""}`,
    "held-out loss": meanStd(losses),
    "difference to one rate":
      arm === "LoRA, one rate" ? "" : against(runs, arm).why.replace(/^difference |, δ.*/g, ""),
  }));

/** Who is ahead at first and at the end, by the training loss of the reported runs. */
export function leaders(runs: Runs): string {
  const ahead = (from: number, to: number): string => {
    const part = ({ runs }: Runs[number]): number =>
      mean(
        runs.flatMap(({ losses }) =>
          losses.slice(Math.floor(from * losses.length), Math.ceil(to * losses.length)),
        ),
      );
    return runs.reduce((a, b) => (part(b) < part(a) ? b : a)).arm;
  };
  return `Since B starts at zero, the first step moves B alone. In the first tenth of the steps the lowest loss is that of “${ahead(0, 0.1)}”, in the last tenth that of “${ahead(0.9, 1)}”.`;
}

/** What the arm with the faster A says of the others, and why little is to be seen. */
export function controlSentence(runs: Runs, arms: readonly string[], turned: string, d: number) {
  const control = against(runs, turned);
  const gained = arms.some((arm) => against(runs, arm).verdict === "supported");
  const why = gained
    ? "Here the ratio helps."
    : `Why does the ratio not help here? The theory says how the best ratio *grows*, not where it begins. The paper's models are 12 to 64
      times as wide as this one (768 to 4,096 against ${d}), and it recommends ratios of 2 to 16 for them, far below their widths.`;
  return md`
    With $A$ faster than $B$ the loss is **${word(control)}** that of one rate (${control.why}). ${why}
  `;
}

export interface Answer {
  readonly widths: readonly Width[];
  readonly plus: Scaling;
  readonly runs: Runs;
  readonly arms: readonly string[];
  readonly turned: string;
  readonly d: number;
}

/** What was found, for the top of the page. */
export function answer({ widths, plus, runs, arms, turned, d }: Answer) {
  const [first, last] = [widths[0], widths[widths.length - 1]];
  const at = ({ pairs }: Width): string => formatNumber(ratioOf(center(pairs)), 0);
  const pair = pairLosses(last);
  const gain = median(judged(last.single).map((loss, i) => loss / pair[i]));
  const grows = aboveBy(growth(widths, ratioOf), 0).verdict;
  const { etaA, etaB } = edges(widths);
  const seen = [...arms, turned].map((arm) => `${arm}, is ${word(against(runs, arm))} one rate`).join("; ");
  const verdicts = [...arms, turned].map((arm) => against(runs, arm).verdict);
  const same = verdicts.every((verdict) => verdict === verdicts[0] && verdict !== "cannot tell");
  return md`
    - **One rate cannot fit both factors of a wide layer.** Whatever moves $A$ is multiplied by the width. In the paper's toy
      with a hidden layer the largest rate of $A$ at which training is stable goes as $n$ to the power
      ${two(mean(etaA))}, that of $B$ to the power ${two(mean(etaB))} (theory: −1 and 0).
    - **The best ratio $\\eta_B/\\eta_A$ ${grows === "supported" ? "grows with the width $n$" : "should grow with the width $n$"}**: from ${at(first)} at $n = ${first.n}$ to ${at(last)}
      at $n = ${last.n}$${grows === "cannot tell" ? " (too few draws to tell)" : ""}. After ten steps there, the best single rate leaves
      ${formatNumber(gain, 1)} times the loss of the best pair in the median draw.
    - **LoRA+ keeps the output's size**: with $\\eta_A$ of order $1/n$ and $\\eta_B$ of order 1 all three terms of a step do
      not depend on the width (fitted exponent of $n$: ${two(mean(plus.exponents[0]))}).
    - **On a language model of width ${d}**, with equally many rates to try for every ratio: ${seen}.
      ${same ? "What two rates gain or lose there does not depend on which factor is the faster." : ""}
  `;
}
