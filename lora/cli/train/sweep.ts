/** @file `lowrank sweep`: the cells of a grid of training runs, one at a time or all that remain. */

import { LowrankError } from "../../../core/index.ts";
import { defineCommand } from "../command.ts";
import { integer, text, toggle } from "../flags.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type Cell, readSweep, type Sweep, shown } from "./sweep/file.ts";
import { openResults, type Results } from "./sweep/results.ts";
import { type Outcome, runCell } from "./sweep/run-cell.ts";

export const command = defineCommand({
  arguments: [{ name: "<file>", summary: "the sweep, a JSON file: a run and a grid (below)" }],
  options: {
    index: integer("i", "run cell i, from 0, in place of all that remain", { min: 0 }),
    count: toggle("print the number of cells, and run nothing"),
    list: toggle("print the cells and what became of them, and run nothing"),
    out: text("folder", "where the results go (beside the file, its name and -results)"),
  },
  examples: ["sweep grid.json", "sweep grid.json --index 3", "collect grid.json"],
  notes: `The file holds options of train by name, and for each that varies a list:

  { "run":  { "base": "models/gpt2", "text": "notes.txt", "steps": 200, "validation": 0.1 },
    "grid": { "methods": ["lora", "dora"], "ranks": [2, 8], "rates": [0.001, 0.003], "seeds": [0, 1, 2] } }

Beside these: "results": FOLDER, "saveAdapters": true. A list of grids runs the cells of all. Paths are looked for beside
the file first. Each cell leaves one file; cells that are done are skipped, those that failed are tried again by running
again, and any number of processes may share the work. Without --index the cell is SLURM_ARRAY_TASK_ID or
JOB_COMPLETION_INDEX, where one of them is set:

  sbatch --array=0-$(( $(lowrank sweep grid.json --count) - 1 )) --wrap "npx lowrank sweep grid.json"
  parallel lowrank sweep grid.json --index {} ::: $(seq 0 $(( $(lowrank sweep grid.json --count) - 1 )))

PARALLEL_SEQ is not read: it counts the jobs of whatever parallel runs, from 1. Exit code 1: a cell failed.`,
  async run({ args: [file], options }, terminal) {
    const sweep = readSweep(file);
    const count = sweep.cells.length;
    if (options.count) return terminal.result({ count }, () => terminal.print(String(count)));
    const index = chosen(options.index, sweep, terminal);
    const results = openResults(sweep, options.out ?? sweep.results, terminal.io.env);
    if (options.list) return list(sweep, results, terminal);
    const cells = index === undefined ? sweep.cells : [sweep.cells[index]];
    if (index === undefined && terminal.io.env.PARALLEL_SEQ)
      terminal.note("GNU parallel: without --index {} each job runs all cells that remain and nobody is at");
    return await runAll(cells, sweep, results, terminal, index !== undefined);
  },
});

/** The cell that is asked for, by the option or by the cluster; undefined for all. */
function chosen(index: number | undefined, { cells }: Sweep, { io, note }: Terminal): number | undefined {
  const last = cells.length - 1;
  const check = (name: string, value: number, hint: string): number => {
    if (Number.isSafeInteger(value) && value >= 0 && value <= last) return value;
    throw new LowrankError(`${name}: expected a cell from 0 to ${last}; got ${value}${hint}`);
  };
  if (index !== undefined) return check("--index", index, "");
  for (const [name, hint] of [
    ["SLURM_ARRAY_TASK_ID", `; sbatch --array=0-${last}`],
    ["JOB_COMPLETION_INDEX", `; completions: ${last + 1}`],
  ] as const) {
    const given = io.env[name];
    if (given === undefined || given === "") continue;
    const value = check(name, /^\d+$/.test(given) ? Number(given) : Number.NaN, hint);
    note(`${name} is ${value}`);
    return value;
  }
  return undefined;
}

/** Runs cells, one after the other. Returns the exit code. */
async function runAll(
  cells: readonly Cell[],
  sweep: Sweep,
  results: Results,
  terminal: Terminal,
  isOne: boolean,
): Promise<number> {
  const outcomes: [Cell, Outcome][] = [];
  const count = sweep.cells.length;
  for (const cell of cells) {
    const outcome = await runCell(cell, count, results, sweep.saveAdapters, terminal);
    outcomes.push([cell, outcome]);
    if (isOne || outcome.kind !== "before") tell(cell, outcome, terminal);
  }
  const of = (kind: Outcome["kind"]): number[] =>
    outcomes.filter(([, outcome]) => outcome.kind === kind).map(([{ index }]) => index);
  const [done, before, failed, elsewhere] = [of("done"), of("before"), of("failed"), of("elsewhere")];
  if (isOne && elsewhere.length > 0)
    throw new LowrankError(
      `cell ${elsewhere[0]}: another process is at it (its lock is in ${results.folder}/cells)`,
    );
  const document = { results: results.folder, count, done, skipped: before, failed, elsewhere };
  terminal.result(document, () => {
    if (isOne) return;
    const parts = [
      `${done.length} of ${count} cells run`,
      before.length > 0 ? `${before.length} were done` : "",
      failed.length > 0 ? `${failed.length} failed (${failed.join(", ")})` : "",
      elsewhere.length > 0 ? `another process is at ${elsewhere.length}` : "",
    ];
    terminal.print(`${parts.filter(Boolean).join(", ")}: lowrank collect ${results.folder}`);
  });
  return failed.length > 0 ? 1 : 0;
}

function tell({ index }: Cell, outcome: Outcome, terminal: Terminal): void {
  if (outcome.kind === "elsewhere") {
    terminal.note(`cell ${index}: another process is at it`);
    return;
  }
  const { record } = outcome;
  if (outcome.kind === "failed")
    return void terminal.io.stderr.write(`cell ${index} failed: ${record.error}\n`);
  const { of, before, after } = record.result as NonNullable<typeof record.result>;
  const loss = (value: number | null): string => (value === null ? "not finite" : value.toFixed(4));
  terminal.note(
    `cell ${index} ${outcome.kind === "before" ? "is done already" : "is done"}: ${of} loss ${loss(before)} → ${loss(after)}`,
  );
}

function list(sweep: Sweep, results: Results, terminal: Terminal): void {
  const names = [...new Set(sweep.cells.flatMap(({ values }) => Object.keys(values)))];
  const rows = sweep.cells.map(({ index, values }) => {
    const record = results.read(index);
    return { index, values, status: record?.status ?? "to run", error: record?.error };
  });
  terminal.result(rows, () =>
    terminal.table(
      ["cell", ...names, "status"],
      rows.map(({ index, values, status, error }) => [
        String(index),
        ...names.map((name) => (name in values ? shown(values[name]) : null)),
        error === undefined ? status : `${status}: ${error.split("\n")[0]}`,
      ]),
    ),
  );
}
