/**
 * @file The session, the state that a running notebook shares with its runner: the current cell, the outputs so far,
 * the requested settings, and the terminal. One notebook runs at a time. Without a runner (`tsx notebooks/lora.ts`)
 * there is no session, and outputs are only printed.
 */

import type { Reader } from "../experiments/reader.ts";
import { processTerminal, type Terminal } from "../terminal/terminal.ts";
import type { Cell } from "./percent.ts";

/** One value in several forms, by media type, always including `text/plain`. */
export type MimeBundle = Readonly<Record<string, string>> & { readonly "text/plain": string };

export type SettingValue = number | string | boolean | readonly number[];

/** What an experiment says about a claim. */
export type Verdict = "supported" | "on a par" | "cannot tell" | "contradicted";

/** All verdicts, in the order in which they are counted. */
export const VERDICTS: readonly Verdict[] = ["supported", "on a par", "cannot tell", "contradicted"];

export interface SessionOptions {
  readonly name: string;
  readonly cells: readonly Cell[];
  readonly full: boolean;
  /** Settings changed on the command line: name → value, as text. */
  readonly overrides: ReadonlyMap<string, string>;
  /** Value of the setting "seeds", for a notebook that has one. */
  readonly seeds: string | undefined;
  /** The reader's own text and model, for a notebook that takes them. */
  readonly reader?: Reader;
  readonly terminal: Terminal;
  /** Called with the settings once the notebook has declared them. */
  readonly onSettings?: (settings: object) => void;
}

/** The state of one run of a notebook. */
export class Session {
  readonly name: string;
  readonly cells: readonly Cell[];
  readonly full: boolean;
  readonly overrides: ReadonlyMap<string, string>;
  readonly seeds: string | undefined;
  readonly reader: Reader;
  readonly terminal: Terminal;
  readonly onSettings: (settings: object) => void;
  /** outputs[i]: the outputs of cell i, in order. */
  readonly outputs: MimeBundle[][];
  readonly verdicts: Verdict[] = [];
  readonly started = performance.now();
  tables = 0;
  /** The settings in force; null until the notebook has declared them. */
  settings: Readonly<Record<string, SettingValue>> | null = null;
  private cell = -1;

  constructor({
    name,
    cells,
    full,
    overrides,
    seeds,
    reader = {},
    terminal,
    onSettings = () => {},
  }: SessionOptions) {
    this.name = name;
    this.cells = cells;
    this.full = full;
    this.overrides = overrides;
    this.seeds = seeds;
    this.reader = reader;
    this.terminal = terminal;
    this.onSettings = onSettings;
    this.outputs = cells.map(() => []);
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Index of the current cell; outputs of an import count as the first cell's. */
  get current(): number {
    return Math.max(this.cell, 0);
  }

  enter(index: number): void {
    // Top-level code runs once, from top to bottom. Any other order means a marker inside a block or function.
    if (index !== this.cell + 1) throw outOfOrder(this.name, this.cells[index]);
    this.cell = index;
    const cell = this.cells[index];
    if (cell.type === "markdown") for (const heading of headings(cell.source)) this.terminal.heading(heading);
  }

  finish(): void {
    if (this.cell !== this.cells.length - 1) throw outOfOrder(this.name, this.cells[this.cell + 1]);
  }

  /** Stores an output of `cell`, by default of the current one, and prints it as `text`. */
  show(output: MimeBundle, text = output["text/plain"], cell = this.current): void {
    this.outputs[cell].push(output);
    this.terminal.print(text);
  }
}

let running: Session | null = null;

export function currentSession(): Session | null {
  return running;
}

/** The terminal of the running notebook, or the process's own. */
export function currentTerminal(): Terminal {
  return running?.terminal ?? processTerminal;
}

/** Runs `body` with `session` as the current one. */
export async function withSession(session: Session, body: () => Promise<void>): Promise<void> {
  if (running)
    throw new Error(`${session.name}: ${running.name} is still running; notebooks run one at a time`);
  running = session;
  try {
    await body();
  } finally {
    running = null;
  }
}

/** Called at each cell boundary by the marked program (`markCells`). */
export function enterCell(index: number): void {
  running?.enter(index);
}

function outOfOrder(name: string, cell: Cell): Error {
  return new Error(`${name}: the cell at line ${cell.line} is not at the top level of the file`);
}

function headings(markdown: string): string[] {
  return markdown
    .split("\n")
    .filter((line) => /^#{1,3} /.test(line))
    .map((line) => line.replace(/^#+ /, ""));
}
