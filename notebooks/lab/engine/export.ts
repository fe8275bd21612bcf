/** @file Runs as JSON: what was chosen, each step, what was measured, and the program that repeats it. */
import { snippetOf } from "./snippet.ts";
import type { Measured, Opened, Stepped } from "./types.ts";

/** A run as the page holds it. */
export interface Finished {
  readonly opened: Opened;
  readonly steps: readonly Stepped[];
  readonly measured: readonly Measured[];
}

/** All runs as a text in JSON. */
export function exportRuns(runs: readonly Finished[]): string {
  const rows = runs.map(({ opened, steps, measured }) => {
    const { before, ...rest } = opened;
    const program = snippetOf(opened.controls, steps.length);
    return { ...rest, steps, measured: [before, ...measured], program };
  });
  return `${JSON.stringify({ madeBy: "lowrank, the live lab", runs: rows }, null, 1)}\n`;
}
