/** @file What the paper claims, judged by the runs of the page. Hayou, Ghosh & Yu, 2024, arXiv:2402.12354. */
import { mean } from "../../support/experiments/statistics.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import { interval, type Judgement } from "../../support/experiments/verdicts.ts";
import { above, type Claim, every, formatNumber, lower, md, meanStd } from "../../support/index.ts";
import { exponent } from "./linear-toy.ts";
import { geometric, ratioOf, type Width } from "./rate-search.ts";
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
    measured: scaling.exponents.map((of) => mean(of).toFixed(2)).join(", "),
    verdict: fits(scaling),
    seeds: scaling.exponents[0].length,
    note: `exponents of f, δ₁, δ₂, δ₃; theory ${scaling.theory.join(", ")}, within ${TOLERANCE}`,
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

/** The slopes of the best ratio, η_A and η_B on logarithmic axes, seed by seed. */
export function slopes(widths: readonly Width[]) {
  const ns = widths.map(({ n }) => n);
  const fit = (of: (pair: Width["own"][number]) => number): number[] =>
    widths[0].own.map((_, s) =>
      exponent(
        ns,
        widths.map(({ own }) => of(own[s])),
      ),
    );
  return { ratio: fit(ratioOf), etaA: fit(({ etaA }) => etaA), etaB: fit(({ etaB }) => etaB) };
}

export function toyClaims(widths: readonly Width[], paperWidth: Width): Claim[] {
  const groups = paperWidth.own.length;
  const { ratio, etaA, etaB } = slopes(widths);
  const { pairLosses, equalLosses } = paperWidth;
  const wide = widths[widths.length - 1];
  const gain = (n: string, pair: readonly number[], equal: readonly number[]): Claim => ({
    claim: `At ${n} it is better than the best equal rate`,
    paper: "figure 2",
    verdict: lower(pair, equal, { par: 0.001 }),
    seeds: groups,
    note: "test loss, δ = 0.001; each group's rates are chosen by the other groups",
  });
  return [
    {
      claim: `At n = ${paperWidth.n} the best pair has the faster B`,
      paper: "the best rates have η_B ≫ η_A (figure 2)",
      measured: `ratio ${formatNumber(geometric(paperWidth.own.map(ratioOf)), 0)}`,
      verdict: above(
        paperWidth.own.map((pair) => Math.log10(ratioOf(pair))),
        0,
      ),
      seeds: groups,
    },
    gain(`n = ${paperWidth.n}`, pairLosses, equalLosses),
    gain(`n = ${wide.n}`, wide.pairLosses, wide.equalLosses),
    {
      claim: "The best ratio grows with the width",
      paper: "η_B/η_A of order n (§4)",
      verdict: above(ratio, 0),
      measured: `as n to the power ${interval(ratio)}`,
      seeds: groups,
      note: `η_A: ${interval(etaA)} (theory −1); η_B: ${interval(etaB)} (theory 0)`,
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

/** The best pairs by width. */
export const widthRows = (widths: readonly Width[]) =>
  widths.map(({ n, own, pairLosses, equalLosses }) => ({
    "width n": n,
    "best η of A": geometric(own.map(({ etaA }) => etaA)),
    "best η of B": geometric(own.map(({ etaB }) => etaB)),
    ratio: geometric(own.map(ratioOf)),
    "test loss": mean(pairLosses),
    "with the best single rate": mean(equalLosses),
  }));

/** The arms of the study as a table. */
export const armRows = (runs: Runs) =>
  runs.map(({ arm, rate, losses, atEdge }) => ({
    method: arm,
    "√(η of A · η of B)": `${rate}${atEdge ? " (edge of those tried)" : ""}`,
    "held-out loss": meanStd(losses),
    "difference to one rate":
      arm === "LoRA, one rate" ? "" : against(runs, arm).why.replace(/^difference |, δ.*/g, ""),
  }));

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
  const at = ({ own }: Width): string => formatNumber(geometric(own.map(ratioOf)), 0);
  const gain = mean(last.equalLosses) / mean(last.pairLosses);
  const seen = [...arms, turned].map((arm) => `${arm}: ${word(against(runs, arm))} one rate`).join("; ");
  const same = against(runs, arms[0]).verdict === against(runs, turned).verdict;
  return md`
    - **In the paper's toy the best ratio of the two rates grows with the width**: from η<sub>B</sub>/η<sub>A</sub> = ${at(first)} at
      n = ${first.n} to ${at(last)} at n = ${last.n}, as n to the power ${mean(slopes(widths).ratio).toFixed(2)} (theory: 1).
    - **One rate cannot fit both factors.** A step moves the output through A, through B, and through both. With one rate
      some of these terms vanish as the layer becomes wider; with η<sub>A</sub> of order 1/n and η<sub>B</sub> of order 1 the
      output keeps its size (fitted exponent of n: ${mean(plus.exponents[0]).toFixed(2)}).
    - **It pays where few steps are taken**: after ten steps at n = ${last.n} the best single rate leaves
      ${formatNumber(gain, 1)} times the loss of the best pair.
    - **On a language model of width ${d}**, every ratio with equally many rates to try: ${seen}.
      ${same ? "Whatever two rates gain or lose, it does not depend on which factor is the faster." : ""}
  `;
}
