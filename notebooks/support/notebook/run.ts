/** @file One run of one notebook: executed, and written with its outputs. */
import { join } from "node:path";
import { writeFileAtomic } from "lowrank/core";
import { uninterrupted } from "../runner/interrupt.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { executeNotebook } from "./execute.ts";
import { toIpynb } from "./ipynb.ts";
import { footer, type RunRecord, recordOf } from "./record.ts";

export interface RunRequest {
  readonly name: string;
  /** Where NAME.ts lies. */
  readonly folder: string;
  /** Where NAME.ipynb goes. */
  readonly out: string;
  readonly full: boolean;
  /** Settings by name, as text. */
  readonly overrides: Readonly<Record<string, string>>;
  readonly seeds?: string;
}

export interface RunResult {
  readonly name: string;
  /** The `.ipynb`. */
  readonly file: string;
  readonly tables: number;
  readonly record: RunRecord;
}

/** Runs a notebook. The file is written at the end, whole or not at all. */
export async function runNotebook(request: RunRequest, terminal: Terminal): Promise<RunResult> {
  const { name, folder, out, full, overrides, seeds } = request;
  const execution = await executeNotebook(join(folder, `${name}.ts`), {
    full,
    overrides: new Map(Object.entries(overrides)),
    seeds,
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
