/**
 * @file Tensors that know how they were computed, the ops on them and their derivatives.
 *
 *     tensor.ts      a value with a history
 *       ↓
 *     record.ts      an op enters the graph (graph.ts)
 *       ↓
 *     ops/           the ops, each with its derivative
 *       ↓
 *     walk.ts        the walk back through the graph, which computes with ops
 *       ↓
 *     backward.ts    the derivatives of one tensor
 *       ↓
 *     methods.ts     the ops and backward as methods of tensors
 */

import "./methods.ts";

// Tensors

export { parameter, type TensorOptions, tensor } from "./create.ts";
export { Parameter, Tensor } from "./tensor.ts";

// Ops, by family in ops/index.ts

export * from "./ops/index.ts";

// Derivatives

export { type BackwardOptions, backward, gradients } from "./backward.ts";
export { checkpoint, replayable } from "./checkpoint.ts";
export { grad, hessian, jacobian, vjp } from "./functional.ts";
export { type CheckOptions, checkGradients } from "./gradcheck.ts";
export { type GradientHook, leavesOf, OUTPUT, type Saveable, savedBytes, type Vjp } from "./graph.ts";

// Ops of one's own, and whether they record

export { detectAnomaly, type InputRule, isRecording, noGrad, record, withRecording } from "./record.ts";

// Earlier names

/** @deprecated Named replayable now. */
export { replayable as drawn } from "./checkpoint.ts";
/** @deprecated Named KeepDims now. */
export type { KeepDims as Keep } from "./ops/reduce.ts";
