/** @file The final ranks of AdaLoRA by matrix and block of a GPT, and how alike two such patterns are. */
import { leastSquares, mean } from "../../support/experiments/statistics.ts";

/** The six matrices of a block, by the ends of their layers' names. */
const MATRICES = {
  "attn.c_attn.q": "queries",
  "attn.c_attn.k": "keys",
  "attn.c_attn.v": "values",
  "attn.c_proj": "attention output",
  "mlp.c_fc": "MLP, first",
  "mlp.c_proj": "MLP, second",
} as const;

/** Rank by layer of one run. */
export type Pattern = ReadonlyMap<string, number>;

export type Places = readonly { readonly matrix: string; readonly block: number; readonly rank: number }[];

/** Mean ranks of several runs, by matrix (as in the block, from top to bottom) and block. */
export function placesOf(patterns: readonly Pattern[]): Places {
  const places = [...patterns[0].keys()].map((layer) => ({
    matrix: Object.entries(MATRICES).find(([end]) => layer.endsWith(end))?.[1] ?? layer,
    block: Number(/h\.(\d+)\./.exec(layer)?.[1] ?? 0) + 1,
    rank: mean(patterns.map((pattern) => pattern.get(layer) ?? 0)),
  }));
  return Object.values(MATRICES).flatMap((matrix) => places.filter((one) => one.matrix === matrix));
}

/** Correlation of the ranks of two runs over their layers; 0 if one of them is even. */
export function alike(one: Pattern, other: Pattern): number {
  const layers = [...one.keys()];
  const ranks = [one, other].map((pattern) => layers.map((layer) => pattern.get(layer) ?? 0));
  const { correlation } = leastSquares(ranks[0], ranks[1]);
  return Number.isNaN(correlation) ? 0 : correlation;
}

/** The same ranks given to the layers in the opposite order: the layer with most gets least. */
export function turnedRound(pattern: Pattern): Pattern {
  const order = [...pattern].sort(([, a], [, b]) => a - b);
  return new Map(order.map(([layer], i) => [layer, order[order.length - 1 - i][1]]));
}

/** Mean rank of the layers that `chosen` picks by name. */
export const averageRank = (pattern: Pattern, chosen: (layer: string) => boolean): number =>
  mean([...pattern].filter(([layer]) => chosen(layer)).map(([, rank]) => rank));

/** Whether a layer belongs to the MLP. */
export const inMlp = (layer: string): boolean => layer.includes("mlp");

/** Whether a layer is in the upper half of `blocks` blocks. */
export const inUpper =
  (blocks: number) =>
  (layer: string): boolean =>
    Number(/h\.(\d+)\./.exec(layer)?.[1]) >= blocks / 2;
