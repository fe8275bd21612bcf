/** @file Handles interrupts: Ctrl-C (SIGINT), SIGTERM, the closing of the terminal (SIGHUP), the end of the parent. */
import { Worker } from "node:worker_threads";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Interrupt = (typeof SIGNALS)[number];

/**
 * Ends this process with SIGTERM soon after its parent has ended. npm, for instance, sends SIGTERM to the shell between
 * it and the command, and the shell ends without passing it on. A worker thread watches, because the engine's
 * synchronous work leaves no time to the event loop.
 */
export function endWithParent(): void {
  const watch = `
    const { workerData } = require("node:worker_threads");
    setInterval(() => process.ppid === workerData || process.kill(process.pid, "SIGTERM"), 300);`;
  new Worker(watch, { eval: true, workerData: process.ppid, execArgv: [] }).unref();
}

/**
 * Runs `body` without interruption: a signal that arrives meanwhile ends the process after `body`, not within it.
 *
 * @param onSignal called as soon as the signal is delivered
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
    await new Promise((resolve) => setTimeout(resolve)); // signals from synchronous work are delivered only now
    for (const signal of SIGNALS) process.off(signal, note);
    if (caught) {
      process.kill(process.pid, caught); // now with its default effect: the shell sees exit code 130 after Ctrl-C
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
