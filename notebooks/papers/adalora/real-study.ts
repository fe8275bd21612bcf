/** @file AdaLoRA and LoRA at equal budgets on a language model, as arms of `study`. */
import { AdaLoRA } from "lowrank/lora";
import type { GPT2 } from "lowrank/nn";
import type { Arm } from "../../support/experiments/study.ts";
import { separateAttention } from "../../support/methods/separate-attention.ts";
import type { Pattern } from "./places.ts";
import { scheduleOf } from "./planted-study.ts";
import { adaLora, lora, type Subject, unevenLora } from "./runs.ts";

/** Adapted matrices of one block. */
export const PER_BLOCK = 6;

/** What is kept of a run: the final rank of every layer. */
type RealArm = Arm<GPT2, Subject<unknown>, Pattern>;

/** Rates to try, equally far apart for both methods. */
const RATES = { lora: [5e-3, 1e-2, 2e-2], adaLora: [2e-2, 4e-2, 8e-2] } as const;

/** The rates, or the middle one alone where nothing is searched. */
const triedRates = (method: keyof typeof RATES, search: number): readonly number[] =>
  search > 0 ? RATES[method] : [RATES[method][1]];

const ranksOf = ({ layers, parts }: Subject<unknown>): Pattern =>
  new Map(parts.map((part, i) => [layers[i], part instanceof AdaLoRA ? part.activeRank() : 0]));

/** The rank at which AdaLoRA starts where LoRA has r: b(0) = 1.5 b(T), as in the paper (§4). */
export const startOf = (r: number): number => Math.ceil(1.5 * r);

/** LoRA, and AdaLoRA with as many triplets in the end: r per matrix. */
export function atBudget(
  r: number,
  how: { readonly blocks: number; readonly gamma: number; readonly search: number },
): [RealArm, RealArm] {
  const { blocks, gamma, search } = how;
  const place = { target: "all-linear" } as const;
  return [
    {
      name: `LoRA, r = ${r}`,
      rates: triedRates("lora", search),
      prepare: (model, { rate: lr, seed }) => lora(separateAttention(model), { ...place, rank: r, lr, seed }),
    },
    {
      name: `AdaLoRA, ${r} per matrix`,
      rates: triedRates("adaLora", search),
      prepare: (model, { rate: lr, seed, steps }) =>
        adaLora(
          separateAttention(model),
          { ...place, rank: startOf(r), lr, seed, orthogonal: { weight: gamma, form: "code" } },
          { ...scheduleOf(steps), budget: r * PER_BLOCK * blocks },
        ),
      read: ranksOf,
    },
  ];
}

/** LoRA whose layers have the ranks of `pattern`. */
export const withRanks = (name: string, pattern: (seed: number) => Pattern, rate: number): RealArm => ({
  name,
  rates: [rate],
  prepare: (model, { rate: lr, seed }) => unevenLora(separateAttention(model), pattern(seed), { lr, seed }),
});
