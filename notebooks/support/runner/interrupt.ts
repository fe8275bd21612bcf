/** @file Interrupts: Ctrl-C (SIGINT), SIGTERM, the closing of the terminal (SIGHUP), and the end of the parent. */
import { Worker } from "node:worker_threads";

export const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type Interrupt = (typeof SIGNALS)[number];

/**
 * Ends this process, as SIGTERM does, soon after its parent has ended. npm, for one, hands SIGTERM to the shell between
 * it and the command, which ends without a word. A thread looks, since the engine's work leaves the event loop no time.
 */
export function endWithParent(): void {
  const watch = `
    const { workerData } = require("node:worker_threads");
    setInterval(() => process.ppid === workerData || process.kill(process.pid, "SIGTERM"), 300);`;
  new Worker(watch, { eval: true, workerData: process.ppid, execArgv: [] }).unref();
}

/**
 * Runs `body` with a signal's usual effect put off: one that comes meanwhile ends the process after it, not within. What
 * `onSignal` does with it is done at once.
 */
export async function uninterrupted<T>(
  body: () => T | Promise<T>,
  onSignal: (signal: Interrupt) => void = () => {},
): Promise<T> {
  let caught: Interrupt | undefined;
  const note = (signal: NodeJS.Signals): void => {
    caught ??= signal as Interrupt;
    onSignal(caught);
  };
  for (const signal of SIGNALS) process.on(signal, note);
  try {
    return await body();
  } finally {
    await new Promise((resolve) => setTimeout(resolve)); // what came during synchronous work is told only now
    for (const signal of SIGNALS) process.off(signal, note);
    if (caught) {
      process.kill(process.pid, caught); // now with its usual effect: a shell sees 130 after Ctrl-C
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
