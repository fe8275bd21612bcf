/** @file The tables of the family, and what its papers say that can be checked exactly. */

import { mean } from "../../support/experiments/statistics.ts";
import type { Claim } from "../../support/index.ts";
import { type Table, table } from "../../support/show/table.ts";
import { publishedCounts } from "./counts.ts";
import { relativeDistance } from "./one-layer.ts";
import type { Changed } from "./pictures.ts";
import { ranksIn } from "./ranks.ts";
import type { Update } from "./updates.ts";

/** The weights made by hand beside those that the library merges. */
export function byHandTable(
  byHand: Readonly<Record<string, { readonly value: { readonly data: ArrayLike<number> } }>>,
  library: Readonly<Record<string, Float64Array>>,
): Table {
  const differ = "by hand and by the library differ by";
  return table(
    Object.entries(byHand).map(([method, W]) => ({
      method,
      [differ]: asPart(relativeDistance(W.value.data, library[method])),
    })),
    {
      title: "Seven weights",
      note: "The largest difference of an entry, as a part of the largest entry: float32 rounds at 6e-8.",
      volatile: [differ],
    },
  );
}

const asPart = (distance: number): string => (distance === 0 ? "nothing" : distance.toExponential(0));

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** How much each method changed, and in how many directions. */
export function directionsTable(
  changed: readonly (Changed & { readonly loss: number })[],
  rank: number,
  before: number,
): Table {
  const first = (values: Float64Array): number => {
    const squares = Array.from(values, (value) => value * value);
    return (100 * sum(squares.slice(0, rank))) / sum(squares);
  };
  const rows = changed.map(({ name, loss, updates }) => ({
    method: name,
    rank: ranksIn(updates),
    size: 100 * mean(updates.map(({ size }) => size)),
    part: Math.round(mean(updates.map(({ values }) => first(values)))),
    loss,
  }));
  return table(rows, {
    title: "How much changed, and in how many directions",
    columns: [
      { key: "method" },
      { key: "rank", label: "rank of ΔW", align: "right" },
      { key: "size", label: "‖ΔW‖ / ‖W₀‖, %", digits: 1 },
      { key: "part", label: `of ΔW in its first ${rank} directions, %` },
      { key: "loss", label: "held-out loss, nats", digits: 4 },
    ],
    note: `Before: ${before.toFixed(3)} nats. One seed, at rates that are good but not searched: the comparison is the page compare.`,
    tolerance: 0.2,
  });
}

/** The losses of two halves of a style and their sum. */
export function halvesTable(
  judged: readonly { readonly adapters: string; readonly losses: readonly number[] }[],
  wholeLoss: number,
): Table {
  return table(
    judged.map(({ adapters, losses: [words, places, whole] }) => ({
      "active adapters": adapters,
      "on its words": words,
      "on its places": places,
      "on the whole style": whole,
    })),
    {
      title: "Held-out loss in nats",
      note: `An adapter that was trained on the whole style has ${wholeLoss.toFixed(3)} there.`,
      tolerance: 0.3,
    },
  );
}

/** What the run measured for the exact claims. */
export interface Measured {
  readonly merges: readonly { readonly difference: number; readonly largest: number }[];
  readonly loraFA: readonly Update[];
  readonly adaLora: readonly Update[];
  readonly rank: number;
}

export function exactClaims({ merges, loraFA, adaLora, rank }: Measured): Claim[] {
  const worst = Math.max(...merges.map(({ difference, largest }) => difference / largest));
  const widest = Math.max(...loraFA.map((one) => one.rank));
  const ranks = adaLora.map((one) => one.rank);
  const right = publishedCounts.filter(({ formula, published }) => formula === published).length;
  return [
    {
      claim: "Merged, every adapter computes what it did beside the weights",
      paper: "no additional inference latency (LoRA §4.1)",
      measured: `${merges.length} models: logits differ by less than ${worst < 1e-4 ? "1e-4" : worst.toExponential(0)} of the largest`,
      verdict: worst < 1e-4,
    },
    {
      claim: "LoRA-FA's change of the weights stays in a low-rank space",
      paper: "abstract of LoRA-FA",
      measured: `rank ${widest} at most`,
      verdict: widest <= rank,
    },
    {
      claim: "AdaLoRA ends within its budget, with ranks that differ by layer",
      paper: "figure 3 (AdaLoRA)",
      measured: `${sum(ranks)} of ${rank * ranks.length} triplets; ${Math.min(...ranks)} to ${Math.max(...ranks)} in a layer`,
      verdict: sum(ranks) <= rank * ranks.length && new Set(ranks).size > 1,
    },
    {
      claim: "The formulas give the counts that were published for Llama-3.2-3B",
      paper: "PEFT's MetaMathQA benchmark",
      measured: `${right} of ${publishedCounts.length}`,
      verdict: right === publishedCounts.length,
    },
  ];
}
