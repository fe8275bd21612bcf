/** @file The terminal of a run: results go to standard output, everything about the run to standard error. */

export interface Terminal {
  /** How progress appears: a bar that redraws itself, sparse plain lines, or not at all. */
  readonly progress: "bar" | "lines" | "none";
  /** Width available to results. Absent when they go to a file or another program: then they are not wrapped. */
  readonly columns?: number;
  /** Prints a result: a table, a plot, a value. */
  print(text: string): void;
  /** Prints a heading of the notebook's prose. */
  heading(text: string): void;
  /** Prints a line about the run. */
  status(text: string): void;
}

const plain = process.env.NO_COLOR !== undefined && process.env.NO_COLOR !== "";

/** The terminal of this process. */
export const processTerminal: Terminal = {
  progress: process.stderr.isTTY ? "bar" : "lines",
  get columns() {
    return process.stdout.isTTY ? Number(process.env.COLUMNS) || process.stdout.columns : undefined;
  },
  print(text) {
    clearBar();
    process.stdout.write(`${text}\n\n`);
  },
  heading(text) {
    clearBar();
    process.stdout.write(process.stdout.isTTY && !plain ? `\x1b[1m${text}\x1b[22m\n\n` : `${text}\n\n`);
  },
  status(text) {
    clearBar();
    process.stderr.write(`${text}\n`);
  },
};

/** Shows nothing. For tests, and for runs whose output goes elsewhere. */
export const silentTerminal: Terminal = {
  progress: "none",
  print() {},
  heading() {},
  status() {},
};

/** Clears the line, on which a progress bar may stand; the bar draws itself again at its next step. */
function clearBar(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}
