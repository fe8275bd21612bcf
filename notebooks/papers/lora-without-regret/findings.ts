/** @file What the page says of its numbers: notes of verdicts, and the sentences at its top. */
import { leastSquares, mean } from "../../support/experiments/statistics.ts";
import { type ArmResult, halfway, reordered } from "../../support/experiments/study.ts";
import type { Judgement } from "../../support/experiments/verdicts.ts";
import { linePlot, md, meanStd, type Picture } from "../../support/index.ts";
import type { Stored } from "./capacity.ts";
import { factor } from "./curves.ts";

const unique = (values: readonly number[]): number[] => [...new Set(values)];

/** Bits recalled against bits to be learned, one line a rank, beside the line on which everything is recalled. */
export function capacityPicture(stored: readonly Stored[]): Picture {
  const ranks = unique(stored.map(({ rank }) => rank));
  const counts = unique(stored.map(({ count }) => count));
  const at = (rank: number, count: number): Stored[] =>
    stored.filter((one) => one.rank === rank && one.count === count);
  const rows = ranks.flatMap((rank) =>
    counts.map((count) => ({
      bits: at(rank, count)[0].bits,
      recalled: mean(at(rank, count).map(({ recalled }) => recalled)),
      what: `LoRA, r = ${rank}: ${at(rank, count)[0].parameters} numbers`,
    })),
  );
  const all = counts.map((count) => {
    const { bits } = at(ranks[0], count)[0];
    return { bits, recalled: bits, what: "all of them" };
  });
  return linePlot([...rows, ...all], {
    x: "bits",
    y: "recalled",
    series: "what",
    title: "What is recalled of what was shown",
    xLabel: "bits in the facts",
    yLabel: "bits recalled",
    caption:
      "On the line all facts are recalled. Where a curve leaves it, its rank holds no more at this length of training.",
    plot: {
      color: {
        type: "categorical",
        domain: [
          ...ranks.map((r) => rows.find((row) => row.what.includes(`r = ${r}:`))?.what ?? ""),
          "all of them",
        ],
        range: ["#9dbaf2", "#4269d0", "#1d3478"].slice(0, ranks.length).concat("#8a8f98"),
      },
    },
  });
}

/** The most bits that each rank recalled, for each seed. */
export function capacities(stored: readonly Stored[]) {
  return unique(stored.map(({ rank }) => rank)).flatMap((rank) =>
    unique(stored.map(({ seed }) => seed)).map((seed) => {
      const own = stored.filter((one) => one.rank === rank && one.seed === seed);
      return {
        rank,
        seed,
        parameters: own[0].parameters,
        bits: Math.max(...own.map(({ recalled }) => recalled)),
      };
    }),
  );
}

/** The power of the number of parameters with which the most bits recalled grow, for each seed. */
export function growth(stored: readonly Stored[]): number[] {
  const most = capacities(stored);
  return unique(most.map(({ seed }) => seed)).map((seed) => {
    const own = most.filter((one) => one.seed === seed);
    return leastSquares(
      own.map(({ parameters }) => Math.log(parameters)),
      own.map(({ bits }) => Math.log(Math.max(bits, 1))),
    ).slope;
  });
}

export function capacityNote({ verdict }: Judgement, exposures: number): string {
  return verdict === "supported"
    ? ""
    : `Each fact was shown ${exposures} times here, and only a product of low rank beside frozen layers trains. The 2 bits are of whole networks trained for very long; this is what a run of ordinary length stores.`;
}

export function ratioNote({ verdict }: Judgement, alpha: number): string {
  return verdict === "supported"
    ? ""
    : `A ratio belongs to an α (${alpha} here and there) and to a width: by the first step it grows with the width over α. At widths of thousands it would exceed 10 by far; the article says that this does not happen and that it cannot explain why.`;
}

/** Mean held-out losses on one shift of LoRA in different places, with equal numbers of parameters. */
export interface PlaceLosses {
  /** What the base is adapted to. */
  readonly name: string;
  readonly attention: number;
  readonly mlps: number;
  readonly all: number;
}

/** "attention alone learns less than the MLPs alone on the comments (2.35 against 2.30 nats), and more on …" */
function placesSaid(places: readonly PlaceLosses[]): string {
  const [first, ...others] = places.map(({ name, attention, mlps }) => ({
    name,
    more: attention < mlps,
    nats: `${attention.toPrecision(3)} against ${mlps.toPrecision(3)} nats`,
  }));
  const side = (more: boolean): string => (more ? "more" : "less");
  return [
    `attention alone learns ${side(first.more)} than the MLPs alone on ${first.name} (${first.nats})`,
    ...others.map(
      ({ name, more, nats }) => `${more === first.more ? "and" : "but"} ${side(more)} on ${name} (${nats})`,
    ),
  ].join(", ");
}

/** Which of the places is best on each shift, and why one need not be best on all. */
export function placeNote(places: readonly PlaceLosses[]): string {
  const best = places.map(({ name, ...losses }) => {
    const [[place]] = Object.entries(losses).sort(([, one], [, other]) => one - other);
    return `${{ attention: "attention", mlps: "the MLPs", all: "all layers" }[place]} on ${name}`;
  });
  const why =
    places.length > 1
      ? " An explanation that fits: the house's style follows from facts in the row, which attention has to find; the comments are new words."
      : "";
  return `Lowest loss: ${best.join(", ")}.${why}`;
}

export const reachNote = ({ verdict }: Judgement, rank: number): string =>
  verdict === "contradicted"
    ? `r = ${rank} on all layers. A run has capacity only as long as the text asks for few directions: on the far shift nearly everything is new.`
    : `r = ${rank} on all layers`;

export const batchNote = ({ verdict }: Judgement): string =>
  verdict === "contradicted"
    ? "Every arm has its own best rate at every size here. With fewer steps all learn less, full fine-tuning too."
    : "";

export const rankNote = ({ verdict }: Judgement, rank: number): string =>
  verdict === "contradicted" ? `r = ${rank} is what differs: it needs the most steps.` : "";

/** The numbers and verdicts that the opening rests on. */
export interface Found {
  readonly ratio: readonly number[];
  readonly tenfold: Judgement;
  readonly firstUpdate: Judgement;
  readonly sameRate: Judgement;
  readonly batchWorse: Judgement;
  readonly perParameter: readonly number[];
  /** Operations of LoRA as a share of full fine-tuning's, at N = 4096 and r = 8. */
  readonly large: number;
  readonly places: readonly PlaceLosses[];
  /** What is lost by the largest batch, in nats. */
  readonly penalties: readonly (readonly number[])[];
  /** The lowest and the highest rank. */
  readonly extremes: readonly number[];
  readonly alpha: number;
  readonly rank: number;
}

/** The first word counts the seeds: what one seed says is said as such. */
const told = ({ verdict }: Judgement, yes: string, no: string, open: string): string =>
  verdict === "supported" || verdict === "on a par" ? yes : verdict === "contradicted" ? no : open;

/** Four sentences, each true of this run. */
export function opening(found: Found) {
  const { ratio, tenfold, alpha, rank } = found;
  const law = told(
    found.firstUpdate,
    "With the factor α/r, Adam's first step saves as much loss at every rank (derived, and measured in plain tensors)",
    "What Adam's first step saves with the factor α/r depends on the rank here",
    "Whether Adam's first step with α/r saves the same at every rank stays open here",
  );
  const rate = told(
    found.sameRate,
    "and the best learning rate of whole runs hardly depends on the rank",
    "but the best learning rate of whole runs does depend on the rank",
    "and the best rates of whole runs are too close to the noise of this run to tell ranks apart",
  );
  const ten = told(
    tenfold,
    "which is the tenfold of the article",
    "not the tenfold of the article: the ratio depends on α",
    "too uncertain in this run to confirm or refute the tenfold of the article",
  );
  const [full, low, high] = found.penalties.map((nats) => meanStd(nats));
  const batch = told(
    found.batchWorse,
    found.batchWorse.verdict === "on a par" ? "as much" : "more",
    "no more",
    "which this run cannot tell apart",
  );
  return md`
    ${law}, ${rate}. LoRA's best rate (r = ${rank}, α = ${alpha}) is **${factor(ratio)} times** that of full fine-tuning,
    ${ten}. At equal numbers of parameters, ${placesSaid(found.places)}. A large batch costs full fine-tuning ${full} nats, LoRA of rank ${found.extremes[1]} ${high} (${batch})
    and LoRA of rank ${found.extremes[0]} ${low}. An adapter recalls ${mean(found.perParameter).toPrecision(2)} bits of arbitrary facts for each number that trains. In a layer of
    4,096 × 4,096, LoRA of rank 8 takes ${Math.round(1000 * found.large) / 10} % of the operations of full fine-tuning.
  `;
}

/** Whether the order of the arms was another after half of the steps; arms closer than δ nats have no order. */
export function halfTime(results: readonly ArmResult<unknown>[], par: number) {
  const bases = [...new Set(results.map(({ base }) => base))].map((base) =>
    results.filter((one) => one.base === base),
  );
  const searched = bases.filter((own) => halfway(own).length > 0);
  if (searched.length === 0) return md`Half of the steps were not tried in this setting.`;
  const turned = searched.flatMap((own) =>
    reordered(halfway(own), own, { par }).map((pair) => `${own[0].base}: ${pair}`),
  );
  return turned.length === 0
    ? md`Half of the steps give the same order of the arms.`
    : md`Half of the steps give another order of these: ${turned.join("; ")}.`;
}
