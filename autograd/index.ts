/** @file Tensors with a history, the ops and their derivatives. */

export { type BackwardOptions, backward, gradients } from "./backward.ts";
export { checkpoint, drawn } from "./checkpoint.ts";
export * from "./functional.ts";
export { type CheckOptions, checkGradients } from "./gradcheck.ts";
export { type GradientHook, leavesOf, OUTPUT, type Saveable, savedBytes, type Vjp } from "./graph.ts";
export * from "./ops/index.ts";
export { detectAnomaly, type InputRule, isRecording, noGrad, record, withRecording } from "./record.ts";
export { Parameter, parameter, Tensor, type TensorOptions, tensor } from "./tensor.ts";
