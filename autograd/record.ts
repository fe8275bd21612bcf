/**
 * @file `record`: how an op enters the graph. Here, once for all ops: inputs that need no gradient are dropped,
 * with what only they would have saved. To add an op of your own, write one function like those in ops/.
 */

import { AutogradError, callSynchronously, hasNaN, type NDArray } from "../core/index.ts";
import { Node, OUTPUT, type Saveable, type Saved, snapshot, type Vjp } from "./graph.ts";
import { Tensor } from "./tensor.ts";

/** One input of an op and its vector-Jacobian product. */
export interface InputRule {
  /** A number is a constant: its rule is dropped. */
  readonly input: Tensor | number;
  /** What `vjp` needs from the forward pass. Never capture a tensor in the closure: it would outlive the rule. */
  readonly saves?: readonly Saveable[];
  /** dY, and the saved tensors in order, to the gradient of the input; broadcast axes may be left unsummed. */
  readonly vjp: Vjp;
}

let recording = true;
let anomaly = false;

/** Runs `fn` without recording: nothing is saved, results need no gradient. @throws ArgumentError when `fn` is asynchronous */
export function noGrad<T>(fn: () => T): T {
  return withRecording(false, () => callSynchronously("noGrad", fn));
}

/** Runs `fn` with recording on or off. @throws ArgumentError when `fn` is asynchronous */
export function withRecording<T>(on: boolean, fn: () => T): T {
  const before = recording;
  recording = on;
  try {
    return callSynchronously("withRecording", fn);
  } finally {
    recording = before;
  }
}

export const isRecording = (): boolean => recording;

/** Runs `fn`; the first op, forward or backward, that makes a NaN is named in an AutogradError. Slow: for debugging. */
export function detectAnomaly<T>(fn: () => T): T {
  return withAnomaly(true, () => callSynchronously("detectAnomaly", fn));
}

/** Runs `fn` with the search for NaNs on or off. */
export function withAnomaly<T>(on: boolean, fn: () => T): T {
  const before = anomaly;
  anomaly = on;
  try {
    return fn();
  } finally {
    anomaly = before;
  }
}

/** In anomaly mode, throws when `value` holds a NaN. */
export function checkForNaN(what: string, value: NDArray): void {
  if (!anomaly || !hasNaN(value)) return;
  const at = value.data.findIndex(Number.isNaN);
  throw new AutogradError(
    `${what}: made the first NaN, at element ${at} of its result [${value.shape.join(", ")}]`,
  );
}

/**
 * The tensor of an op's result, with one rule per differentiable input.
 *
 * @param op name, for messages
 * @param value the result
 */
export function record(op: string, value: NDArray, rules: readonly InputRule[]): Tensor {
  checkForNaN(op, value);
  const result = new Tensor(value);
  if (!recording) return result;
  const node = new Node(op, value.shape);
  for (const { input, saves = [], vjp } of rules) {
    const parent = typeof input === "number" ? null : input.node;
    if (!parent) continue;
    const capture = (saved: Saveable): Saved | number => {
      if (typeof saved === "number") return saved;
      return saved === OUTPUT ? snapshot(value, node) : snapshot(saved.value, saved.node);
    };
    node.connect({ parent, saves: saves.map(capture), vjp });
  }
  if (node.edges.length > 0) result.node = node;
  return result;
}
