/** @file Counting parameters: the formula with the numbers filled in. */

import { withCommas } from "./refusal.ts";
import type { Run } from "./run.ts";

/** How the number of trained parameters comes about. */
export function formulaOf(_run: Run, trainable: number): string {
  return withCommas(trainable);
}
