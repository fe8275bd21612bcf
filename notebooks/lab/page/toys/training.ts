/** @file A small training that a picture takes step by step, between two frames of the screen. */
import { scope, withDevice } from "lowrank/core";

export interface Training<State> {
  /** Steps of the whole run. */
  readonly steps: number;
  /** Takes the next step. */
  step(): void;
  /** What the picture shows after the steps so far. */
  read(): State;
}

/**
 * Runs `fn` on the device `reference`, plain loops: matrices of the pictures are so small that it is quick enough, and
 * the page needs no second WebAssembly memory beside the worker's. Arrays that `fn` makes are released after it.
 */
export const onLoops = <T>(fn: () => T): T => withDevice("reference", fn);

/** The same; all that `fn` makes, except what it returns, is released at its end. */
export const inStep = (fn: () => void): void => withDevice("reference", () => scope(fn));

/** Takes all remaining steps. */
export function finish<State>(training: Training<State>, from = 0): State {
  for (let step = from; step < training.steps; step++) training.step();
  return training.read();
}
