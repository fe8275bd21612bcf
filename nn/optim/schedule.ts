/** @file Learning-rate schedules: a factor on the base rate for each step, with a linear warm-up. */

import { ArgumentError, checkOptions } from "../../core/index.ts";

/** Returns the factor on the base rate at a step, counted from 0. */
export type Schedule = (step: number) => number;

/** The options of `linearDecay` and `cosine`. */
export interface ScheduleOptions {
  /** Number of steps in which the factor rises linearly from 0. @default 0 */
  readonly warmup?: number;
  /** Number of steps of the whole run, including the warm-up. */
  readonly total: number;
}

/** The factor 1 after the warm-up. @throws ArgumentError on a negative warm-up or an unknown option */
export function constant(options: { readonly warmup?: number } = {}): Schedule {
  checkOptions("constant", options, ["warmup"], elsewhere);
  const { warmup = 0 } = options;
  if (!(warmup >= 0 && warmup < Infinity)) throw new ArgumentError("constant", "warmup ≥ 0", { warmup });
  return (step) => (step < warmup ? step / warmup : 1);
}

/** The factor falls linearly to 0 at the last step. @throws ArgumentError unless 0 ≤ warmup ≤ total and total > 0 */
export function linearDecay(options: ScheduleOptions): Schedule {
  const { warmup, total } = checked("linearDecay", options);
  return (step) =>
    step < warmup ? step / warmup : Math.max(0, (total - step) / Math.max(1, total - warmup));
}

/**
 * The factor falls as half a cosine to 0 at the last step (Loshchilov & Hutter 2017, arXiv:1608.03983). After the last
 * step it rises again with the cosine, as in Hugging Face's schedule: do not train longer than `total`.
 *
 * @example
 * fit(model, { steps: 1000, schedule: cosine({ warmup: 50, total: 1000 }), … });
 * @throws ArgumentError unless 0 ≤ warmup ≤ total and total > 0
 */
export function cosine(options: ScheduleOptions): Schedule {
  const { warmup, total } = checked("cosine", options);
  return (step) => {
    if (step < warmup) return step / warmup;
    const progress = (step - warmup) / Math.max(1, total - warmup);
    return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  };
}

/** Names that other libraries give the options. */
const elsewhere: Readonly<Record<string, string>> = {
  num_warmup_steps: "warmup",
  warmup_steps: "warmup",
  warmupSteps: "warmup",
  num_training_steps: "total",
  total_steps: "total",
  totalSteps: "total",
  total_iters: "total",
  T_max: "total",
  steps: "total",
};

function checked(who: string, options: ScheduleOptions): Required<ScheduleOptions> {
  checkOptions(who, options ?? {}, ["warmup", "total"], elsewhere);
  const { warmup = 0, total } = options ?? {};
  if (!(warmup >= 0 && total > 0 && warmup <= total && total < Infinity))
    throw new ArgumentError(who, "0 ≤ warmup ≤ total, total > 0", { warmup, total });
  return { warmup, total };
}
