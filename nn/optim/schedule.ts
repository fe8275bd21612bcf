/** @file Learning-rate schedules: the factor on the base rate at each step, counted from 0, after a linear warm-up. */

import { ArgumentError } from "../../core/index.ts";

export type Schedule = (step: number) => number;

export interface ScheduleOptions {
  /** Steps over which the factor rises linearly from 0. */
  readonly warmup?: number;
  /** Steps of the whole run, the warm-up included. */
  readonly total: number;
}

/** 1 after the warm-up. */
export function constant({ warmup = 0 }: { readonly warmup?: number } = {}): Schedule {
  return (step) => (step < warmup ? step / warmup : 1);
}

/** Falls linearly to 0 at the last step. */
export function linearDecay({ warmup = 0, total }: ScheduleOptions): Schedule {
  checkSteps(warmup, total);
  return (step) =>
    step < warmup ? step / warmup : Math.max(0, (total - step) / Math.max(1, total - warmup));
}

/**
 * Falls as half a cosine to 0 at the last step (Loshchilov & Hutter 2017, arXiv:1608.03983). Past it the cosine goes
 * on and rises again, as in Hugging Face's schedule: do not train longer than `total`.
 */
export function cosine({ warmup = 0, total }: ScheduleOptions): Schedule {
  checkSteps(warmup, total);
  return (step) => {
    if (step < warmup) return step / warmup;
    const progress = (step - warmup) / Math.max(1, total - warmup);
    return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  };
}

function checkSteps(warmup: number, total: number): void {
  if (!(warmup >= 0 && total > 0 && warmup <= total)) {
    throw new ArgumentError("schedule", "0 ≤ warmup ≤ total, total > 0", { warmup, total });
  }
}
