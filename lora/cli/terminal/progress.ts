/** @file The progress of a long command, on standard error: a bar on a terminal, else a line every ten seconds. */

import { SingleBar } from "cli-progress";
import type { Output } from "./terminal.ts";

/** A progress while it is shown. */
export interface Progress {
  /** Says how many steps are done, and what is being done. */
  update(done: number, detail?: string): void;
  /** Removes it. */
  done(): void;
}

const nothing: Progress = { update() {}, done() {} };
const SECONDS = 10;

/** Shows how many of `total` steps are done, in `unit` (steps, tensors, MB). */
export function progress(out: Output, quiet: boolean, label: string, total: number, unit = ""): Progress {
  if (quiet) return nothing;
  if (out.isTTY !== true) return lines(out, label, total, unit);
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total} ${unit} {detail} {eta_formatted} left`,
    barsize: 24,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    clearOnComplete: true,
    hideCursor: false,
    linewrap: true, // or the bar switches wrapping off, and an interrupt leaves it off
    gracefulExit: false,
    stream: out as NodeJS.WriteStream,
  });
  bar.start(total, 0, { detail: "" });
  return { update: (done, detail = "") => bar.update(done, { detail }), done: () => bar.stop() };
}

/** Without a terminal: nothing in the first seconds, then a line from time to time. */
function lines(out: Output, label: string, total: number, unit: string): Progress {
  let last = performance.now();
  return {
    update(done, detail = "") {
      if (performance.now() - last < SECONDS * 1000) return;
      last = performance.now();
      out.write(`${[`${label}: ${done}/${total}`, unit, detail].filter(Boolean).join(" ")}\n`);
    },
    done() {},
  };
}
