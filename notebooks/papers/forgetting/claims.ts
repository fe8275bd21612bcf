/**
 * @file What the papers on learning and forgetting say, with the places. Biderman et al., 2024, "LoRA Learns Less and
 * Forgets Less" (arXiv:2405.09673, TMLR 08/2024). Shuttleworth et al., 2024, "LoRA vs Full Fine-tuning: An Illusion of
 * Equivalence" (arXiv:2410.21228, v3, NeurIPS 2025).
 */
import type { Judgement } from "../../support/experiments/verdicts.ts";
import type { Claim } from "../../support/index.ts";

const claim = (text: string, paper: string) => ({ claim: text, paper });

export const CLAIMS = {
  forgetsLess: claim(
    "After equally many steps LoRA has forgotten less than full fine-tuning",
    "code, 20B tokens: 0.617 with LoRA r = 256, 0.545 with full fine-tuning, on tasks of the base (Biderman §4.2)",
  ),
  byRank: claim(
    "A higher rank forgets more",
    "“the extent of forgetting is controlled by rank” (Biderman §4.2)",
  ),
  learnsLess: claim(
    "At low ranks LoRA learns less than full fine-tuning",
    "code, best HumanEval: 0.224 with LoRA r = 256, 0.263 with full fine-tuning (Biderman §4.1)",
  ),
  equalLearning: claim(
    "LoRA forgets less at equal learning, too",
    "“LoRA forgetting less is not simply a function of it underfitting” (Shuttleworth §4, figure 6); Biderman §4.3: better for code, worse for math",
  ),
  intruders: claim(
    "LoRA puts intruder dimensions into the weights, full fine-tuning does not",
    "full fine-tuning “almost never”, for ε of about 0.6 to 0.9; LoRA for r ≤ 16 even for low ε (Shuttleworth §3, figure 4)",
  ),
  fewerByRank: claim(
    "There are fewer of them at high ranks",
    "“appears to drop as rank increases past a certain threshold” (Shuttleworth §3, figure 4)",
  ),
  together: claim(
    "More intruder dimensions go with more forgetting",
    "rank correlation 0.971 over rates and epochs, LoRA r = 8 on MNLI (Shuttleworth §4, figure 7)",
  ),
  cause: claim(
    "Scaling the top intruder down reduces forgetting at little cost of learning",
    "a third less forgetting for 0.1 % of accuracy (λ = 0.3), or none (λ = 0.7) (Shuttleworth §5, figure 8)",
  ),
  unique: claim(
    "That is special to intruders: scaling a neighbour instead makes forgetting worse",
    "“forgetting goes up” (Shuttleworth §5, figure 12)",
  ),
} as const;

/** A claim with its judgement: what this run measured, if not the judgement's interval, and a note. */
export function judged(
  claimed: { readonly claim: string; readonly paper: string },
  verdict: Judgement | boolean,
  seeds: number,
  { measured, note = "" }: { readonly measured?: string; readonly note?: string } = {},
): Claim {
  return { ...claimed, verdict, seeds, note, ...(measured === undefined ? {} : { measured }) };
}
