// What the bench records of one contestant in one piece of work.

import type { Timing } from "./measure.ts";

export interface Outcome {
  name: string;
  timing?: Timing;
  /** Largest disagreement with the reference result, relative; zero where results must be equal. */
  error?: number;
  /** Why there is no timing: a wrong result or an exception. */
  failure?: string;
}

/** The first line of whatever was thrown. */
export function reason(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.message : String(thrown)).split("\n")[0];
}
