/** @file Shows progress of long computations on standard error: a bar on a terminal, a few plain lines elsewhere. */
import { type Options, SingleBar } from "cli-progress";
import { currentTerminal } from "../notebook/session.ts";

export interface Progress {
  /**
   * Advances by `steps`.
   * @default 1
   */
  tick(steps?: number): void;
  /** There are so many steps more than was said at first. */
  more(steps: number): void;
  /** Removes the bar. Call it also when fewer steps were needed. */
  done(): void;
}

/**
 * Starts a progress display of `total` steps.
 *
 * @example
 * const bar = progress(1000, "pretraining");
 * for (let step = 0; step < 1000; step++) bar.tick();
 * bar.done();
 */
export function progress(total: number, label: string): Progress {
  const terminal = currentTerminal();
  if (terminal.progress === "bar") return bar(total, label);
  if (terminal.progress === "lines") return lines(total, label, (line) => terminal.status(line));
  return { tick() {}, more() {}, done() {} };
}

/**
 * Options of every bar. The cursor stays visible, lines wrap, and no signal handler is installed, because an interrupt
 * ends the process at once and could not restore them.
 */
export const barLook: Options = {
  barsize: 30,
  barCompleteChar: "█",
  barIncompleteChar: "░",
  clearOnComplete: true,
  hideCursor: false,
  linewrap: true,
  gracefulExit: false,
  stream: process.stderr,
};

function bar(total: number, label: string): Progress {
  // The engine is synchronous: the bar redraws itself inside update().
  const format = `${label} {bar} {value}/{total}, {eta_formatted} left`;
  const single = new SingleBar({ ...barLook, format, etaBuffer: 50 });
  single.start(total, 0);
  return {
    tick: (steps = 1) => single.increment(steps),
    more: (steps) => single.setTotal(single.getTotal() + steps),
    done: () => single.stop(),
  };
}

/** Prints one line at each quarter; nothing in the first five seconds. */
function lines(first: number, label: string, write: (line: string) => void): Progress {
  let total = first;
  const started = performance.now();
  let value = 0;
  let quarter = 0;
  return {
    tick(steps = 1) {
      value += steps;
      const seconds = (performance.now() - started) / 1000;
      if (seconds < 5 || Math.floor((4 * value) / total) <= quarter) return;
      quarter = Math.floor((4 * value) / total);
      const left = Math.max(0, (seconds / value) * (total - value));
      write(`${label}: ${value}/${total}, ${Math.round(left)} s left`);
    },
    more(steps) {
      total += steps;
      quarter = Math.floor((4 * value) / total);
    },
    done() {},
  };
}
