/** @file Interrupts: Ctrl-C (SIGINT), SIGTERM, and the closing of the terminal (SIGHUP). */

export const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type Interrupt = (typeof SIGNALS)[number];

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
