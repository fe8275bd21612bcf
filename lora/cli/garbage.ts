/** @file Frees what nothing refers to any more, such as the dense weights of a model that has just been quantized. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Collects garbage now, and lets the meter of memory take notice of it. A program that computes without a pause would hold
 * the memory until the engine happens to collect.
 */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("typeof gc === 'function' ? gc : null") as (() => void) | null;
  for (let i = 0; i < 2; i++) {
    collect?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
