/**
 * @file AdaLoRA's budget b(t): how many triplets the model may have at step t. Zhang et al., 2023, arXiv:2303.10512, §3.3.
 *
 *     b(t) = b(0)                                                t ≤ t_i                the warm-up
 *            b(T) + (b(0) − b(T)) (1 − (t − t_i)/(T − t_i − t_f))³     t_i < t ≤ T − t_f      rounded down
 *            b(T)                                                t > T − t_f            the final fine-tuning
 *
 * Eq. 12 (Appendix A) prints t − t_i − t_f over T − t_i − t_f; taken literally it exceeds b(0) at the start. This is the
 * authors' code, and PEFT's. T, t_i and t_f are in steps counted from 1, as in Algorithm 1.
 */

import { ArgumentError } from "../../core/index.ts";

/** The schedule of the budget, in steps. */
export interface BudgetSchedule {
  /** T: the number of steps of the whole run. */
  readonly totalSteps: number;
  /** t_i: the number of steps before the budget begins to fall. */
  readonly warmup: number;
  /** t_f: the number of final fine-tuning steps, with the ranks frozen. */
  readonly final: number;
  /**
   * Δ_T: the number of steps from one pruning to the next.
   * @default 1
   */
  readonly interval?: number;
}

/** @throws ArgumentError unless 0 ≤ b(T) ≤ b(0), steps are integers, and t_i + t_f < T, so that pruning has a step */
export function checkSchedule(schedule: BudgetSchedule, initial: number, target: number): void {
  const { totalSteps, warmup, final, interval = 1 } = schedule;
  for (const [name, value, least] of [
    ["totalSteps", totalSteps, 1],
    ["warmup", warmup, 0],
    ["final", final, 0],
    ["interval", interval, 1],
    ["target budget", target, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least)
      throw new ArgumentError("adalora", `${name} an integer from ${least}`, { [name]: value });
  }
  if (warmup + final >= totalSteps) {
    throw new ArgumentError("adalora", "warmup + final < totalSteps, with steps between in which to prune", {
      warmup,
      final,
      totalSteps,
    });
  }
  if (target > initial) {
    throw new ArgumentError(
      "adalora",
      `a target budget up to the initial one, ${initial}, the sum of ranks`,
      {
        target,
      },
    );
  }
}

/** b(t): the number of triplets that step t allows. */
export function budgetAt(t: number, schedule: BudgetSchedule, initial: number, target: number): number {
  const { totalSteps, warmup, final } = schedule;
  if (t <= warmup) return initial;
  if (t > totalSteps - final) return target;
  const left = 1 - (t - warmup) / (totalSteps - final - warmup);
  return Math.floor((initial - target) * left ** 3 + target);
}
