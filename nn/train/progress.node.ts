/** @file A progress bar on standard error, if that is a terminal. */

import { SingleBar } from "cli-progress";

/** A progress bar while it is shown. */
export interface ProgressBar {
  /** Advances the bar by one step. */
  tick(): void;
  /** Removes the bar. */
  done(): void;
}

/** Shows a bar of `total` steps with a label; without a terminal, nothing. */
export function progressBar(total: number, label: string): ProgressBar {
  if (!process.stderr.isTTY) return { tick() {}, done() {} };
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total}, {eta_formatted} left`,
    barsize: 30,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    clearOnComplete: true,
    hideCursor: false,
    linewrap: true, // or the bar switches wrapping off, and an interrupt leaves it off
    gracefulExit: false,
    stream: process.stderr,
  });
  bar.start(total, 0);
  return { tick: () => bar.increment(), done: () => bar.stop() };
}
