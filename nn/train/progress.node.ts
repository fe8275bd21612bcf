/** @file A progress bar on standard error, if that is a terminal and cli-progress is there to draw it. */

import { createRequire } from "node:module";
import type { SingleBar } from "cli-progress";

/** A progress bar while it is shown. */
export interface ProgressBar {
  /** Advances the bar by one step. */
  tick(): void;
  /** Removes the bar. */
  done(): void;
}

/** Shows a bar of `total` steps with a label; without a terminal or cli-progress, nothing. */
export function progressBar(total: number, label: string): ProgressBar {
  const Bar = process.stderr.isTTY ? loadBar() : null;
  if (!Bar) return { tick() {}, done() {} };
  const bar = new Bar({
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

/** cli-progress's bar, loaded where the first one is shown; null where the package is absent, as in a bundle. */
function loadBar(): typeof SingleBar | null {
  try {
    return (createRequire(import.meta.url)("cli-progress") as { readonly SingleBar: typeof SingleBar })
      .SingleBar;
  } catch {
    return null;
  }
}
