/** @file Checks that a committed `.ipynb` is a full run of its present source. */
import { readFile } from "node:fs/promises";
import type { Notebook } from "../gallery/notebook.ts";
import { toIpynb } from "../notebook/ipynb.ts";
import { type Cell, parsePercent } from "../notebook/percent.ts";
import type { RunRecord } from "../notebook/record.ts";
import type { MimeBundle } from "../notebook/session.ts";

/** The fewest seeds that a committed run may average over. */
const SEEDS = 5;

/** The faults of a committed run of the notebook at `source`, each as a phrase; empty if there are none. */
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

/** Whether the cells equal those of the source. */
export async function isOf({ cells }: Notebook, source: string): Promise<boolean> {
  return same(cells, await cellsOf(source));
}

/**
 * The text of the `.ipynb` with the prose and the import paths of the present source. Null if the rest of the code has
 * changed: the outputs then belong to other code.
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

/** The cell without the paths of its imports, which do not affect what it computes; their order depends on the paths. */
function withoutPlaces<C extends AnyCell>(cell: C): C {
  const imports = /^import\b[^;]*? from "\.[^"]*";\n?/gm;
  const places = Array.from(cell.source.matchAll(imports), ([text]) => text.replace(/"\.[^"]*";\n?$/, ""));
  return { ...cell, source: [...places.sort(), cell.source.replace(imports, "")].join("\n") };
}

const cellsOf = async (source: string): Promise<Cell[]> =>
  parsePercent(await readFile(source, "utf8"), source);
