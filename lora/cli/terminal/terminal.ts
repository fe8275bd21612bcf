/**
 * @file Where a command prints: results to standard output, notes and progress to standard error. With `--json` the result
 * is one JSON document and nothing else; with `--quiet` there are no notes and no progress.
 */

import { createColors } from "picocolors";
import { type Progress, progress } from "./progress.ts";
import { type Column, table } from "./table.ts";

/** The streams and the environment of a command: a process, or what a test puts in its place. */
export interface IO {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A stream to write to. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What a command prints with. */
export interface Terminal {
  /** True with `--json`: print the result by `result` alone. */
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  /** True when people look at standard output. */
  readonly isInteractive: boolean;
  /** Characters in a line of standard output; 100 when it is no terminal. */
  readonly columns: number;
  readonly io: IO;
  /** Colours of standard output; they do nothing where NO_COLOR is set or no terminal is there. */
  readonly colors: ReturnType<typeof createColors>;
  /** Writes to standard output as it is, without a line's end. */
  write(text: string): void;
  /** Writes a line of the result to standard output. */
  print(line?: string): void;
  /** Writes a table to standard output, no wider than the terminal. */
  table(columns: readonly Column[], rows: readonly (readonly unknown[])[]): void;
  /** With `--json` the document, else what `show` prints. */
  result(document: unknown, show: () => void): void;
  /** Writes a line to standard error; nothing with `--quiet`. */
  note(line: string): void;
  /** Shows the progress of `total` steps on standard error; nothing with `--quiet`. */
  progress(label: string, total: number, unit?: string): Progress;
}

/** The terminal of a command. */
export function openTerminal(io: IO, { json = false, quiet = false } = {}): Terminal {
  const isInteractive = io.stdout.isTTY === true;
  const columns = io.stdout.columns ?? (Number(io.env.COLUMNS) || 100);
  const colors = createColors(isInteractive && !io.env.NO_COLOR && io.env.TERM !== "dumb");
  const print = (line = ""): void => void io.stdout.write(`${line}\n`);
  return {
    isJson: json,
    isQuiet: quiet,
    isInteractive,
    columns,
    io,
    colors,
    write: (text) => void io.stdout.write(text),
    print,
    table: (head, rows) => print(table(head, rows, columns, colors)),
    result: (document, show) => (json ? print(JSON.stringify(document, null, 2)) : show()),
    note: (line) => {
      if (!quiet) io.stderr.write(`${line}\n`);
    },
    progress: (label, total, unit) => progress(io.stderr, quiet, label, total, unit),
  };
}
