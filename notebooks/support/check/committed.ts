/** @file Whether a committed `.ipynb` is what it should be: of its source as it stands, and of a full run of it. */
import { readFile } from "node:fs/promises";
import type { Notebook } from "../gallery/notebook.ts";
import { toIpynb } from "../notebook/ipynb.ts";
import { type Cell, parsePercent } from "../notebook/percent.ts";
import type { RunRecord } from "../notebook/record.ts";
import type { MimeBundle } from "../notebook/session.ts";

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
  return same(cells, await cellsOf(source));
}

/**
 * The `.ipynb` with the source's prose and the places of its imports, or null where the code is another one, whose
 * outputs these are not.
 */
export async function withProseOf(notebook: Notebook, source: string): Promise<string | null> {
  const cells = await cellsOf(source);
  const code = notebook.cells.filter(({ type }) => type === "code");
  const now = cells.filter(({ type }) => type === "code");
  if (!same(code.map(withoutPlaces), now.map(withoutPlaces))) return null;
  const shown = code.map(({ outputs }) => outputs as readonly MimeBundle[])[Symbol.iterator]();
  const outputs = cells.map(({ type }) => (type === "code" ? (shown.next().value ?? []) : []));
  return toIpynb({ cells, outputs, record: recordIn(notebook) });
}

type AnyCell = Pick<Cell, "type" | "title" | "source">;

const same = (a: readonly AnyCell[], b: readonly AnyCell[]): boolean =>
  a.length === b.length &&
  a.every(
    ({ type, title, source }, i) => type === b[i].type && title === b[i].title && source === b[i].source,
  );

/** Where an imported module lies, and so in which order the imports stand, changes nothing that a cell computes. */
function withoutPlaces<C extends AnyCell>(cell: C): C {
  const imports = /^import\b[^;]*? from "\.[^"]*";\n?/gm;
  const places = Array.from(cell.source.matchAll(imports), ([text]) => text.replace(/"\.[^"]*";\n?$/, ""));
  return { ...cell, source: [...places.sort(), cell.source.replace(imports, "")].join("\n") };
}

const cellsOf = async (source: string): Promise<Cell[]> =>
  parsePercent(await readFile(source, "utf8"), source);
