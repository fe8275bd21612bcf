/** @file Sentences and rows of the AdaLoRA page, worded after what a run has measured. */

import { laws, trial } from "lowrank/lora";
import { mean } from "../../support/experiments/statistics.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import type { Judgement } from "../../support/experiments/verdicts.ts";
import { formatNumber, md, meanStd } from "../../support/index.ts";
import { judged, type Pair, type patternFacts } from "./claims.ts";
import { BUDGET, EVEN_ERROR, PLANTED, type PlantedResult, RATES } from "./planted-study.ts";
import { overheads } from "./published.ts";

/** A verdict as words between the two methods. */
export const word = ({ verdict }: Judgement): string =>
  ({
    supported: "better than",
    "on a par": "on a par with",
    contradicted: "worse than",
    "cannot tell": "not to be told from",
  })[verdict];

export const seedsNote = (seeds: number): string =>
  seeds === 1 ? "One run each." : `Means of ${seeds} runs.`;

export function rateNote(search: number, results: readonly PlantedResult[]): string {
  if (search === 0) return "Rates are not searched in this setting.";
  const atEnds = results.filter(({ rate }) => rate === RATES[0] || rate === RATES[RATES.length - 1]).length;
  const ends = atEnds > 0 ? `; in ${atEnds} rows it is the lowest or the highest of them` : "";
  return `Each rate is the best of four, by ${search} further seeds${ends}.`;
}

export function livesSentence({ ranks, misplaced }: PlantedResult): string {
  const right = PLANTED.filter(({ singularValues }, k) => singularValues.length === ranks[0][k]).length;
  const lost = misplaced[0] === 0 ? "" : ` ${misplaced[0]} of the ${BUDGET} planted triplets lack a place.`;
  return `Each row is one triplet, each bar the steps in which it is in use. ${right} of six matrices end with exactly the rank that was planted in them.${lost}`;
}

/** A table of arms on the planted task. */
export const scoreRows = (results: readonly PlantedResult[]) =>
  results.map(({ name, kind, gamma, noise, rate, misplaced, residuals }) => ({
    targets: noise > 0 ? "noisy" : "exact",
    method: kind === "AdaLoRA" ? `AdaLoRA by ${name}` : name,
    γ: kind === "AdaLoRA" || kind === "SVD-LoRA" ? String(gamma) : "",
    rate: String(rate),
    "missing triplets": meanStd(misplaced),
    "remaining error": meanStd(residuals),
  }));

/** A table of arms on the language model. */
export const budgetRows = (results: readonly ArmResult<unknown>[]) =>
  results.map(({ arm, rate, runs, losses, atEdge }) => ({
    method: arm,
    "parameters in training": runs[0].trainable,
    rate: `${rate}${atEdge ? " (the edge of those tried)" : ""}`,
    "held-out loss": meanStd(losses),
  }));

/** The losses of the search, arm by arm and rate by rate; the rates that were taken are marked. */
export const triedRows = (results: readonly ArmResult<unknown>[]) =>
  results.flatMap(({ arm, rate: taken, tried }) =>
    tried.map(({ rate, loss }) => ({
      method: arm,
      rate: String(Number(rate.toPrecision(2))),
      loss,
      taken: rate === taken ? "taken" : "",
    })),
  );

export interface Answer {
  readonly adaLora: PlantedResult;
  readonly even: PlantedResult;
  /** AdaLoRA by every score, γ and noise. */
  readonly adaptive: readonly PlantedResult[];
  readonly pairs: readonly Pair[];
  readonly facts: ReturnType<typeof patternFacts>;
  /** LoRA with the ranks found against LoRA with even ranks. */
  readonly worth: Judgement;
  /** By how much the ranks found have more numbers. */
  readonly more: string;
}

/** By how much one trains more numbers than another. */
export const percentMore = (one: ArmResult<unknown>, other: ArmResult<unknown>): string =>
  `${Number((100 * (one.runs[0].trainable / other.runs[0].trainable - 1)).toPrecision(3))} %`;

/** What was found, for the top of the page. */
export function answer({ adaLora, even, adaptive, pairs, facts, worth, more: numbers }: Answer) {
  const lost = (name: string, noisy: boolean, gamma: number): string => {
    const one = adaptive.find((r) => r.name === name && r.noise > 0 === noisy && r.gamma === gamma);
    return one ? formatNumber(mean(one.misplaced), 1) : "–";
  };
  const { gamma } = adaLora;
  const [mlp, attention] = [mean(facts.mlp), mean(facts.attention)];
  const more = mlp > attention ? ["the MLP", "attention"] : ["attention", "the MLP"];
  const verdicts = pairs.map(judged);
  const budgets = pairs.map(({ b }) => b).join(", ");
  const pays = mean(adaLora.residuals) < mean(even.residuals);
  const S = { exact: lost("the paper's S", false, 0), noisy: lost("the paper's S", true, 0) };
  const because =
    Number(S.exact) > Number(S.noisy)
      ? "; where nothing is left to learn, the gradient vanishes, and the score with it"
      : "";
  const again =
    facts.seedPairs.length > 1
      ? `Between seeds the pattern of ranks correlates at ${formatNumber(mean(facts.seedPairs), 2)} (chance: 0)`
      : "One run says nothing of how stable the pattern is";
  return md`
    - **Where matrices need different ranks, allocation ${pays ? "pays" : "does not pay in this run"}.** Of what was planted in
      six matrices with ranks 0 to 6, LoRA with even ranks leaves ${formatNumber(mean(even.residuals), 2)} unlearned (it cannot
      leave less than ${formatNumber(EVEN_ERROR, 2)}). AdaLoRA with the same budget leaves
      ${formatNumber(mean(adaLora.residuals), 3)}; on average ${formatNumber(mean(adaLora.misplaced), 1)} of its ${BUDGET} triplets
      are missing where they were planted.
    - **Which score finds the ranks depends on noise and regulariser.** Without the regulariser the paper's score misses
      ${S.exact} triplets with exact targets, and ${S.noisy} with noisy ones${because}. The simpler score |λ| misses
      ${lost("|λ|", false, 0)} with exact targets without the regulariser and ${lost("|λ|", false, gamma)} with it; with noisy
      targets it misses ${lost("|λ|", true, 0)} and ${lost("|λ|", true, gamma)}, as few as the paper's.
    - **On a language model** that goes from code to English, with ${budgets} triplets per matrix, AdaLoRA is
      ${verdicts.map(word).join(", ")} LoRA with the same budget
      (${verdicts.map(({ why }) => why.replace(/, δ.*/, "")).join("; ")} nats).
    - **It gives ${more[0]} more than ${more[1]}**: ${formatNumber(Math.max(mlp, attention), 2)} against
      ${formatNumber(Math.min(mlp, attention), 2)} triplets per matrix. ${again}. Plain LoRA with the ranks that AdaLoRA
      found, ${numbers} more numbers, is ${word(worth)} LoRA with even ones.
  `;
}

/** The same method from another base, as a sentence. */
export function elsewhereSentence(results: readonly ArmResult<unknown>[], perMatrix: number) {
  if (results.length < 2) return md`Another base is tried in the full setting.`;
  const [lora, ada] = results;
  const there = judged({ b: perMatrix, lora, ada });
  return md`
    From the base that knows restaurants instead of code, LoRA comes to ${meanStd(lora.losses)} and AdaLoRA to
    ${meanStd(ada.losses)} at ${perMatrix} triplets per matrix: AdaLoRA is **${word(there)}** LoRA (${there.why}).
  `;
}

/** Which part of a block gets more, at the beginning of a sentence. */
export const favoured = ({ mlp, attention }: Pick<Answer["facts"], "mlp" | "attention">): string =>
  mean(mlp) > mean(attention) ? "The MLP" : "Attention";

/** What table 15 and the counts say together. */
export function overheadSentence() {
  const { "more memory, counted (MB)": counted, "printed (MB)": printed } = overheads[overheads.length - 1];
  return md`
    At the largest budget the count is ${counted} MB, ${(counted / 111.28).toFixed(1)} % of the 11.1 GB that LoRA took; the paper measured
    ${printed} MB. Its steps take 11 to 18 % longer (table 15). Arithmetic does not explain this: the regulariser multiplies
    $2 r^2 (d_1 + d_2)$ numbers for a matrix, the adapter $6 r (d_1 + d_2)$ for *each* of the thousands of tokens of a batch. What
    takes time is many small operations, one after the other.
  `;
}

/** The scores and the masked λ of one step, by hand and by the library. */
export const bothWays = (
  S: readonly number[],
  library: readonly number[],
  masked: readonly number[],
  λ: readonly number[],
) =>
  S.map((byHand, i) => ({
    triplet: i + 1,
    "score by hand": byHand.toExponential(3),
    "by the library": library[i].toExponential(3),
    "λ by hand": masked[i],
    "λ in the library": λ[i],
  }));

const LAWS = ["identityAtStart", "mergedIsAdapted", "unmergeRestores", "budgetFalls", "topTriplets"] as const;

/** Laws of the library, each on `count` random layers. */
export const lawRows = (count: number) =>
  LAWS.map((name) => {
    const shape = { ...trial, method: "adalora", out: 12, in: 10, rank: 4, alpha: 8 } as const;
    const found = Array.from({ length: count }, (_, seed) => laws[name].check({ ...shape, seed }));
    return { law: laws[name].statement, "holds on": found.filter(({ holds }) => holds).length };
  });
