/**
 * @file What Schulman & Thinking Machines Lab, 2025, "LoRA Without Regret" (doi:10.64434/tml.20250929) says, each claim
 * with the heading under which it stands there. The article has no numbered sections.
 */

import type { Judgement } from "../../support/experiments/verdicts.ts";
import type { Claim } from "../../support/index.ts";

const claim = (text: string, where: string, says: string) => ({ claim: text, paper: `${says} (“${where}”)` });

export const CLAIMS = {
  capacity: claim(
    "Neural networks can store 2 bits per parameter",
    "How much capacity is needed by supervised and reinforcement learning?",
    "2 bits, “in the long-training limit”; quoted from Allen-Zhu & Li, 2024, arXiv:2404.05405",
  ),
  proportional: claim(
    "What an adapter can hold is determined by its rank",
    "LoRA rank",
    "low ranks leave the best curve “when the adapter runs out of capacity, which in turn is determined by rank”",
  ),
  attention: claim(
    "LoRA on attention only does worse than on the MLPs only, with as many parameters",
    "Layers Where LoRA Is Applied",
    "“significantly underperforms”: attention r = 256 (0.25B) behind MLP r = 128 (0.24B)",
  ),
  mlpIsEnough: claim(
    "LoRA on the MLPs only does as well as on all layers",
    "Layers Where LoRA Is Applied",
    "adding attention “shows no additional benefits”",
  ),
  tenfold: claim(
    "LoRA's best learning rate is 10 times full fine-tuning's",
    "Optimal learning rates for LoRA vs. FullFT",
    "“consistently 10x”; 9.8 fitted over 14 models",
  ),
  anyWidth: claim(
    "That ratio is the same for every base model",
    "Optimal learning rates for LoRA vs. FullFT",
    "“fixed at 10 independent of the base model”",
  ),
  shortRuns: claim(
    "In short runs the ratio is larger than in long ones",
    "Learning rates in short and long runs",
    "about 15 for short runs, below about 100 steps, 10 for longer ones; “preliminary evidence”",
  ),
  sameRate: claim(
    "The best rate differs by less than a factor of 2 between ranks from 4 on",
    "LoRA rank",
    "“a factor of less than 2 between rank=4 and rank=512”",
  ),
  lowerForOne: claim(
    "For r = 1 the best rate is lower than for high ranks",
    "LoRA rank",
    "“lower optimal LR for rank=1”",
  ),
  sameStart: claim(
    "With α/r the learning curves of all ranks begin alike",
    "Optimal learning rate and rank",
    "“exactly the same at the beginning of training, regardless of rank”",
  ),
  firstUpdate: claim(
    "The expected first update does not depend on the rank, with α/r",
    "Optimal learning rate and rank",
    "“the expectation of the average, i.e., the change to the adapter (1/r)BA, doesn't depend on the rank”",
  ),
  batches: claim(
    "LoRA loses more by a large batch than full fine-tuning",
    "Batch size effects",
    "“LoRA pays a larger penalty for increased batch size”, “in some settings”",
  ),
  batchesByRank: claim(
    "What it loses by a large batch does not depend on the rank",
    "Batch size effects",
    "“doesn't seem to depend on rank”",
  ),
  twoThirds: claim(
    "LoRA takes slightly more than ⅔ of full fine-tuning's operations",
    "Compute efficiency advantage of LoRA",
    "2N² + 6NR of 3N² multiply–adds at a matrix [N, N]",
  ),
  par: claim(
    "While it has capacity, LoRA reaches full fine-tuning's loss",
    "LoRA rank",
    "“FullFT and high-rank LoRAs have similar learning curves”",
  ),
} as const;

/** A claim with its judgement: what this run measured, if not the judgement's interval, and a note. */
export function judged<C extends { readonly claim: string; readonly paper: string }>(
  claimed: C,
  verdict: Judgement | boolean,
  seeds: number,
  { measured, note = "" }: { readonly measured?: string; readonly note?: string } = {},
): Claim {
  return { ...claimed, verdict, seeds, note, ...(measured === undefined ? {} : { measured }) };
}
