/** @file Garbage, for tests of what leaves with it: `npm test` exposes the collector. */

import { setTimeout as delay } from "node:timers/promises";

export const mayCollect = typeof gc === "function";

/** Collects, and lets the finalizers run, at least three times, until `done()` or two hundred times. */
export async function collectUntil(done: () => boolean): Promise<void> {
  for (let round = 0; round < 200 && (round < 3 || !done()); round++) {
    await delay(5);
    gc?.();
  }
}
