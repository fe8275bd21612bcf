/** @file The plots of the page by rank, and sentences that are chosen by the numbers of the run. */
import { mean } from "../../support/experiments/statistics.ts";
import { barPlot, linePlot, md, meanStd, type Picture, type Spread } from "../../support/index.ts";
import type { ByBase } from "./claims.ts";
import type { Updates } from "./methods.ts";
import type { Outcome } from "./outcome.ts";
import { percent } from "./shown.ts";
import { sharedDirections } from "./subspaces.ts";

/** "12 times" for a ratio. */
const times = (ratio: number): string => `${ratio >= 10 ? Math.round(ratio) : ratio.toFixed(1)} times`;

interface LossByRank {
  readonly rank: number;
  readonly loss: Spread;
  /** The name of the line that the point is on. */
  readonly line?: string;
}

/** Held-out losses by rank, both on log axes. */
export function lossByRank(points: readonly LossByRank[], title: string, caption: string): Picture {
  return linePlot(points, {
    x: "rank",
    y: "loss",
    series: "line",
    xScale: "log",
    yScale: "log",
    xLabel: "rank r",
    yLabel: "held-out loss",
    title,
    caption,
  });
}

/** The gains of methods as bars. */
export function gainBars(outcome: Outcome, methods: readonly { readonly name: string }[]): Picture {
  const bars = methods
    .filter((method) => outcome.has(method))
    .map((method) => ({ method: method.name, gain: percent(outcome.gains(method)) }));
  return barPlot(bars, {
    label: "method",
    value: "gain",
    valueLabel: "gain, % of full fine-tuning's",
    title: `${outcome.trained(methods[0]).toLocaleString("en")} trained numbers, in different places`,
    caption: placesSentence(bars),
  });
}

/** The caption of the elbow: how the loss falls up to rank `elbow` and after it. */
export function elbowSentence(points: readonly LossByRank[], elbow: number): string {
  const [first, bend, last] = [
    points[0],
    points.find(({ rank }) => rank === elbow) ?? points[0],
    points.at(-1)!,
  ];
  const [before, after] = [first.loss.mean / bend.loss.mean, bend.loss.mean / last.loss.mean];
  const fall = `From r = ${first.rank} to r = ${bend.rank} the loss falls ${times(before)}`;
  return before > 1.5 * after
    ? `${fall}, from there to r = ${last.rank} only ${times(after)}: the elbow of the paper's table 18.`
    : `${fall}, from there to r = ${last.rank} again ${times(after)}: no elbow after so few steps.`;
}

/** φ(i, i) of two ranks for W_q and W_v, with the level of chance, and φ(1, 1) by run. */
export function sharedByRanks(
  first: readonly (readonly Updates[])[],
  second: readonly (readonly Updates[])[],
  most: number,
) {
  const layers = { queries: "c_attn.q", values: "c_attn.v" };
  const names = Object.keys(layers) as (keyof typeof layers)[];
  const runs = first.map((updates, base) =>
    updates.map((one, seed) =>
      Object.fromEntries(
        names.map((name) => [name, sharedDirections(one, second[base][seed], layers[name], most)]),
      ),
    ),
  );
  const [{ delta }] = first[0][0].values();
  const curves = Array.from({ length: most }, (_, at) => [
    ...names.map((matrix) => ({
      matrix: matrix as string,
      i: at + 1,
      phi: meanStd(runs.flat().map((run) => run[matrix][at].phi)),
    })),
    { matrix: "two random bases", i: at + 1, phi: meanStd([(at + 1) / delta.columns]) },
  ]).flat();
  const top = runs.map((ofBase) => ofBase.map((run) => mean(names.map((name) => run[name][0].phi))));
  return { curves, top, chance: 1 / delta.columns };
}

/** The shared directions, with what one sees. */
export function sharedPlot(
  { curves, top, chance }: ReturnType<typeof sharedByRanks>,
  title: string,
): Picture {
  return linePlot(curves, {
    x: "i",
    y: "phi",
    series: "matrix",
    xLabel: "number of directions i",
    yLabel: "φ(i, i)",
    title,
    caption: `The main directions of the two ranks have φ = ${mean(top.flat()).toFixed(2)} on average; chance gives ${chance.toFixed(3)}.`,
    plot: {
      x: {
        ticks: [...new Set(curves.map(({ i }) => i))],
        tickFormat: String,
        label: "number of directions i",
      },
    },
  });
}

/** "2 rules" */
export const ruled = (rules: number): string => (rules === 1 ? "1 rule" : `${rules} rules`);

interface LossByRules extends LossByRank {
  readonly rules: number;
}

/** What the smallest rank leaves of the base's loss that the largest takes away, in percent, by number of rules. */
export interface Missed {
  readonly rules: number;
  readonly least: number;
  readonly most: number;
  readonly percent: number;
}

export function missedByRules(points: readonly LossByRules[], before: number): Missed[] {
  return [...new Set(points.map(({ rules }) => rules))].map((rules) => {
    const own = points.filter((one) => one.rules === rules);
    const [first, last] = [own[0], own.at(-1)!];
    const percent = (100 * (first.loss.mean - last.loss.mean)) / before;
    return { rules, least: first.rank, most: last.rank, percent };
  });
}

/** A part of the base's loss from which on a lower rank counts as too low, in percent. */
const TOO_MUCH = 5;

/** The caption of the losses by rank and number of rules. */
export function rulesSentence(missed: readonly Missed[]): string {
  const [{ least, most }] = missed;
  const parts = missed.map(({ rules, percent }) => `${ruled(rules)} ${Math.max(0, percent).toFixed(0)} %`);
  return `What r = ${least} leaves of the base's loss and r = ${most} takes away: ${parts.join(", ")}.`;
}

/** What that says of the tempting explanation. */
export function onRules(missed: readonly Missed[]): string {
  const one = missed.find(({ rules }) => rules === 1);
  if (!one || one.least > 1) return "";
  if (one.percent < TOO_MUCH)
    return "In this run one rule can do with rank 1, as if the rank counted rules. It is not so in every run.";
  return `**The explanation is wrong.** A house with one rule gains from more than one direction, too. An explanation that fits better, but was not measured: “if the food is Thai, write *serves*” is not a direction in weight space. Attention has to find the food, the finding has to be carried through four blocks, and each letter of the verb has to follow from it; every part of this may move several directions a little. The *intrinsic rank* of a task cannot be read off its description. It has to be measured.`;
}

/** The best and the worst place for one budget. */
function placesSentence(bars: readonly { readonly method: string; readonly gain: Spread }[]): string {
  const sorted = [...bars].sort((a, b) => b.gain.mean - a.gain.mean);
  const shown = ({ method, gain }: (typeof bars)[number]): string =>
    `${method.replace("LoRA, ", "").replace(/W_(\w)/g, "$W_$1$$")} (${gain.mean.toFixed(0)} %)`;
  return `The same number of trained numbers gains most on ${shown(sorted[0])} and least on ${shown(sorted.at(-1)!)}.`;
}

/** A point of the page's main plot. */
interface Gain {
  readonly curve: string;
  readonly rank: number;
  /** In percent. */
  readonly gain: Spread;
}

/** The gains by rank: of near shifts first, of the far shift last. */
export function gainByRank(points: readonly Gain[]): Picture {
  return linePlot(points, {
    x: "rank",
    y: "gain",
    series: "curve",
    xScale: "log",
    xLabel: "rank r",
    yLabel: "gain, % of full fine-tuning's",
    references: [{ y: 100, name: "full fine-tuning" }],
    title: "How much of what full fine-tuning gains LoRA gains",
    caption: farSentence(points),
  });
}

/** The first and the last point of a curve, counted from the end of all curves. */
function ends(points: readonly Gain[], back: number): { first: Gain; last: Gain } {
  const names = [...new Set(points.map(({ curve }) => curve))];
  const own = points.filter(({ curve }) => curve === names.at(-back));
  return { first: own[0], last: own.at(-1)! };
}
const per = ({ gain }: Gain): string => `${gain.mean.toFixed(0)} %`;

/** The caption of the page's main plot: the last two curves, which are of the same places. */
export function farSentence(points: readonly Gain[]): string {
  const [far, near] = [1, 2].map((back) => ends(points, back));
  return `On all layers r = ${near.first.rank} reaches ${per(near.first)} near and ${per(far.first)} far; r = ${far.last.rank} reaches ${per(near.last)} and ${per(far.last)}.`;
}

/** A difference in gain that is worth a sentence, in percent. */
const NOTABLE = 5;

/** What the two shifts say of the hypothesis. */
export function onFar(points: readonly Gain[]): string {
  const [far, near] = [1, 2].map((back) => ends(points, back));
  const missing = (100 - far.first.gain.mean).toFixed(0);
  if (near.first.gain.mean - far.first.gain.mean >= NOTABLE)
    return `**A low rank is a property of the task, not of LoRA.** Near, a few directions are enough. Far, more rank gains more, and at r = ${far.first.rank} ${missing} % of what full fine-tuning gains is missing. The paper says so itself (§7.2, footnote 6): it does not expect a small r to work for every task, such as one in another language than that of the pretraining.`;
  if (far.last.gain.mean - far.first.gain.mean >= NOTABLE)
    return `In this run a higher rank gains more on both shifts: far, ${missing} % is missing at r = ${far.first.rank}. After few steps the near shift is not learned either, and that a low rank is enough for it cannot be seen yet.`;
  return "In this run the rank hardly matters on the far shift; more steps and seeds may tell more.";
}

/** The findings for the top of the page. */
export function findings(of: {
  readonly elbow: number;
  readonly least: number;
  readonly most: number;
  readonly gains: (r: number) => ByBase;
  readonly missed: readonly Missed[];
  readonly curves: readonly Gain[];
}) {
  const gain = (r: number): string => `${percent(of.gains(r)).mean.toFixed(0)} %`;
  const { first, last } = ends(of.curves, 1);
  const one = of.missed.find(({ rules }) => rules === 1);
  const sentences = [
    `LoRA on queries and values reaches ${gain(of.elbow)} of what full fine-tuning gains at rank ${of.elbow}, ${gain(of.least)} at rank ${of.least} and ${gain(of.most)} at rank ${of.most}.`,
    one && one.least === 1 && one.percent >= TOO_MUCH
      ? "The rank that a task needs does not count its rules: a house with one rule gains from a higher rank, too."
      : "",
    `Where nearly everything is new to the model, rank ${first.rank} on all layers reaches ${per(first)}, and rank ${last.rank} ${per(last)}.`,
    "Before training B = 0 and nothing has changed; after training the update is merged, and the model costs what it cost before. Both are exact.",
  ];
  return md`${sentences.filter((one) => one !== "").join(" ")}`;
}
