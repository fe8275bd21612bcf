/** @file Optimizers, clipping, schedules. */

export { Adam, type AdamSettings, AdamW, adamDefaults } from "./adam.ts";
export { clipGradientNorm, gradientNorm } from "./clip.ts";
export {
  type Group,
  noGradients,
  Optimizer,
  type OptimizerState,
  optimizerSpellings,
  type ParameterState,
  type Params,
  type StateLayout,
  stateArray,
} from "./optimizer.ts";
export { constant, cosine, linearDecay, type Schedule, type ScheduleOptions } from "./schedule.ts";
export { SGD, type SGDSettings } from "./sgd.ts";
