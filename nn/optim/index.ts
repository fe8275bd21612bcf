/** @file Optimizers, clipping, schedules. */

export { Adam, type AdamSettings, AdamW, adamDefaults } from "./adam.ts";
export { clipGradientNorm, gradientNorm } from "./clip.ts";
export { type FullGroup, type Group, optimizerSpellings, type Params } from "./groups.ts";
export { noGradients, Optimizer, type ParameterState, stateArray } from "./optimizer.ts";
export type { OptimizerState, StateLayout } from "./saved-state.ts";
export { constant, cosine, linearDecay, type Schedule, type ScheduleOptions } from "./schedule.ts";
export { SGD, type SGDSettings } from "./sgd.ts";
