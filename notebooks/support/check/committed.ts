/** @file Whether a committed `.ipynb` is what it should be: of its source as it stands, and of a full run of it. */
import { readFile } from "node:fs/promises";
import type { Notebook } from "../gallery/notebook.ts";
import { parsePercent } from "../percent.ts";
import type { RunRecord } from "../record.ts";

const SEEDS = 3;

/** What is wrong with a committed run of the notebook at `source`; empty if nothing is. */
export async function faults(notebook: Notebook, source: string): Promise<string[]> {
  const again = `npm start -- ${notebook.name} --full`;
  const { setting, changed, settings, verdicts } = (recordIn(notebook) ?? {}) as Partial<RunRecord>;
  const seeds = settings?.seeds;
  return [
    !(await isOf(notebook, source)) && `older than ${notebook.name}.ts: ${again}`,
    setting !== "full" && `of the ${setting ?? "unknown"} setting: ${again}`,
    changed !== undefined && `of a run with ${changed}: ${again}`,
    typeof seeds === "number" && seeds < SEEDS && `of ${seeds} seeds; expected at least ${SEEDS}: ${again}`,
    verdicts === undefined && `without its verdicts: ${again}`,
  ].filter((fault) => fault !== false);
}

export function recordIn({ metadata }: Notebook): RunRecord | undefined {
  return metadata.lowrank as RunRecord | undefined;
}

/** Whether the cells are those of the source. */
export async function isOf({ cells }: Notebook, source: string): Promise<boolean> {
  const own = parsePercent(await readFile(source, "utf8"), source);
  const line = ({
    type,
    title = "",
    source: text,
  }: {
    type: string;
    title?: string;
    source: string;
  }): string => JSON.stringify([type, title, text]);
  return own.map(line).join() === cells.map(line).join();
}
