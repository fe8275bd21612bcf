/** @file Runs one notebook and writes it with its outputs as `.ipynb`. */
import { join } from "node:path";
import { writeFileAtomic } from "lowrank/core";
import type { Reader } from "../experiments/reader.ts";
import { uninterrupted } from "../runner/interrupt.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { executeNotebook } from "./execute.ts";
import { toIpynb } from "./ipynb.ts";
import { footer, type RunRecord, recordOf } from "./record.ts";

export interface RunRequest {
  readonly name: string;
  /** The folder of NAME.ts. */
  readonly folder: string;
  /** The folder to which NAME.ipynb is written. */
  readonly out: string;
  readonly full: boolean;
  /** Changed settings by name, as text. */
  readonly overrides: Readonly<Record<string, string>>;
  readonly seeds?: string;
  /** The reader's own text and model. */
  readonly reader?: Reader;
}

export interface RunResult {
  readonly name: string;
  /** Path of the `.ipynb`. */
  readonly file: string;
  readonly tables: number;
  readonly record: RunRecord;
}

/** Runs a notebook. The file is written at the end, completely or not at all. */
export async function runNotebook(request: RunRequest, terminal: Terminal): Promise<RunResult> {
  const { name, folder, out, full, overrides, seeds, reader } = request;
  const execution = await executeNotebook(join(folder, `${name}.ts`), {
    full,
    overrides: new Map(Object.entries(overrides)),
    seeds,
    reader,
    terminal,
  });
  const { cells, tables } = execution;
  const record = recordOf(execution);
  const last = cells.map(({ type }) => type).lastIndexOf("code");
  const outputs = execution.outputs.map((shown, i) => (i === last ? [...shown, footer(record)] : shown));

  const file = join(out, `${name}.ipynb`);
  const text = toIpynb({ cells, outputs, record });
  await uninterrupted(() => writeFileAtomic(file, new TextEncoder().encode(text)));
  return { name, file, tables, record };
}
