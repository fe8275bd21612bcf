/** @file What the forward pass saves for the backward pass, by formula. */
import type { Run } from "./run.ts";

export function savedBytes(_run: Run): number {
  return 0;
}
