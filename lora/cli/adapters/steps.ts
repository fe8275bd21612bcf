/** @file Runs long work that comes in steps: with its progress, and so that Ctrl-C ends it without leaving anything behind. */

import { setImmediate } from "node:timers/promises";
import { LowrankError } from "../../../core/index.ts";
import type { CheckpointProgress } from "../../../nn/index.ts";
import type { Terminal } from "../terminal/terminal.ts";

/**
 * Runs the steps to their end, and shows how many megabytes are done.
 * @throws LowrankError after an interrupt (SIGINT, SIGTERM), when the work has been undone
 */
export async function runSteps<R>(
  steps: Generator<CheckpointProgress, R>,
  terminal: Terminal,
  label: string,
): Promise<R> {
  let signal: string | null = null;
  const interrupt = (name: string): void => void (signal = name);
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  let bar: ReturnType<Terminal["progress"]> | undefined;
  try {
    for (let last = performance.now(); ; ) {
      const { done, value } = steps.next();
      if (done) return value;
      bar ??= terminal.progress(label, Math.ceil(value.total / 1e6), "MB");
      if (performance.now() - last < 50) continue;
      last = performance.now();
      bar.update(Math.floor(value.done / 1e6), value.tensor);
      await setImmediate(); // signals are heard here
      if (signal !== null) throw new LowrankError(`interrupted by ${signal}; nothing was written`);
    }
  } finally {
    bar?.done();
    steps.return(undefined as never);
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}
