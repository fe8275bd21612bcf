/**
 * @file `record`: how an op enters the graph; `noGrad` and `withRecording`: whether it does.
 *
 * An input that needs no gradient is dropped here, for all ops alike, with the values that only its rule would save.
 */

import { AutogradError, callSynchronously, hasNaN, type NDArray } from "../core/index.ts";
import { Node, OUTPUT, type Saveable, type Saved, snapshot, type Vjp } from "./graph.ts";
import { Tensor } from "./tensor.ts";

/** One input of an op and its vector-Jacobian product. */
export interface InputRule {
  /** A number is a constant, and its rule is dropped. */
  readonly input: Tensor | number;
  /** What `vjp` needs from the forward pass. Never capture a tensor in the closure: it would outlive the rule. */
  readonly saves?: readonly Saveable[];
  /** Computes the gradient of the input from dY and the saved values, in order. It may leave broadcast axes unsummed. */
  readonly vjp: Vjp;
}

let recording = true;
let anomaly = false;

/**
 * Runs `fn` without recording: nothing is saved, and results need no gradient.
 * @throws ArgumentError when `fn` is not a function, or asynchronous
 */
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

/** Whether ops record now. */
export const isRecording = (): boolean => recording;

/**
 * Runs `fn` and looks for a NaN in the result of each op, forward and backward. Slow: for debugging.
 * @throws AutogradError naming the first op that makes one
 */
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
 * Makes the tensor of an op's result and puts the op into the graph. An op of your own is one function that calls it:
 *
 *     const cube = (x: Tensor): Tensor =>
 *       record("cube", x.square().mul(x).value, [
 *         { input: x, saves: [x], vjp: (dY, X) => dY.mul(X.square().mul(3)) }, // dX = dY ∘ 3x²
 *       ]);
 *
 * A rule written in ops, as here, can itself be differentiated.
 *
 * @param op its name, for messages
 * @param value the result
 * @param rules one for each input that can be differentiated
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
