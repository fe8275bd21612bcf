/** @file What the paper claims, judged by the runs of the page. Zhang et al., 2023, arXiv:2303.10512. */
import { mean } from "../../support/experiments/statistics.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import type { Judgement } from "../../support/experiments/verdicts.ts";
import { above, type Claim, higher, lower, meanStd } from "../../support/index.ts";
import { alike, averageRank, inMlp, inUpper, type Pattern } from "./places.ts";
import type { PlantedResult } from "./planted-study.ts";
import { SST2 } from "./published.ts";

/** δ of the remaining error on the planted task. */
export const PLANTED_PAR = 0.01;
/** δ of the loss on the language model, in nats. */
export const LOSS_PAR = 0.005;

/** Tables 4 and 5, on the planted task. */
export function plantedClaims(results: readonly PlantedResult[]): Claim[] {
  const [ours] = results;
  const claim = (text: string, paper: string, name: string, gamma = ours.gamma, note?: string): Claim => {
    const theirs = results.find((one) => one.name === name && one.gamma === gamma) ?? ours;
    const verdict = lower(ours.residuals, theirs.residuals, { par: PLANTED_PAR });
    return { claim: text, paper, verdict, seeds: ours.residuals.length, note };
  };
  const against = (other: string, table: number): string =>
    `${SST2.adaLora} against ${other} (table ${table})`;
  return [
    claim("Uneven ranks do better than even ones", "the premise (§1)", "LoRA, even ranks", 0),
    claim("Triplets do better than doublets of LoRA", against(SST2.doublets, 4), "LoRA, doublets pruned", 0),
    claim("The score does better than I alone", against(SST2.sensitivity, 4), "sensitivity I alone"),
    claim(
      "The score does better than |λ|",
      against(SST2.magnitude, 4),
      "|λ|",
      ours.gamma,
      "on inputs as random as these |λ| is the singular value, the ideal score",
    ),
    claim("Pruning does better than triplets with even ranks", against(SST2.svd, 5), "SVD-LoRA, even ranks"),
    claim(
      "The regulariser helps",
      against(SST2.free, 5),
      "the paper's S",
      0,
      "the paper's score does not need vectors of length 1, and the regulariser's gradient disturbs the fit",
    ),
  ];
}

const PRINTED = [
  "“especially in the low budget settings” (abstract)",
  "88.86 against 88.15 on GLUE (table 1)",
  "89.31 against 88.34 on GLUE (table 1)",
] as const;

/** AdaLoRA and LoRA at one budget. */
export interface Pair {
  readonly b: number;
  readonly lora: ArmResult<unknown>;
  readonly ada: ArmResult<unknown>;
}

export const judged = ({ ada, lora }: Pair): Judgement => lower(ada.losses, lora.losses, { par: LOSS_PAR });

/** Table 1: AdaLoRA against LoRA at every budget. */
export function budgetClaims(pairs: readonly Pair[]): Claim[] {
  const gains = ({ lora, ada }: Pair): number[] => lora.losses.map((loss, i) => loss - ada.losses[i]);
  const [first, last] = [pairs[0], pairs[pairs.length - 1]];
  const seeds = first.ada.losses.length;
  const at = pairs.map((pair, i): Claim => {
    const verdict = judged(pair);
    const note = "AdaLoRA trains triplets that it gives up later, and has fewer steps for those it keeps";
    return {
      claim: `AdaLoRA has a lower loss than LoRA at ${pair.b} per matrix`,
      paper: PRINTED[Math.min(i, 2)],
      verdict,
      seeds,
      note: verdict.verdict === "contradicted" ? note : undefined,
    };
  });
  if (pairs.length < 2) return at;
  const verdict = higher(gains(first), gains(last), { par: LOSS_PAR });
  return [...at, { claim: "It gains most at the smallest budget", paper: PRINTED[0], verdict, seeds }];
}

/** Figure 3, by the final ranks of each seed at the middle, the smallest and the largest budget. */
export interface Patterns {
  readonly middle: readonly Pattern[];
  readonly least: readonly Pattern[];
  readonly most: readonly Pattern[];
  readonly blocks: number;
}

/** What the final ranks of the seeds say: mean ranks by place, and correlations between runs of different seeds. */
export function patternFacts({ middle, least, most, blocks }: Patterns) {
  const average = (chosen: (layer: string) => boolean): number[] =>
    middle.map((one) => averageRank(one, chosen));
  const next = (all: readonly Pattern[], i: number): Pattern => all[(i + 1) % all.length];
  const upper = inUpper(blocks);
  return {
    mlp: average(inMlp),
    attention: average((layer) => !inMlp(layer)),
    upper: average(upper),
    lower: average((layer) => !upper(layer)),
    /** Of every seed with the next; none for a single one. */
    seedPairs: middle.length > 1 ? middle.map((one, i) => alike(one, next(middle, i))) : [],
    budgetPairs: least.length > 1 ? least.map((one, i) => alike(one, next(most, i))) : [],
    /** One standard deviation of the correlation of patterns that have nothing in common. */
    chance: 1 / Math.sqrt(middle[0].size - 1),
  };
}

export function patternClaims(facts: ReturnType<typeof patternFacts>, perMatrix: number): Claim[] {
  const { mlp, attention, upper, lower, seedPairs, budgetPairs, chance } = facts;
  const par = 0.05 * perMatrix;
  const both = (one: readonly number[], other: readonly number[]): string =>
    `${mean(one).toFixed(2)} against ${mean(other).toFixed(2)} per matrix`;
  const seeds = mlp.length;
  const places: Claim[] = [
    {
      claim: "The MLP's matrices get more than attention's",
      paper: "figure 3",
      verdict: higher(mlp, attention, { par }),
      seeds,
      note: `${both(mlp, attention)}; a triplet of the MLP has 5/2 as many numbers`,
    },
    {
      claim: "The upper blocks get more than the lower ones",
      paper: "figure 3",
      verdict: higher(upper, lower, { par }),
      seeds,
      note: both(upper, lower),
    },
  ];
  if (seedPairs.length < 2) return places;
  const stable = (claim: string, pairs: readonly number[], note: string): Claim => ({
    claim,
    paper: "figure 3",
    verdict: above(pairs, chance),
    measured: meanStd(pairs),
    note,
  });
  return [
    ...places,
    stable("The pattern is the same from seed to seed", seedPairs, `chance: 0 ± ${chance.toFixed(2)}`),
    stable("and from budget to budget", budgetPairs, "smallest and largest budget, different seeds"),
  ];
}
