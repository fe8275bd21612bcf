/** @file A progress bar on standard error, where that is a terminal; nothing elsewhere. */

import { SingleBar } from "cli-progress";

export interface ProgressBar {
  /** One step is done. */
  tick(): void;
  /** Takes the bar away. */
  done(): void;
}

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
